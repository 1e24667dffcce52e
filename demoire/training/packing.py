"""A small pack of a content store, to be carried to a machine that has no content folder.

A pack is a ZIP file (stored, its members are compressed already) of ``pack.json`` and one file for each picture: the
original file where that is the smallest and was not reduced, else JPEG without colour subsampling for photos and
lossless WebP for the rest. ``prepare --content FILE.zip`` makes a store of it.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from demoire.errors import DataError, OutputError
from demoire.training.content import KINDS, SPLITS, Entry, map_bin, read_index
from demoire.training.manifest import file_sha256

PACK_FORMAT = 1
PACK_INDEX = "pack.json"
# What each kind may take of the pack's bytes; what one leaves over goes to the next.
BYTE_SHARES = {"photo": 0.45, "texture": 0.15, "plain": 0.03, "page": 0.10, "screen": 0.27}
PHOTO_QUALITIES = (98, 96, 94, 92, 90)
PHOTO_LONGEST = 1440
_LOSSY = ("photo", "texture")
_MEMBER_OVERHEAD = 1200
_SAMPLE_STEP = 4
_MOST_MISSES = 12


@dataclass(frozen=True)
class PackReport:
    """What went into a pack: pictures of each kind, of how many; JPEG quality of the photos; bytes of the file."""

    packed: dict[str, int]
    available: dict[str, int]
    quality: int
    size: int


@dataclass(frozen=True)
class PackedEntry:
    """A picture of a pack: its member, its split, and its entry in the store it came from."""

    member: str
    split: str
    entry: Entry


@dataclass(frozen=True)
class _Picture:
    """A picture that may go into the pack; ``original`` is its file where that gives the same pixels."""

    split: str
    entry: Entry
    pixels: NDArray[np.uint8]
    original: Path | None


def write_pack(store: Path, target: Path, limit: int, originals: Mapping[str, Path] | None = None) -> PackReport:
    """Packs as much of a store as ``limit`` bytes hold, photos first, in an order that depends on names alone.

    Args:
        store: a finished store.
        target: the ZIP file.
        limit: bytes of that file at most.
        originals: picture files by the names of the store, copied as they are where that is smaller.

    Raises:
        DataError: there is no finished store.
        OutputError: the pack cannot be written.
    """
    pictures = _read_pictures(store, originals or {})
    groups = {kind: [picture for picture in pictures if picture.entry.kind == kind] for kind in KINDS}
    quality = _fitting_quality(groups["photo"][::_SAMPLE_STEP], BYTE_SHARES["photo"] * limit / _SAMPLE_STEP)
    chosen: list[tuple[PackedEntry, bytes]] = []
    room, spent = 0.0, 4096
    for kind, share in BYTE_SHARES.items():
        room, misses = room + share * limit, 0
        for picture in groups[kind]:
            data, suffix = encode_picture(picture, quality if kind in _LOSSY else None)
            cost = len(data) + _MEMBER_OVERHEAD
            if spent + cost <= min(room, limit):
                chosen.append((PackedEntry(f"{len(chosen):05d}{suffix}", picture.split, picture.entry), data))
                spent += cost
            elif (misses := misses + 1) == _MOST_MISSES:
                break
    _write_zip(target, chosen)
    packed = {kind: sum(item.entry.kind == kind for item, _ in chosen) for kind in KINDS}
    return PackReport(packed, {kind: len(group) for kind, group in groups.items()}, quality, target.stat().st_size)


def _read_pictures(store: Path, originals: Mapping[str, Path]) -> list[_Picture]:
    """All pictures of a store: each kind in random but fixed order, its two splits spread evenly."""
    _, bins, entries = read_index(store)
    ranked: list[tuple[float, str, _Picture]] = []
    for split in SPLITS:
        pixels = map_bin(store / bins[split], sum(entry.size for entry in entries[split]))
        for kind in KINDS:
            group = sorted((entry for entry in entries[split] if entry.kind == kind), key=_order)
            for rank, entry in enumerate(group):
                view = pixels[entry.offset : entry.offset + entry.size].reshape(entry.height, entry.width, 3)
                original = _same_pixels(originals.get(entry.name), entry)
                ranked.append(((rank + 0.5) / len(group), entry.name, _Picture(split, entry, view, original)))
    return [picture for _, _, picture in sorted(ranked, key=lambda item: item[:2])]


def _order(entry: Entry) -> bytes:
    return hashlib.sha256(b"pack " + entry.name.encode()).digest()


def _same_pixels(path: Path | None, entry: Entry) -> Path | None:
    """The path where it is the file the entry was decoded from and was not reduced."""
    if path is None or not path.is_file() or file_sha256(path) != entry.sha256:
        return None
    with Image.open(path) as image:
        return path if sorted(image.size) == sorted((entry.width, entry.height)) else None


def _fitting_quality(photos: Sequence[_Picture], room: float) -> int:
    """The highest JPEG quality at which the photos fit into the room, or the lowest of the list."""
    for quality in PHOTO_QUALITIES[:-1]:
        if sum(len(encode_picture(photo, quality)[0]) + _MEMBER_OVERHEAD for photo in photos) <= room:
            return quality
    return PHOTO_QUALITIES[-1]


def encode_picture(picture: _Picture, quality: int | None) -> tuple[bytes, str]:
    """The original file or, where that is smaller, JPEG (4:4:4) of that quality or lossless WebP; and the suffix."""
    stream = io.BytesIO()
    image = Image.fromarray(picture.pixels)
    if quality is None:
        image.save(stream, "WEBP", lossless=True, quality=60, method=3)
    else:
        image.thumbnail((PHOTO_LONGEST, PHOTO_LONGEST), Image.Resampling.HAMMING)
        image.save(stream, "JPEG", quality=quality, subsampling=0, optimize=True)
    data, suffix = stream.getvalue(), ".webp" if quality is None else ".jpg"
    if picture.original and picture.original.stat().st_size < len(data):
        return picture.original.read_bytes(), picture.original.suffix
    return data, suffix


def _write_zip(target: Path, chosen: Sequence[tuple[PackedEntry, bytes]]) -> None:
    """Writes the members without time stamps, so that the same store gives the same pack."""
    index = {"format": PACK_FORMAT, "pictures": [asdict(item) for item, _ in chosen]}
    part = target.with_name(target.name + ".part")
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
            text = json.dumps(index, ensure_ascii=False)
            archive.writestr(zipfile.ZipInfo(PACK_INDEX), text, zipfile.ZIP_DEFLATED)
            for item, data in chosen:
                archive.writestr(zipfile.ZipInfo(item.member), data)
        part.replace(target)
    except OSError as error:
        raise OutputError(f"The pack {target} cannot be written ({error.strerror}); choose another place.") from error


def read_pack(path: Path) -> list[PackedEntry]:
    """The pictures of a pack.

    Raises:
        DataError: the file is missing, damaged, or no pack.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            index = json.loads(archive.read(PACK_INDEX))
        if index["format"] != PACK_FORMAT:
            raise ValueError(f"format {index['format']} instead of {PACK_FORMAT}")
        rows = index["pictures"]
        return [PackedEntry(str(row["member"]), str(row["split"]), Entry(**row["entry"])) for row in rows]
    except (OSError, zipfile.BadZipFile, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is not a pack of pictures ({error}); write one with `prepare --packed`.") from error


def read_member(path: Path, member: str) -> bytes:
    """The encoded picture.

    Raises:
        DataError: it is missing or damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(member)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"The pack {path} is damaged at {member} ({error}); copy it again.") from error
