"""One thread for every library, since tests share their machine; a folder of tiny models."""

import hashlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

if TYPE_CHECKING:
    from torch import Tensor

TINY_FIELDS = {"channels": [4, 8], "encoder_blocks": [0, 1], "decoder_blocks": [1], "context_blocks": 1}


def write_model(weights: Path, model_id: str, state: "dict[str, Tensor]", needs: dict[str, object]) -> None:
    """Adds a model of the tiny architecture to a folder of weights and its catalogue, as the export command does."""
    from safetensors.torch import save_file

    folder = weights / model_id
    folder.mkdir(parents=True)
    save_file(state, folder / "model.safetensors")
    config = {
        "format": 1,
        "id": model_id,
        "family": "cnn",
        "architecture": "unet",
        "fields": TINY_FIELDS,
        "needs": needs,
    }
    (folder / "config.json").write_text(json.dumps(config))
    files = {}
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        files[path.name] = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}
    path = weights / "catalog.json"
    catalog = json.loads(path.read_text()) if path.exists() else {"models": {}}
    catalog["models"][model_id] = {
        "family": "cnn",
        "architecture": "unet",
        "repo": None,
        "revision": None,
        "files": files,
        "licence": "MIT",
        "parameters": sum(tensor.numel() for tensor in state.values()),
        "macs_per_pixel": 500,
        "summary": {"en": "For tests.", "zh-CN": "用于测试。"},
        "bundled": True,
    }
    path.write_text(json.dumps(catalog))


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A folder with the models "identity" (hands back its input) and "tiny" (random weights), both with a halo."""
    import torch

    from demoire.models import build_model

    folder = tmp_path / "weights"
    torch.manual_seed(11)
    module = build_model("unet", **TINY_FIELDS)
    needs = {"size_multiple": 4, "receptive_field": 40, "halo": 40, "tiling": True, "frames": 1, "dtype": "float32"}
    write_model(folder, "identity", module.state_dict(), needs)
    state = dict(module.state_dict())
    for name in ("head.weight", "head.bias"):
        state[name] = torch.randn_like(state[name]) * 0.05
    write_model(folder, "tiny", {name: tensor.half() for name, tensor in state.items()}, needs)
    return folder
