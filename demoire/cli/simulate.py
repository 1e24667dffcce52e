"""``simulate``: photographs pictures on a simulated display."""

import argparse
import json
from collections.abc import Iterable
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from demoire.errors import DataError, OutputError
from demoire.pairs import load_picture
from demoire.simulate.picture import Photographed, photograph, picture_of
from demoire.simulate.settings import ONLY_SCREENS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of ``simulate``."""
    parser.add_argument("photos", type=Path, nargs="*", metavar="PHOTO", help="clean pictures")
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", help="where captures, targets and masks go")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same captures (default %(default)s)")
    parser.add_argument(
        "--longest", type=int, default=1600, help="longest side of a capture in pixels (default %(default)s)"
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument(
        "--report", type=Path, metavar="PNG", help="draw how strong moire is at which scale, simulated and in --pairs"
    )
    parser.add_argument("--pairs", type=Path, metavar="DIR", help="real photos: moire/ and clean/ (for --report)")
    parser.add_argument("--content", type=Path, metavar="POOL", help="content store (for --report)")
    parser.add_argument("--count", type=int, default=40, help="pictures of each (for --report; default %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Writes for each photo the capture, its clean target, the mask of visible moire, and all parameters."""
    if args.report:
        return _report(args)
    if not (args.photos and args.output):
        raise DataError("Give pictures to photograph and -o DIR, or --report PNG with --pairs and --content.")
    for number, photo in enumerate(args.photos):
        pixels = load_picture(photo)
        rng = np.random.default_rng((args.seed, number))
        shot = photograph(pixels, ONLY_SCREENS, rng, torch.device(args.device), args.longest, labels=True)
        _write(args.output, photo.stem, shot)
        print(args.output / f"{photo.stem}_moire.png")
    return 0


def _report(args: argparse.Namespace) -> int:
    """Draws the spectra of moire and prints their medians."""
    if not (args.pairs and args.content):
        raise DataError("--report compares real pairs with captures of a store: give --pairs DIR and --content POOL.")
    from demoire.pairs import find_pairs
    from demoire.realism import SIGMAS, Spectrum, draw_report, moire_spectrum, simulated_pairs, spread_of
    from demoire.training.presets import find_preset

    def first(pairs: Iterable[tuple[NDArray[np.uint8], NDArray[np.uint8]]]) -> list[Spectrum]:
        found = (moire_spectrum(moire, clean) for moire, clean in pairs)
        return list(islice((spectrum for spectrum in found if spectrum is not None), args.count))

    real = first(files.load() for files in find_pairs(args.pairs))
    if not real:
        raise DataError(f"No clean picture in {args.pairs} has flat areas to measure moire in; give other pairs.")
    spreads = {"real": spread_of(real)}
    simulator = replace(find_preset("cnn").simulator, photo_share=0.0, untouched_share=0.0)
    spreads["simulated"] = spread_of(first(simulated_pairs(args.content, simulator, args.seed)))
    draw_report(spreads, args.report)
    print("sigma (px)       " + "".join(f"{sigma:7g}" for sigma in SIGMAS))
    for part in ("luma", "chroma"):
        for name, found in spreads.items():
            print(f"{name:10}{part:7}" + "".join(f"{value:7.2f}" for value in getattr(found, part)[1]))
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
