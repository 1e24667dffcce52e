"""Bursts in the ``restore`` command: which of the photos becomes better, and which ones help it."""

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from demoire.errors import DemoireError
from demoire.images import decode
from demoire.picture import Limits, Notice, Picture

#: What a model that remembers does with one photo.
ONE_FRAME = Notice("one_frame", "One frame: as the CNN; give 2-10 photos of the same screen and --burst for more.")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that concern bursts."""
    parser.add_argument(
        "--burst",
        action="store_true",
        help="the photos (2-10) show one screen: make one better photo of them, by a model of the family rnn",
    )
    parser.add_argument(
        "--chosen",
        type=int,
        metavar="N",
        help="which of the photos of the burst, from 1, becomes better (default: last)",
    )


def divided(args: argparse.Namespace, sources: Sequence[Path]) -> tuple[Sequence[Path], Sequence[Path]]:
    """What is to be restored, and the other photos of the burst that help; all and none where it is no burst.

    Raises:
        DemoireError: there is no such photo, or options contradict each other.
    """
    if not args.burst:
        if args.chosen is not None:
            raise DemoireError("The option --chosen is for bursts; add --burst, or leave it out.")
        return sources, ()
    if args.skip_clean:
        raise DemoireError("The options --burst and --skip-clean cannot go together; leave one of them out.")
    number = len(sources) if args.chosen is None else args.chosen
    if not 1 <= number <= len(sources):
        raise DemoireError(f"There are {len(sources)} photos: --chosen must be 1 to {len(sources)}, not {number}.")
    return sources[number - 1 : number], (*sources[: number - 1], *sources[number:])


def openers(photos: Sequence[Path], limits: Limits) -> tuple[Callable[[], Picture], ...]:
    """Each opens one photo."""
    return tuple(partial(decode, photo, limits=limits) for photo in photos)
