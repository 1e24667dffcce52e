"""Pairs of a user's own to train on, those that can be aligned.

They are decoded once, into a folder::

    pairs.u8     raw uint8 RGB, (2, height, width, 3) of one pair after the other: the photo and its target
    pairs.json   an `Index`; written last: where it is, the folder is complete
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from demoire.errors import DataError, DemoireError
from demoire.pairs import PairFiles, find_pairs
from demoire.simulate.capture import Captures
from demoire.training.aligning import align_pair
from demoire.training.content import hash_share
from demoire.training.options import Tell
from demoire.training.pool import as_batch, turned

PIXELS, INDEX = "pairs.u8", "pairs.json"
HELD_OUT, LEAST_FOR_VALIDATION = 0.1, 5


@dataclass(frozen=True)
class Kept:
    """Where a pair of (2, height, width, 3) lies in the file of all, and whether its clean picture was moved."""

    key: str
    offset: int
    height: int
    width: int
    moved: bool


@dataclass(frozen=True)
class Index:
    """What a folder of decoded pairs was made from, what it holds, and a sentence for each pair that it does not."""

    digest: str
    pairs: tuple[Kept, ...]
    refused: tuple[str, ...]


class OwnPairs:
    """Pairs in one file, mapped into memory.

    Args:
        pixels: all bytes of the file.
        entries: the pairs that are drawn from.
    """

    def __init__(self, pixels: NDArray[np.uint8], entries: Sequence[Kept]) -> None:
        self._pixels, self.entries = pixels, tuple(entries)

    def __len__(self) -> int:
        return len(self.entries)

    def pair(self, index: int) -> NDArray[np.uint8]:
        """A view of photo and target, (2, height, width, 3) uint8."""
        entry = self.entries[index]
        size = 2 * entry.height * entry.width * 3
        return self._pixels[entry.offset : entry.offset + size].reshape(2, entry.height, entry.width, 3)

    def crops(self, rng: np.random.Generator, count: int, side: int) -> tuple[Tensor, Tensor]:
        """Random crops, turned and mirrored: photos and targets, (count, 3, side, side) in [0, 1]."""
        taken = []
        for _ in range(count):
            pair = self.pair(int(rng.integers(len(self))))
            top, left = (int(rng.integers(length - side + 1)) for length in pair.shape[1:3])
            taken.append(turned(pair[:, top : top + side, left : left + side], int(rng.integers(8))))
        return as_batch(taken)

    def captures(self, rng: np.random.Generator, count: int, side: int) -> list[Captures]:
        """Crops as a validation set: one at a time, without labels."""
        blank = torch.zeros(1, 1, side, side)
        return [Captures(*self.crops(rng, 1, side), blank) for _ in range(count)]

    def split(self) -> tuple["OwnPairs", "OwnPairs"]:
        """Those to train on and those held out: a tenth by hash of the key, at least one; none of fewer than five."""
        held = max(1, int(len(self) * HELD_OUT)) if len(self) >= LEAST_FOR_VALIDATION else 0
        ranked = sorted(self.entries, key=lambda entry: hash_share(entry.key))
        return OwnPairs(self._pixels, ranked[held:]), OwnPairs(self._pixels, ranked[:held])


def open_pairs(folder: Path, kept: Path, side: int, tell: Tell) -> OwnPairs:
    """The pairs of ``folder`` that can be trained on with crops of ``side``, decoded into ``kept`` the first time.

    Args:
        folder: holds ``moire/`` and ``clean/``, as ``demoire.pairs.find_pairs`` wants it.
        tell: is given a sentence about each pair that is left out.

    Raises:
        DataError: there are none, none can be used, the folder has changed since, or the disk is full.
    """
    files = find_pairs(folder)
    digest = _digest(files, side)
    index = _read_index(kept / INDEX)
    if index is None:
        index = _decode(files, folder, kept, side, digest, tell)
    elif index.digest != digest:
        raise DataError(
            f"{folder} has changed since {kept} was made of it, or crops were of another size then; choose another "
            f"--run folder, or delete {kept} to read the pairs anew."
        )
    else:
        for text in index.refused:
            tell(text)
    size = sum(2 * entry.height * entry.width * 3 for entry in index.pairs)
    path = kept / PIXELS
    if not path.is_file() or path.stat().st_size != size:
        raise DataError(f"{path} is not of {size} bytes; delete {kept} to read the pairs anew.")
    return OwnPairs(np.memmap(path, np.uint8, "r"), index.pairs)


def _digest(files: Sequence[PairFiles], side: int) -> str:
    """Tells whether files were added, removed or written anew, without reading them."""
    rows: list[object] = [side]
    for path in (path for pair in files for path in (pair.moire, pair.clean)):
        found = path.stat()
        rows.append((path.parent.name, path.name, found.st_size, found.st_mtime_ns))
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _read_index(path: Path) -> Index | None:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return Index(record["digest"], tuple(Kept(**row) for row in record["pairs"]), tuple(record["refused"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is damaged ({error}); delete {path.parent} to read the pairs anew.") from error


def _decode(files: Sequence[PairFiles], folder: Path, kept: Path, side: int, digest: str, tell: Tell) -> Index:
    """Writes what can be used of the pairs, one in memory at a time."""
    pairs, refused, offset = list[Kept](), list[str](), 0
    try:
        kept.mkdir(parents=True, exist_ok=True)
        with (kept / PIXELS).open("wb") as pixels:
            for pair in files:
                try:
                    found = align_pair(pair, side)
                except DemoireError as error:
                    refused.append(f"Pair {pair.key} ({pair.moire.name}, {pair.clean.name}) is left out: {error}")
                    tell(refused[-1])
                    continue
                height, width = found.photo.shape[:2]
                pairs.append(Kept(pair.key, offset, height, width, found.moved))
                offset += pixels.write(found.photo.tobytes()) + pixels.write(found.target.tobytes())
        if not pairs:
            raise DataError(f"None of the {len(files)} pairs in {folder} can be trained on. {refused[0]}")
        index = Index(digest, tuple(pairs), tuple(refused))
        part = kept / f"{INDEX}.part"
        part.write_text(json.dumps(asdict(index), ensure_ascii=False, indent=1), encoding="utf-8")
        part.replace(kept / INDEX)
    except OSError as error:
        raise DataError(f"{kept} cannot be written ({error.strerror}); free some disk or choose another.") from error
    return index
