"""The content store: clean pictures, decoded and packed into memory-mappable files, drawn at random by the simulator.

A store is a folder of::

    index.json           {"format": 1, "digest": ..., "bins": {"train": FILE, "val": FILE},
                          "entries": {"train": [...], "val": [...]}}
    train-<digest>.bin   raw uint8 RGB, (height, width, 3) row by row, one picture after the other
    val-<digest>.bin

An entry of the index is an :class:`Entry`. ``index.json`` is written last: where it is, the store is complete.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from demoire.errors import DataError, UnknownNameError

FORMAT = 1
INDEX = "index.json"
SPLITS = ("train", "val")
KINDS = ("photo", "texture", "screen", "page", "plain")
VALIDATION_SHARE = 0.06
DEFAULT_SHARES: Mapping[str, float] = {"photo": 0.45, "texture": 0.12, "screen": 0.28, "page": 0.12, "plain": 0.03}
_MIN_FOR_VALIDATION = 8


@dataclass(frozen=True)
class Entry:
    """One picture of a store.

    Attributes:
        name: path below its content folder, or ``pages/NNNN`` for a page rendered here.
        kind: one of ``KINDS``.
        offset: first byte in the bin file.
        height, width: size in pixels.
        licence, author, source: as in the manifest.
        sha256: of the picture file it was decoded from; of the pixels for a rendered page.
    """

    name: str
    kind: str
    offset: int
    height: int
    width: int
    licence: str
    author: str
    source: str
    sha256: str

    @property
    def size(self) -> int:
        """Bytes in the bin file."""
        return self.height * self.width * 3


def hash_share(name: str) -> float:
    """A number in [0, 1) that depends on the name alone."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") / 2**64


def split_names(names_by_kind: Mapping[str, Iterable[str]], share: float = VALIDATION_SHARE) -> dict[str, str]:
    """Says for each name whether it is for training or validation, by a hash of the name.

    A kind of at least eight pictures gets at least one for validation: the one with the smallest hash.
    """
    split: dict[str, str] = {}
    for names in names_by_kind.values():
        ranked = sorted(names, key=hash_share)
        for rank, name in enumerate(ranked):
            first = rank == 0 and len(ranked) >= _MIN_FOR_VALIDATION
            split[name] = "val" if first or hash_share(name) < share else "train"
    return split


def write_index(folder: Path, digest: str, bins: Mapping[str, str], entries: Mapping[str, list[Entry]]) -> None:
    """Writes ``index.json`` atomically; OSError is left to the caller."""
    index = {
        "format": FORMAT,
        "digest": digest,
        "bins": dict(bins),
        "entries": {split: [asdict(entry) for entry in entries[split]] for split in SPLITS},
    }
    part = folder / f"{INDEX}.part"
    part.write_text(json.dumps(index, ensure_ascii=False, indent=1), encoding="utf-8")
    part.replace(folder / INDEX)


def read_index(folder: Path) -> tuple[str, dict[str, str], dict[str, list[Entry]]]:
    """Reads a store's index.

    Returns:
        the digest of what it was made from, file names of the bins and the entries by split.

    Raises:
        DataError: no store there, an unfinished one, or one of another format.
    """
    path = folder / INDEX
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(
            f"There is no finished content store in {folder}; make one with `prepare --content DIR -o {folder}`."
        ) from error
    except (OSError, ValueError) as error:
        raise DataError(f"The content store index {path} cannot be read ({error}); make the store again.") from error
    if not isinstance(index, dict) or index.get("format") != FORMAT:
        raise DataError(f"The content store {folder} is not of format {FORMAT}; make it again with `prepare`.")
    try:
        bins = {split: str(index["bins"][split]) for split in SPLITS}
        entries = {split: [Entry(**row) for row in index["entries"][split]] for split in SPLITS}
        return str(index["digest"]), bins, entries
    except (KeyError, TypeError) as error:
        raise DataError(f"The content store index {path} is damaged ({error}); make the store again.") from error


