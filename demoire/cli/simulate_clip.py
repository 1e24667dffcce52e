"""``simulate-clip``: films a picture, or a page made here, on a simulated display, from a hand."""

import argparse
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from demoire.clips.writing import write_frames
from demoire.errors import DataError
from demoire.fonts import FontBook
from demoire.pairs import load_picture
from demoire.simulate.picture import picture_of
from demoire.simulate.sequence import SequenceConfig, draw_sequence, render_sequence, shown_size
from demoire.simulate.settings import ONLY_SCREENS
from demoire.training.pages import render_page


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of ``simulate-clip``."""
    parser.add_argument("picture", type=Path, nargs="?", help="a clean picture (default: a page with text, made here)")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="MP4", help="the clip")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same clip (default %(default)s)")
    parser.add_argument("--frames", type=int, default=48, help="how many (default %(default)s)")
    parser.add_argument("--rate", type=int, default=24, help="frames a second (default %(default)s)")
    parser.add_argument("--size", type=int, nargs=2, default=(288, 512), metavar=("HEIGHT", "WIDTH"))


def run(args: argparse.Namespace) -> int:
    """Writes the clip."""
    size = (args.size[0], args.size[1])
    if args.frames < 2 or args.rate < 1 or min(size) < 64:
        raise DataError("A clip needs 2 frames or more, 1 frame a second or more, and sides of 64 pixels or more.")
    rng = np.random.default_rng(args.seed)
    simulator = replace(SequenceConfig().simulator, photo_share=ONLY_SCREENS.photo_share, untouched_share=0.0)
    config = SequenceConfig(
        simulator=simulator, tripod_share=0, burst_share=0, rolling_share=0, video_share=0, shown=(("still", 1.0),)
    )
    parameters = draw_sequence(config, rng, args.frames, size)
    content = _content(args.picture, shown_size(parameters, size), args.seed)
    clip = render_sequence(content, parameters, size)
    frames = (picture_of(frame[None]) for frame in clip.moire)
    write_frames(args.output, frames, Fraction(args.rate))
    print(args.output)
    return 0


def _content(path: Path | None, size: tuple[int, int], seed: int) -> torch.Tensor:
    """(1, 3, h, w) in [0, 1] of at least ``size``: the picture, repeated where it is too small."""
    pixels: NDArray[np.uint8] = load_picture(path) if path else render_page(1, seed, FontBook.find()).pixels
    times = [-(-side // have) for side, have in zip(size, pixels.shape, strict=False)]
    whole = np.tile(pixels, (*times, 1))
    top, left = (whole.shape[0] - size[0]) // 2, (whole.shape[1] - size[1]) // 2
    part = np.ascontiguousarray(whole[top : top + size[0], left : left + size[1]])
    return torch.from_numpy(part).permute(2, 0, 1)[None].float() / 255
