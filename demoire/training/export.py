"""From a training's checkpoint to a model folder and its line in the catalogue."""

import copy
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from demoire.entries import CATALOG_FILE, FileEntry, ModelEntry, write_catalog
from demoire.errors import DataError, OutputError
from demoire.models import Needs, build_model
from demoire.models.detector import Detector
from demoire.models.unet import UNet, macs_per_pixel
from demoire.pairs import load_picture
from demoire.tiling import Predictor, predict_image
from demoire.training import checkpoint
from demoire.training.checkpoint import Progress
from demoire.training.options import SIMULATED
from demoire.training.presets import Preset

STEP = 1 / 255
HALF_COST = 0.01
SEEN_TOLERANCE = 0.1
"""How far the probability that moire is visible at a place may be off near where a photo was cut."""
_CORE = 128


@dataclass(frozen=True)
class Touches:
    """Small changes by hand between training and export: how much is restored against how well clean photos are spared.

    Attributes:
        gate_shift: added to the logits of the gate.
        gain: times the residual; an L1 loss draws it towards nothing where the network is unsure.
        gate_scale: times the logits, before they are shifted: above 1 for a gate that decides more sharply.
        earlier: a safetensors file of weights, such as those that the training began with, that are mixed in.
        kept: their share, 0 to 1. Between both a network often does better than either (Wortsman et al., Robust
            fine-tuning of zero-shot models, CVPR 2022).
    """

    gate_shift: float = 0.0
    gain: float = 1.0
    gate_scale: float = 1.0
    earlier: Path | None = None
    kept: float = 0.0

    def options(self) -> str:
        """As options of ``export``, with a space before each; nothing where nothing is changed."""
        given = [f"--keep EARLIER.safetensors {self.kept:g}"] if self.earlier else []
        given += [f"--gate-scale {self.gate_scale:g}"] if self.gate_scale != 1 else []
        given += [f"--gate-shift {self.gate_shift:g}"] if self.gate_shift else []
        given += [f"--gain {self.gain:g}"] if self.gain != 1 else []
        return "".join(f" {option}" for option in given)


@dataclass(frozen=True)
class Trained:
    """The averaged weights of one training or of several, on the CPU, and where the (first) training stood.

    Attributes:
        data: what they were trained on, as ``demoire.training.options`` names it.
    """

    module: nn.Module
    progress: Progress
    touches: Touches = Touches()
    runs: int = 1
    data: tuple[str, ...] = (SIMULATED,)


def load_runs(runs: Sequence[Path], preset: Preset, touches: Touches = Touches()) -> Trained:
    """Reads the checkpoints of trainings of ``preset`` and takes the mean of their weights.

    Such a mean does better than each of several trainings that began with the same weights (Wortsman et al., Model
    soups, ICML 2022).

    Args:
        runs: folders of trainings, the last one first: its progress is told.
        touches: what is changed in the weights of a restoring network.

    Raises:
        DataError: there is none, it is damaged, or it is of another network.
    """
    parts = [_load_run(run, preset) for run in runs]
    module, progress, _ = parts[0]
    states = [part.state_dict() for part, _, _ in parts]
    module.load_state_dict({k: torch.stack([state[k] for state in states]).mean(0) for k in states[0]})
    module.requires_grad_(False).eval()
    if touches.earlier is not None:
        _mix_in(module, touches.earlier, touches.kept)
    if isinstance(module, UNet):
        for parameter in module.gate.parameters():
            parameter.mul_(touches.gate_scale)
        module.gate.bias.add_(touches.gate_shift)  # type: ignore[union-attr]
        for parameter in module.head.parameters():
            parameter.mul_(touches.gain)
    data = dict.fromkeys(kind for _, _, kinds in parts for kind in kinds)
    return Trained(module, progress, touches, len(runs), tuple(data))


def _mix_in(module: nn.Module, path: Path, share: float) -> None:
    """Makes ``share`` of all weights those of a file."""
    own = module.state_dict()
    try:
        earlier = load_file(path)
        module.load_state_dict({name: torch.lerp(own[name], earlier[name].to(own[name].dtype), share) for name in own})
    except (OSError, SafetensorError, KeyError, RuntimeError) as error:
        raise DataError(
            f"{path} cannot be mixed in ({error}); give a model.safetensors of the preset's own network."
        ) from error


def _load_run(run: Path, preset: Preset) -> tuple[nn.Module, Progress, list[str]]:
    found = checkpoint.load(run / "checkpoint")
    if found is None:
        raise DataError(f"There is no checkpoint in {run}; run train first, with --run {run}.")
    tensors, progress, settings = found
    module = build_model(preset.architecture, **vars(preset.network))
    try:
        module.load_state_dict(checkpoint.under(tensors, "average."))
    except RuntimeError as error:
        raise DataError(
            f"The checkpoint in {run} is of another network than the preset's; give its own preset."
        ) from error
    data = settings.get("data")
    return module, progress, data if isinstance(data, list) else [SIMULATED]


