"""``simulate``: photographs pictures on a simulated display."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from demoire.errors import OutputError
from demoire.pairs import load_picture
from demoire.simulate.config import SimulatorConfig
from demoire.simulate.picture import Photographed, photograph, picture_of

ONLY_SCREENS = SimulatorConfig(photo_share=0.0, untouched_share=0.0)


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
        pixels = load_picture(photo)
        rng = np.random.default_rng((args.seed, number))
        shot = photograph(pixels, ONLY_SCREENS, rng, torch.device(args.device), args.longest, labels=True)
        _write(args.output, photo.stem, shot)
        print(args.output / f"{photo.stem}_moire.png")
    return 0


def _write(folder: Path, stem: str, shot: Photographed) -> None:
    captures = shot.captures
    record = {"size": shot.size, "delivery": asdict(shot.delivery), "capture": asdict(shot.parameters)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, image in (("moire", captures.moire), ("clean", captures.clean), ("mask", captures.mask)):
            array = picture_of(image)
            Image.fromarray(array[..., 0] if array.shape[2] == 1 else array).save(folder / f"{stem}_{name}.png")
        (folder / f"{stem}_parameters.json").write_text(json.dumps(record, indent=1))
    except OSError as error:
        raise OutputError(f"{folder} cannot be written ({error.strerror}); choose another folder with -o.") from error
