"""A small pack of a content store, to be carried to a machine that has no content folder.

A pack is a ZIP file (stored, its members are compressed already) of ``pack.json`` and one file for each picture: JPEG
without colour subsampling for photos, lossless WebP for all else. ``prepare --content FILE.zip`` makes a store of it.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from demoire.errors import DataError, OutputError
from demoire.training.content import KINDS, SPLITS, Entry, map_bin, read_index

PACK_FORMAT = 1
PACK_INDEX = "pack.json"
# What each kind may take of the pack's bytes; what one leaves over goes to the next.
BYTE_SHARES = {"photo": 0.65, "plain": 0.05, "page": 0.10, "screen": 0.20}
PHOTO_QUALITIES = (98, 96, 94, 92, 90)
_MEMBER_OVERHEAD = 1200


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


def write_pack(store: Path, target: Path, limit: int) -> PackReport:
    """Packs as much of a store as ``limit`` bytes hold, photos first, in an order that depends on names alone.

    Raises:
        DataError: there is no finished store.
        OutputError: the pack cannot be written.
    """
    pictures = _read_pictures(store)
    groups = {kind: [item for item in pictures if item[1].kind == kind] for kind in KINDS}
    chosen: list[tuple[PackedEntry, bytes]] = []
    quality, room, spent = PHOTO_QUALITIES[0], 0.0, 4096
    for kind, share in BYTE_SHARES.items():
        room += share * limit
        if kind == "photo":
            quality = _fitting_quality([pixels for _, _, pixels in groups[kind]], room)
        for split, entry, pixels in groups[kind]:
            data, suffix = encode_member(pixels, quality if kind == "photo" else None)
            cost = len(data) + _MEMBER_OVERHEAD
            if spent + cost <= min(room, limit):
                chosen.append((PackedEntry(f"{len(chosen):05d}.{suffix}", split, entry), data))
                spent += cost
    _write_zip(target, chosen)
    packed = {kind: sum(item.entry.kind == kind for item, _ in chosen) for kind in KINDS}
    return PackReport(packed, {kind: len(group) for kind, group in groups.items()}, quality, target.stat().st_size)


def _read_pictures(store: Path) -> list[tuple[str, Entry, NDArray[np.uint8]]]:
    """Split, entry and pixels of all pictures: each kind in random but fixed order, its two splits spread evenly."""
    _, bins, entries = read_index(store)
    pictures: list[tuple[float, str, Entry, NDArray[np.uint8]]] = []
    for split in SPLITS:
        pixels = map_bin(store / bins[split], sum(entry.size for entry in entries[split]))
        for kind in KINDS:
            ranked = sorted(
                (e for e in entries[split] if e.kind == kind),
                key=lambda e: hashlib.sha256(b"pack" + e.name.encode()).digest(),
            )
            for rank, entry in enumerate(ranked):
                view = pixels[entry.offset : entry.offset + entry.size].reshape(entry.height, entry.width, 3)
                pictures.append(((rank + 0.5) / len(ranked), split, entry, view))
    return [
        (split, entry, view) for _, split, entry, view in sorted(pictures, key=lambda item: (item[0], item[2].name))
    ]


def _fitting_quality(photos: Sequence[NDArray[np.uint8]], room: float) -> int:
    """The highest JPEG quality at which all photos fit into the room, or the lowest of the list."""
    for quality in PHOTO_QUALITIES[:-1]:
        if sum(len(encode_member(pixels, quality)[0]) + _MEMBER_OVERHEAD for pixels in photos) <= room:
            return quality
    return PHOTO_QUALITIES[-1]


def encode_member(pixels: NDArray[np.uint8], quality: int | None) -> tuple[bytes, str]:
    """The picture as JPEG (4:4:4) of that quality or, without one, as lossless WebP; with the file's suffix."""
    stream = io.BytesIO()
    image = Image.fromarray(pixels)
    if quality is None:
        image.save(stream, "WEBP", lossless=True, quality=60, method=3)
        return stream.getvalue(), "webp"
    image.save(stream, "JPEG", quality=quality, subsampling=0, optimize=True)
    return stream.getvalue(), "jpg"


def _write_zip(target: Path, chosen: Sequence[tuple[PackedEntry, bytes]]) -> None:
    index = {"format": PACK_FORMAT, "pictures": [asdict(item) for item, _ in chosen]}
    part = target.with_name(target.name + ".part")
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(_member(PACK_INDEX), json.dumps(index, ensure_ascii=False), zipfile.ZIP_DEFLATED)
            for item, data in chosen:
                archive.writestr(_member(item.member), data)
        part.replace(target)
    except OSError as error:
        raise OutputError(
            f"The pack {target} cannot be written ({error.strerror or error}); choose another place."
        ) from error


def _member(name: str) -> zipfile.ZipInfo:
    """A member without a time stamp, so that the same store gives the same pack."""
    return zipfile.ZipInfo(name)


def read_pack(path: Path) -> Iterator[PackedEntry]:
    """The pictures of a pack.

    Raises:
        DataError: the file is missing, damaged, or no pack.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            index = json.loads(archive.read(PACK_INDEX))
        if index["format"] != PACK_FORMAT:
            raise DataError(f"The pack {path} is of format {index['format']} instead of {PACK_FORMAT}; write it again.")
        for row in index["pictures"]:
            yield PackedEntry(str(row["member"]), str(row["split"]), Entry(**row["entry"]))
    except (OSError, zipfile.BadZipFile, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} is not a pack of clean pictures ({error}); write one with `prepare --packed`."
        ) from error


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
