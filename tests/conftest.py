"""One thread for every library, since tests share their machine; a folder of tiny models."""

import os
from pathlib import Path

import pytest

from tests.tiny import TINY_FIELDS, TINY_NEEDS, write_model

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A folder with the models "identity" (hands back its input) and "tiny" (random weights), both with a halo."""
    import torch

    from demoire.models import build_model

    folder = tmp_path / "weights"
    torch.manual_seed(11)
    module = build_model("unet", **TINY_FIELDS)
    write_model(folder, "identity", module.state_dict(), TINY_NEEDS)
    state = dict(module.state_dict())
    for name in ("head.weight", "head.bias"):
        state[name] = torch.randn_like(state[name]) * 0.05
    write_model(folder, "tiny", {name: tensor.half() for name, tensor in state.items()}, TINY_NEEDS)
    return folder
