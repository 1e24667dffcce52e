"""``simulate``: photographs pictures on a simulated display."""

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from demoire.errors import OutputError, PictureError
from demoire.simulate.capture import Captures, content_size, render
from demoire.simulate.config import CaptureParameters, SimulatorConfig, draw_capture, draw_delivery, draw_scale


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of ``simulate``."""
    parser.add_argument("photos", type=Path, nargs="+", metavar="PHOTO", help="clean pictures")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same captures (default %(default)s)")
    parser.add_argument(
        "--longest", type=int, default=1600, help="longest side of a capture in pixels (default %(default)s)"
    )
    parser.add_argument("--device", default="cpu")


def run(args: argparse.Namespace) -> int:
    """Writes for each photo the capture, its clean target, the mask of visible moire, and all parameters."""
    for number, photo in enumerate(args.photos):
        pixels = _read(photo)
        rng = np.random.default_rng((args.seed, number))
        captures, record = _capture(pixels, rng, args.longest, torch.device(args.device))
        _write(args.output, photo.stem, captures, record)
        print(args.output / f"{photo.stem}_moire.png")
    return 0


def _read(photo: Path) -> np.ndarray:
    try:
        with Image.open(photo) as image:
            return np.asarray(image.convert("RGB"))
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise PictureError(
            f"{photo.name} cannot be read as a picture ({error}); give a JPEG, PNG or WebP file."
        ) from error


def _capture(
    pixels: np.ndarray, rng: np.random.Generator, longest: int, device: torch.device
) -> tuple[Captures, dict[str, object]]:
    config = replace(SimulatorConfig(), photo_share=0.0, untouched_share=0.0)
    shared, scale = draw_delivery(config, rng), draw_scale(config, rng)
    parameters: CaptureParameters = draw_capture(config, rng, scale)
    shown = [side * scale / reduction for side, reduction in zip(pixels.shape[:2], shared.reduction, strict=True)]
    limit = min(1.0, longest / max(shown))
    size = (max(16, round(shown[0] * limit)), max(16, round(shown[1] * limit)))
    height, width = content_size([parameters], shared, size)
    content = torch.from_numpy(_centred(pixels, height, width)).to(device).permute(2, 0, 1)[None].float() / 255
    captures = render(content, [parameters], shared, size, labels=True)
    return captures, {"size": size, "delivery": asdict(shared), "capture": asdict(parameters)}


def _centred(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """The middle ``height`` x ``width`` of a picture, mirrored where it is too small."""
    missing = [max(0, wanted - have) for wanted, have in zip((height, width), pixels.shape[:2], strict=True)]
    padded = np.pad(pixels, [(m // 2, m - m // 2) for m in missing] + [(0, 0)], mode="symmetric")
    top, left = (padded.shape[0] - height) // 2, (padded.shape[1] - width) // 2
    return np.ascontiguousarray(padded[top : top + height, left : left + width])


def _write(folder: Path, stem: str, captures: Captures, record: dict[str, object]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, image in (("moire", captures.moire), ("clean", captures.clean), ("mask", captures.mask)):
            _picture(image).save(folder / f"{stem}_{name}.png")
        (folder / f"{stem}_parameters.json").write_text(json.dumps(record, indent=1))
    except OSError as error:
        raise OutputError(f"{folder} cannot be written ({error.strerror}); choose another folder with -o.") from error


def _picture(image: Tensor) -> Image.Image:
    array = (image[0].float() * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    return Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)
