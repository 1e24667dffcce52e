"""Folders of picture pairs on disk: which moire photo belongs to which clean picture, and reading both as 8-bit RGB."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from demoire.errors import DataError, PictureError
from demoire.images import SUFFIXES, decode
from demoire.metadata import to_8_bit
from demoire.picture import Picture

ByteImage = NDArray[np.uint8]
Item = TypeVar("Item")


@dataclass(frozen=True)
class PairFiles:
    """Where a pair lies; ``load`` reads it."""

    key: str
    moire: Path
    clean: Path

    def load(self) -> tuple[ByteImage, ByteImage]:
        """Reads both pictures.

        Raises:
            DataError: one is broken, or their sizes differ.
        """
        moire, clean = load_picture(self.moire), load_picture(self.clean)
        if moire.shape != clean.shape:
            (height, width), (clean_height, clean_width) = moire.shape[:2], clean.shape[:2]
            raise DataError(
                f"Pair {self.key}: {self.moire} is {width}x{height} and {self.clean} {clean_width}x{clean_height} "
                "pixels; both must have the same size."
            )
        return moire, clean


def load_picture(path: Path) -> ByteImage:
    """(H, W, 3) uint8 RGB, upright; 16-bit files are rounded to 8.

    Raises:
        DataError: it cannot be read.
    """
    return to_8_bit(read_picture(path).pixels)


def read_picture(path: Path) -> Picture:
    """The picture, upright, with its colour profile.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return decode(path)
    except PictureError as error:
        raise DataError(f"{path} cannot be used: {error}") from error


def list_pictures(folder: Path) -> list[Path]:
    """The picture files of a folder, by name.

    Raises:
        DataError: no such folder, or no picture in it.
    """
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}: name one that holds pictures.")
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    if not paths:
        raise DataError(f"The folder {folder} holds no picture ({', '.join(sorted(SUFFIXES))}).")
    return paths


def by_number(folder: Path) -> dict[str, Path]:
    """A folder's pictures by the first number in their name (the name itself where it has none).

    Raises:
        DataError: no pictures, or two with the same number.
    """
    found: dict[str, Path] = {}
    for path in list_pictures(folder):
        digits = re.search(r"\d+", path.stem)
        key = digits[0] if digits else path.stem
        if key in found:
            raise DataError(
                f"In {folder}, {found[key].name} and {path.name} both have the number {key}: pairs are matched by the "
                "first number in the name, so rename one."
            )
        found[key] = path
    return found


def find_pairs(folder: Path) -> list[PairFiles]:
    """The pairs of a folder with ``moire/`` and ``clean/``, matched by the number in their names.

    Raises:
        DataError: a folder is missing, or nothing matches.
    """
    moire, clean = by_number(folder / "moire"), by_number(folder / "clean")
    pairs = [PairFiles(key, moire[key], clean[key]) for key in sorted(moire.keys() & clean.keys())]
    if not pairs:
        raise DataError(f"No picture in {folder / 'moire'} has the number of one in {folder / 'clean'}.")
    return pairs


def spread(items: Sequence[Item], limit: int | None) -> list[Item]:
    """At most ``limit`` of them, taken evenly over all of them."""
    if limit is None or limit >= len(items):
        return list(items)
    return [items[index * len(items) // limit] for index in range(limit)]
