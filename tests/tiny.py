"""Model folders and content for tests."""

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
TINY_NEEDS: dict[str, object] = {
    "size_multiple": 4,
    "receptive_field": 40,
    "halo": 40,
    "tiling": True,
    "frames": 1,
    "dtype": "float32",
}


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


LOOK_FIELDS = {"channels": [4, 4, 4], "encoder_blocks": [0, 0, 0], "decoder_blocks": [0, 0], "context_blocks": 0}
DETECTOR_FIELDS = {"cnn": LOOK_FIELDS, "evidence": 4, "evidence_blocks": 1, "window": 2}
DISCRIMINATOR_FIELDS = {"channels": (6, 8, 8, 8), "hidden": 6}


def write_discriminator(weights: Path, seed: int = 0) -> None:
    """Adds a small discriminator with random weights, loud enough that patches differ."""
    import torch

    from demoire.models import build_model

    torch.manual_seed(seed)
    module = build_model("discriminator", **DISCRIMINATOR_FIELDS)
    state = dict(module.state_dict())
    state["calibration"] = torch.tensor([8.0, 8.0, 0.0])
    fields = DISCRIMINATOR_FIELDS
    write_model(weights, "discriminator", state, asdict(module.needs), "discriminator", "discriminator", fields)


def write_detector(weights: Path, clean: "Samples | None" = None, moire: "Samples | None" = None) -> None:
    """Adds a small detector with random weights; given two pictures, one whose verdict and mask tell them apart.

    The bias of its mask is put so that some cells of ``moire`` show, and the calibration of its verdict between both.
    """
    from itertools import count

    import torch

    from demoire.models import build_model
    from demoire.models.detector import Detector

    for seed in count():
        torch.manual_seed(seed)
        module = build_model("detector", **DETECTOR_FIELDS)
        assert isinstance(module, Detector)
        if clean is None or moire is None:
            break
        with torch.inference_mode():
            module.cnn.head.weight.normal_(0, 0.1)  # fresh weights take nothing out
            module.visibility.bias[0] -= module(padded(moire, 128))[0][0, 1].quantile(0.7)
            found = [module.verdicts(module(padded(pixels, 128))[1]).amax((0, 2, 3)) for pixels in (moire, clean)]
            apart, middle = (found[0] - found[1]).tolist(), ((found[0] + found[1]) / 2).tolist()
            # The verdict that tells them better decides, the other says nothing.
            which, verdicts = apart.index(max(apart)), (module.by_cnn, module.by_bands)
            if apart[which] > 0.05:
                scale = 6 / apart[which]
                verdicts[which].weight.mul_(scale)
                verdicts[which].bias.mul_(scale).sub_(scale * middle[which])
                verdicts[1 - which].bias.fill_(-60)
                break
    fields = DETECTOR_FIELDS
    write_model(weights, "detector", module.state_dict(), asdict(module.needs), "detector", "detector", fields)


RECURRENT_FIELDS = {"look": LOOK_FIELDS, "channels": [4, 4, 4], "blocks": [0, 0, 0]}


def write_recurrent(weights: Path, noise: float = 0.0) -> None:
    """Adds the model "rnn": untrained, so the running mean of aligned photos; ``noise`` on the head of its mix."""
    import torch

    from demoire.models import build_model

    torch.manual_seed(1)
    module = build_model("recurrent", **RECURRENT_FIELDS)
    state = dict(module.state_dict())
    state["head.weight"] = state["head.weight"] + noise * torch.randn_like(state["head.weight"])
    write_model(weights, "rnn", state, asdict(module.needs), "rnn", "recurrent", RECURRENT_FIELDS)


def padded(pixels: "Samples", multiple: int) -> "Tensor":
    """(1, 3, H, W) in [0, 1], reflected at the right and bottom to the multiple."""
    import numpy as np
    import torch

    spare = [(0, -side % multiple) for side in pixels.shape[:2]]
    return torch.from_numpy(np.pad(pixels, [*spare, (0, 0)], mode="reflect")).permute(2, 0, 1)[None] / 255


def blocks_store(folder: Path) -> Path:
    """Makes a content store of ten small pictures of coloured blocks in ``folder`` and returns its path."""
    import numpy as np
    from PIL import Image

    from demoire.cli import main

    pictures, store = folder / "pictures" / "photos", folder / "store"
    pictures.mkdir(parents=True)
    for number in range(10):
        picture = np.random.default_rng(number).integers(0, 256, (12, 16, 3), np.uint8).repeat(12, 0).repeat(12, 1)
        Image.fromarray(picture).save(pictures / f"{number}.png")
    arguments = ["--content", str(pictures.parent), "-o", str(store), "--pages", "0", "--licence", "CC0-1.0"]
    assert main(["prepare", *arguments, "--workers", "1"]) == 0
    return store
