"""Checkpoints that users download (.pth), turned into model folders: read in a process of its own, weights only.

``demoire.unpickling`` is that process. It writes safetensors, which are then loaded as strictly as any other model.
"""

import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from demoire.additions import describe_folder
from demoire.config import ModelConfig
from demoire.entries import CARD_FILE, CATALOG_FILE, CONFIG_FILE, WEIGHTS_FILE, ModelEntry, check_name, write_catalog
from demoire.errors import OutputError, WeightsError
from demoire.hub.publishing import plain_card
from demoire.hub.sources import Resolved
from demoire.loading import open_model
from demoire.models import Needs, build_model
from demoire.unpickling import REFUSED

_SECONDS = 300
#: Of a picture whose surroundings are exchanged, how much the middle may change on average.
_TOLERANCE = 0.25 / 255
_HALOS = (32, 64, 96, 128, 160)
_LARGEST_HALO = 256
_CORE = 64


@dataclass(frozen=True)
class Conversion:
    """What to make of a checkpoint: architecture, family, and what its card says of licence, data and source."""

    architecture: str
    family: str = "cnn"
    licence: str = "unknown"
    datasets: tuple[str, ...] = ()
    source: str = ""


def convert(checkpoint: Path, target: Path, conversion: Conversion, photo: Tensor | None = None) -> ModelEntry:
    """Makes the model folder ``target`` of a checkpoint; its name is the model's id.

    Args:
        photo: (3, H, W) in [0, 1]: a real photo on which the halo of a network with global averages is measured.

    Raises:
        UnknownNameError: no such architecture.
        WeightsError: the checkpoint cannot be read, or does not fit the architecture.
        OutputError: the folder cannot be written.
    """
    target = target.absolute()
    check_name(target.name, "the name of the model's folder")
    try:
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as place:
            folder = Path(place, target.name)
            folder.mkdir()
            entry = _make(checkpoint, folder, conversion, photo)
            for path in folder.iterdir():
                path.replace(target / path.name)
    except OSError as error:
        raise OutputError(f"'{target}' cannot be written ({error.strerror}); choose another folder with -o.") from error
    return entry


def _make(checkpoint: Path, folder: Path, conversion: Conversion, photo: Tensor | None) -> ModelEntry:
    with torch.device("meta"):
        needs = build_model(conversion.architecture).needs
    assert isinstance(needs, Needs)
    config = ModelConfig(folder.name, conversion.family, conversion.architecture, {}, asdict(needs))
    _read_apart(checkpoint, folder / WEIGHTS_FILE)
    (folder / CONFIG_FILE).write_bytes(config.to_bytes())
    loaded = open_model(Resolved(describe_folder(folder, folder.name), folder, "local"))
    if photo is not None and not needs.tiling:
        needs = replace(needs, halo=measure_local_halo(loaded.module, photo))
        (folder / CONFIG_FILE).write_bytes(replace(config, needs=asdict(needs)).to_bytes())
    entry = replace(
        describe_folder(folder, folder.name),
        licence=conversion.licence,
        macs_per_pixel=loaded.entry.macs_per_pixel,
        summary=_summary(conversion),
    )
    (folder / CARD_FILE).write_text(plain_card(entry, list(conversion.datasets), _origin(conversion)), "utf-8")
    write_catalog(folder / CATALOG_FILE, [entry])
    return entry


def _summary(conversion: Conversion) -> dict[str, str]:
    data = ", ".join(conversion.datasets)
    return {
        "en": f"{conversion.architecture}, converted{f'; trained on {data}' if data else ''}.",
        "zh-CN": f"{conversion.architecture}，由检查点转换{f'，训练数据：{data}' if data else ''}。",
    }


def _origin(conversion: Conversion) -> str:
    source = conversion.source or "a checkpoint that its authors publish"
    return f"The weights of {source}, converted to safetensors by `python -m demoire convert`, otherwise unchanged."


def _read_apart(checkpoint: Path, target: Path) -> None:
    """Reads the checkpoint in another process, which writes its weights to ``target``."""
    if not checkpoint.is_file():
        raise WeightsError(f"There is no checkpoint '{checkpoint}'; give the .pth file that its authors publish.")
    command = [sys.executable, "-m", "demoire.unpickling", str(checkpoint.absolute()), str(target)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_SECONDS, cwd=Path(__file__).parents[1], check=False
        )
    except subprocess.TimeoutExpired as error:
        raise WeightsError(f"Reading '{checkpoint}' took longer than {_SECONDS} s; is it a checkpoint?") from error
    if done.returncode == REFUSED:
        raise WeightsError(
            f"'{checkpoint}' is no checkpoint that holds weights only ({done.stdout.strip()}); give one that does."
        )
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1:] or ["it ended early"]
        raise WeightsError(f"'{checkpoint}' cannot be converted: {reason[0]}")


def measure_local_halo(module: nn.Module, photo: Tensor) -> int:
    """The smallest halo within which lies what changes an output, global averages aside, in pixels.

    Around the middle of ``photo`` (3, H, W) all that is further than the halo is mirrored, which leaves averages as
    they were; then the middle may change by a quarter of a step of 8 bits on average.
    """
    side = min(2 * _HALOS[-1] + 3 * _CORE, *photo.shape[1:]) // 32 * 32
    crop = photo[None, :, :side, :side]
    middle = slice((side - _CORE) // 2, (side + _CORE) // 2)
    with torch.inference_mode():
        whole = module(crop)[..., middle, middle]
        for halo in _HALOS:
            near = slice(middle.start - halo, middle.stop + halo)
            if near.start <= 0:
                break
            changed = crop.flip(-1).clone()
            changed[..., near, near] = crop[..., near, near]
            if (module(changed)[..., middle, middle] - whole).abs().mean() <= _TOLERANCE:
                return halo
    return _LARGEST_HALO