def read_photo(path: Path) -> Tensor:
    """(3, H, W) in [0, 1], upright, rounded to 8 bits; raises DataError where it cannot be read."""
    return torch.from_numpy(load_picture(path).copy()).permute(2, 0, 1).float() / 255


def visibility(detector: Detector) -> Predictor:
    """What a detector says of every pixel, as a picture (N, 1, H, W) in [0, 1]."""

    def seen(image: Tensor) -> Tensor:
        shown: Tensor = torch.sigmoid(detector(image)[0][:, 1:])
        return F.interpolate(shown, image.shape[-2:], mode="nearest")

    return seen


@torch.no_grad()
def measure_halo(module: Predictor, needs: Needs, photos: Sequence[Tensor], tolerance: float = STEP / 2) -> int:
    """The smallest halo with which tiles differ from whole ``photos`` by at most ``tolerance`` anywhere.

    Half a step of 8 bits for what is restored, since pictures are cut in other places later.

    Raises:
        DataError: a photo is so small that it would not be cut into tiles.
    """
    multiple, largest = needs.size_multiple, needs.receptive_field
    smallest = min((max(photo.shape[-2:]) for photo in photos), default=0)
    if smallest <= 2 * largest + _CORE:
        raise DataError(f"To measure the halo give photos of more than {2 * largest + _CORE} px, not of {smallest} px.")
    wholes = [predict_image(module, photo, multiple, 0) for photo in photos]

    def enough(halo: int) -> bool:
        tiled = (predict_image(module, photo, multiple, halo, 2 * halo + _CORE) for photo in photos)
        return all((a.clamp(0, 1) - b.clamp(0, 1)).abs().max() <= tolerance for a, b in zip(tiled, wholes, strict=True))

    low, high = 0, largest // multiple
    while low < high:
        middle = (low + high) // 2
        if enough(middle * multiple):
            high = middle
        else:
            low = middle + 1
    return low * multiple


@torch.no_grad()
def half_costs_little(module: nn.Module, photos: Sequence[Tensor], multiple: int) -> bool:
    """Whether float16 weights would change the PSNR against anything by less than 0.01 dB.

    Restored pictures differ from ground truth by at least the quantisation of 8 bits; a change whose mean square is
    under 0.23 % of that moves no PSNR by more than ``HALF_COST``.
    """
    rounded = copy.deepcopy(module).half().float()
    limit = (10 ** (HALF_COST / 10) - 1) * STEP**2 / 12
    changes = [
        float((predict_image(rounded, p, multiple, 0) - predict_image(module, p, multiple, 0)).square().mean())
        for p in photos
    ]
    return max(changes) < limit


def write_model(trained: Trained, preset: Preset, photos: Sequence[Tensor], target: Path, licence: str) -> ModelEntry:
    """Writes ``target/<model id>/{config.json, model.safetensors}`` and the catalogue's line.

    Raises:
        OutputError: the folder cannot be written.
    """
    needs: Needs = trained.module.needs  # type: ignore[assignment]
    half = False
    if preset.task.restores:
        needs = replace(needs, halo=measure_halo(trained.module, needs, photos))
        half = half_costs_little(trained.module, photos, needs.size_multiple)
    elif isinstance(trained.module, Detector):
        needs = replace(needs, halo=measure_halo(visibility(trained.module), needs, photos, SEEN_TOLERANCE))
    state = {k: (v.half() if half else v).contiguous() for k, v in trained.module.state_dict().items()}
    config = {
        "format": 1,
        "id": preset.model_id,
        "family": preset.family,
        "architecture": preset.architecture,
        "fields": asdict(preset.network),
        "needs": asdict(needs),
    }
    files = {"config.json": (json.dumps(config, indent=1) + "\n").encode(), "model.safetensors": save(state)}
    entry = ModelEntry(
        id=preset.model_id,
        family=preset.family,
        architecture=preset.architecture,
        repo=None,
        revision=None,
        files={name: FileEntry(hashlib.sha256(data).hexdigest(), len(data)) for name, data in files.items()},
        licence=licence,
        parameters=sum(p.numel() for p in trained.module.parameters()),
        macs_per_pixel=round(macs_per_pixel(trained.module, inputs=needs.frames), 1),
        summary=dict(preset.summary),
        bundled=True,
    )
    folder = target / preset.model_id
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, data in files.items():
            (folder / name).write_bytes(data)
    except OSError as error:
        raise OutputError(f"{folder} cannot be written ({error.strerror}); choose another folder with -o.") from error
    write_catalog(target / CATALOG_FILE, [entry])
    return entry
