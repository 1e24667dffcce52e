"""What kind of clip a file is, by its content: the name may say anything."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from demoire.clips.clip import KINDS

#: Brands of ISO base media files (ISO/IEC 14496-12) that are pictures.
_PICTURE_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"avis")
#: What blocks of a GIF begin with.
_GIF_PICTURE, GIF_EXTENSION = 0x2C, 0x21
_EBML = b"\x1a\x45\xdf\xa3"
#: What the first boxes of QuickTime files are called that have no brand.
_QUICKTIME = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")


def kind_of(path: Path) -> str | None:
    """The kind of clip that the file holds, or None where it holds a picture or anything else."""
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except (OSError, ValueError):
        return None
    if start[4:8] == b"ftyp":
        return None if start[8:12] in _PICTURE_BRANDS else "mov" if start[8:12] == b"qt  " else "mp4"
    if start[4:8] in _QUICKTIME:
        return "mov"
    if start.startswith(_EBML):
        return "webm" if b"webm" in start else "mkv"
    if start[:6] in (b"GIF87a", b"GIF89a"):
        return "gif" if _gif_moves(path) else None
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "webp" if start[12:16] == b"VP8X" and start[20] & 2 else None
    return "zip" if start[:2] == b"PK" and zipfile.is_zipfile(path) else None


def kind_of_suffix(suffix: str) -> str | None:
    """The kind that a file name suffix such as ".mp4" asks for; None where it is no clip's."""
    return next((kind for kind, suffixes in KINDS.items() if suffix and suffix.lower() in suffixes), None)


def _gif_moves(path: Path) -> bool:
    """Whether a GIF has a second picture."""
    with path.open("rb") as file:
        pictures = (mark for mark, _ in gif_blocks(file) if mark == _GIF_PICTURE)
        return next(pictures, None) is not None and next(pictures, None) is not None


def gif_blocks(file: BinaryIO) -> Iterator[tuple[int, int]]:
    """Mark and place of each block of a GIF (GIF89a specification, sections 15-26); nothing is decoded."""
    header = file.read(13)
    if len(header) == 13:
        file.seek(_palette(header[10]), 1)
    while mark := file.read(1):
        yield mark[0], file.tell() - 1
        if mark[0] == _GIF_PICTURE:
            fields = file.read(9)
            file.seek(_palette(fields[8] if len(fields) == 9 else 0) + 1, 1)
        elif mark[0] == GIF_EXTENSION:
            file.seek(1, 1)
        else:
            return
        while length := file.read(1):
            if not length[0]:
                break
            file.seek(length[0], 1)


def _palette(flags: int) -> int:
    """Bytes of the palette that follows a block with these flags."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0
