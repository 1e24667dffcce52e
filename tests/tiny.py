"""Model folders for tests."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from demoire.picture import Samples

TINY_FIELDS = {"channels": [4, 8], "encoder_blocks": [0, 1], "decoder_blocks": [1], "context_blocks": 1}


def write_model(
    weights: Path,
    model_id: str,
    state: "dict[str, Tensor]",
    needs: dict[str, object],
    family: str = "cnn",
    architecture: str = "unet",
    fields: Mapping[str, object] = TINY_FIELDS,
) -> None:
    """Adds a model (of the tiny architecture) to a folder of weights and its catalogue, as the export command does."""
    from safetensors.torch import save_file

    folder = weights / model_id
    folder.mkdir(parents=True)
    save_file(state, folder / "model.safetensors")
    config = {
        "format": 1,
        "id": model_id,
        "family": family,
        "architecture": architecture,
        "fields": fields,
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
        "family": family,
        "architecture": architecture,
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


DETECTOR_FIELDS = {"channels": (6, 8, 8), "blocks": (0, 1, 1), "evidence": 4, "hidden": 5, "window": 4}
DISCRIMINATOR_FIELDS = {"channels": (6, 8, 8, 8), "hidden": 6}


def write_discriminator(weights: Path, seed: int = 0) -> None:
    """Adds a small discriminator with random weights, loud enough that patches differ."""
    import torch

    from demoire.models import build_model

    torch.manual_seed(seed)
    module = build_model("discriminator", **DISCRIMINATOR_FIELDS)
    state = dict(module.state_dict())
    state["calibration"] = torch.tensor([8.0, 0.0])
    fields = DISCRIMINATOR_FIELDS
    write_model(weights, "discriminator", state, asdict(module.needs), "discriminator", "discriminator", fields)


def write_detector(weights: Path, clean: "Samples | None" = None, moire: "Samples | None" = None) -> None:
    """Adds a small detector with random weights, whose verdict and mask tell the two pictures apart that are given.

    Its calibration is put between them, and so is the bias of its mask: in ``moire`` some cells show it, in ``clean``
    few.
    """
    import torch

    from demoire.models import build_model
    from demoire.models.detector import Detector

    torch.manual_seed(0)
    module = build_model("detector", **DETECTOR_FIELDS)
    assert isinstance(module, Detector)
    if clean is not None and moire is not None:
        with torch.no_grad():
            (maps, features), (_, others) = (module(_tensor(pixels, 16)) for pixels in (moire, clean))
            low, high = (float(module.judge(found).max()) for found in (others, features))
            scale = 6 / (high - low)
            module.calibration.copy_(torch.tensor([scale, -scale * (low + high) / 2]))
            module.maps.bias[1] -= maps[0, 1].quantile(0.7)
    fields = DETECTOR_FIELDS
    write_model(weights, "detector", module.state_dict(), asdict(module.needs), "detector", "detector", fields)


def _tensor(pixels: "Samples", multiple: int) -> "Tensor":
    """(1, 3, H, W) in [0, 1], cut to the multiple."""
    import torch

    height, width = (side // multiple * multiple for side in pixels.shape[:2])
    return torch.from_numpy(pixels[:height, :width].copy()).permute(2, 0, 1)[None] / 255