class ContentStore:
    """Random access to the pictures of one split of a store; cheap to send to other processes (they map the file anew).

    Args:
        folder: a folder made by ``prepare``.
        split: ``train`` or ``val``.
        shares: how often each kind is drawn; kinds without pictures are left out and the rest scaled up.

    Raises:
        DataError: no finished store, one that is cut short, or no picture to draw.
        UnknownNameError: a split or kind that does not exist.
    """

    def __init__(self, folder: Path | str, split: str, shares: Mapping[str, float] = DEFAULT_SHARES) -> None:
        if split not in SPLITS:
            raise UnknownNameError.nearest("split", split, SPLITS)
        for kind in shares:
            if kind not in KINDS:
                raise UnknownNameError.nearest("kind of content", kind, KINDS)
        self.folder, self.split, self.shares = Path(folder), split, dict(shares)
        self.digest, bins, entries = read_index(self.folder)
        self.entries: tuple[Entry, ...] = tuple(entries[split])
        self._pixels = map_bin(self.folder / bins[split], sum(entry.size for entry in self.entries))
        groups = [[i for i, entry in enumerate(self.entries) if entry.kind == kind] for kind in KINDS]
        weights = np.array([shares.get(kind, 0.0) if group else 0.0 for kind, group in zip(KINDS, groups, strict=True)])
        if not weights.sum() > 0:
            raise DataError(
                f"The '{split}' part of {self.folder} holds no picture of {', '.join(shares)}; add content."
            )
        self._groups, self._weights = groups, weights / weights.sum()

    def __reduce__(self) -> tuple[type["ContentStore"], tuple[Path, str, dict[str, float]]]:
        return ContentStore, (self.folder, self.split, self.shares)

    def __len__(self) -> int:
        return len(self.entries)

    def picture(self, index: int) -> NDArray[np.uint8]:
        """A read-only view, (height, width, 3) uint8 RGB, of one picture."""
        entry = self.entries[index]
        return self._pixels[entry.offset : entry.offset + entry.size].reshape(entry.height, entry.width, 3)

    def draw(self, rng: np.random.Generator) -> int:
        """Index of a picture: first a kind by its share, then one of that kind."""
        group = self._groups[rng.choice(len(KINDS), p=self._weights)]
        return group[int(rng.integers(len(group)))]

    def crop(self, rng: np.random.Generator, height: int, width: int, kind: str | None = None) -> NDArray[np.uint8]:
        """A random crop, (height, width, 3) uint8, of a random picture; a smaller picture is continued by mirroring.

        ``kind`` asks for a picture of that kind, where there is any.
        """
        group = self._groups[KINDS.index(kind)] if kind else []
        index = group[int(rng.integers(len(group)))] if group else self.draw(rng)
        return random_crop(self.picture(index), rng, height, width)


def random_crop(picture: NDArray[np.uint8], rng: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
    """A copy of a random (height, width) window of ``picture``, mirrored at its borders where it is too small."""
    rows, columns = _window(rng, picture.shape[0], height), _window(rng, picture.shape[1], width)
    if height <= picture.shape[0] and width <= picture.shape[1]:
        return np.array(picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    return np.array(picture[rows][:, columns])


def _window(rng: np.random.Generator, length: int, wanted: int) -> NDArray[np.int64]:
    """Positions of a random window of ``wanted`` pixels in a line of ``length``, mirrored where it does not fit."""
    if wanted <= length:
        return int(rng.integers(length - wanted + 1)) + np.arange(wanted)
    phase = (int(rng.integers(2 * length)) + np.arange(wanted)) % (2 * length)
    return np.where(phase < length, phase, 2 * length - 1 - phase)


def map_bin(path: Path, size: int) -> NDArray[np.uint8]:
    """A bin file of that many bytes, mapped read-only.

    Raises:
        DataError: it is missing or of another size.
    """
    try:
        actual = path.stat().st_size
    except OSError as error:
        raise DataError(f"The content store file {path} is missing; make the store again with `prepare`.") from error
    if actual != size:
        raise DataError(f"The content store file {path} has {actual} bytes instead of {size}; make the store again.")
    return np.memmap(path, dtype=np.uint8, mode="r") if size else np.zeros(0, np.uint8)
