"""Pictures in and out without loss: ``decode`` a file, ``encode`` a result, choose its kind and name.

Identity holds for every lossless kind: what ``encode`` writes, ``decode`` reads back exactly, with the same profile,
EXIF, XMP, alpha, bit depth and resolution. What cannot be kept is told by notices.
"""

import os
import re
import secrets
import shutil
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from demoire.decoders import DECODER_ERRORS, read
from demoire.encoders import WRITERS
from demoire.errors import OutputError, PictureError, PictureTooLargeError, UnknownNameError
from demoire.metadata import clean_dpi, clean_exif, clean_xmp, fitting_profile, on_white, to_8_bit, upright
from demoire.picture import Limits, Notice, Picture, Samples

__all__ = [
    "OUTPUT_CHOICES",
    "SUFFIXES",
    "Limits",
    "Notice",
    "Picture",
    "Samples",
    "copy",
    "decode",
    "encode",
    "kind_of_suffix",
    "output_kind",
    "output_name",
    "result_name",
]

#: File name suffixes of pictures that can be read.
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".heic", ".heif", ".avif", ".bmp", ".gif")
_READABLE = "JPEG, PNG, WebP, TIFF, HEIC, AVIF, BMP or GIF"
#: What a user chooses between -> the kind of file to write; None: the input's, where that can be.
OUTPUT_CHOICES = {"auto": None, "png": "png", "jpg": "jpeg"}
_NAME_BYTES = 200


def decode(path: Path, name: str | None = None, limits: Limits | None = None) -> Picture:
    """Reads the picture at ``path``, upright; ``name`` is its original name where ``path`` is a temporary file's.

    Raises:
        PictureError: missing, empty, not a picture, truncated, too large, or of a depth that cannot be kept.
    """
    limits = limits or Limits()
    name = name or path.name
    _check_file(path, name, limits)
    try:
        found = read(path, limits)
    except PictureError as error:
        raise type(error)(f"'{name}': {error}") from error
    except MemoryError as error:
        raise PictureError(f"There is not enough memory to open '{name}'; reduce the picture.") from error
    except DECODER_ERRORS as error:
        raise PictureError(
            f"'{name}' cannot be read as a picture: it is damaged, incomplete or of another kind; "
            f"choose a {_READABLE} file."
        ) from error
    exif = clean_exif(found.exif)
    samples = upright(found.samples, exif.orientation)
    if samples.ndim == 2:
        samples = samples[..., None]
    grey = samples.shape[2] <= 2
    icc, profile_notices = fitting_profile(found.icc, grey)
    xmp, xmp_notices = clean_xmp(found.xmp)
    return Picture(
        pixels=np.repeat(samples[..., :1], 3, axis=2) if grey else np.ascontiguousarray(samples[..., :3]),
        alpha=np.ascontiguousarray(samples[..., -1]) if samples.shape[2] in (2, 4) else None,
        grey=grey,
        icc=icc,
        exif=exif.block,
        xmp=xmp,
        dpi=clean_dpi(found.dpi, turned=exif.orientation >= 5),
        kind=found.kind,
        lossless=found.lossless,
        name=name,
        notices=(*found.notices, *exif.notices, *xmp_notices, *profile_notices),
    )


def _check_file(path: Path, name: str, limits: Limits) -> None:
    try:
        size = path.stat().st_size
        readable = path.is_file() and os.access(path, os.R_OK)
    except (OSError, ValueError) as error:
        raise PictureError(f"'{name}' does not exist or cannot be read; check the name.") from error
    if not readable:
        raise PictureError(f"'{name}' is not a file that can be read; choose a {_READABLE} file.")
    if size == 0:
        raise PictureError(f"'{name}' is empty; choose a {_READABLE} file.")
    if size > limits.max_bytes:
        raise PictureTooLargeError(
            f"'{name}' has {size / (1 << 20):.1f} MB and at most {limits.max_bytes / (1 << 20):.1f} MB are accepted; "
            "reduce the picture."
        )


def encode(picture: Picture, path: Path, kind: str) -> tuple[Notice, ...]:
    """Writes ``picture`` to ``path`` as "jpeg", "png", "webp", "tiff" or "bmp": whole or not at all.

    JPEG has quality 95 without chroma subsampling; the others lose nothing. Returns what ``kind`` cannot keep.

    Raises:
        OutputError: the folder is missing or not writable, the disk is full, or ``kind`` cannot hold such a picture.
        UnknownNameError: no such ``kind``.
    """
    writer = WRITERS.get(kind)
    if writer is None:
        raise UnknownNameError.nearest("kind of picture file", kind, WRITERS)
    if max(picture.height, picture.width) > writer.max_side:
        raise OutputError(
            f"A {kind.upper()} file cannot be {picture.width} x {picture.height} pixels large; choose PNG instead."
        )
    fitted, notices = _fit(picture, kind)
    try:
        with _whole_file(path) as temporary:
            writer.write(fitted, temporary)
    except MemoryError as error:
        raise OutputError(f"There is not enough memory to write '{path.name}'; reduce the picture.") from error
    return notices


def _fit(picture: Picture, kind: str) -> tuple[Picture, tuple[Notice, ...]]:
    """Takes away what ``kind`` cannot hold, and says so."""
    writer, notices, label = WRITERS[kind], [], kind.upper()
    if picture.bits > 8 and not writer.deep:
        alpha = None if picture.alpha is None else to_8_bit(picture.alpha)
        picture = replace(picture, pixels=to_8_bit(picture.pixels), alpha=alpha)
        notices.append(Notice("depth_reduced", f"{label} keeps 8 bits per channel; the 16 bits were rounded."))
    if picture.alpha is not None and not writer.alpha:
        picture = replace(picture, pixels=on_white(picture.pixels, picture.alpha), alpha=None)
        notices.append(Notice("alpha_dropped", f"{label} keeps no transparency; the picture was put on white."))
    if picture.icc and not writer.icc:
        picture = replace(picture, icc=None)
        notices.append(Notice("icc_unsupported", f"{label} keeps no colour profile here; colours may look different."))
    if picture.exif and len(picture.exif) > writer.exif_bytes:
        picture = replace(picture, exif=None)
        notices.append(Notice("exif_unsupported", f"{label} cannot keep these EXIF data; they were left out."))
    if picture.xmp and len(picture.xmp) > writer.xmp_bytes:
        picture = replace(picture, xmp=None)
        notices.append(Notice("xmp_unsupported", f"{label} cannot keep these XMP data; they were left out."))
    if kind == "png" and output_kind(picture) != picture.kind:
        source = picture.kind.upper()
        notices.append(
            Notice("kind_changed", f"{source} files cannot be written without loss here; this is a PNG file.")
        )
    return picture, tuple(notices)


@contextmanager
def _whole_file(path: Path) -> Iterator[Path]:
    """The path of a temporary file beside ``path`` that takes its place at the end, or vanishes if anything fails.

    Raises:
        OutputError: instead of OSError.
    """
    temporary = path.with_name(f".demoire-{secrets.token_hex(8)}.part")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or "the file system refused"
        raise OutputError(
            f"'{path}' cannot be written ({reason}); choose another folder or free some space."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def copy(source: Path, path: Path) -> None:
    """Copies a picture's file to ``path`` byte for byte: whole or not at all.

    Raises:
        OutputError: as ``encode``.
    """
    with _whole_file(path) as temporary:
        shutil.copyfile(source, temporary)


def output_kind(picture: Picture, choice: str = "auto") -> str:
    """The kind of file to write for ``choice`` "auto", "png" or "jpg": auto keeps JPEG and lossless kinds, else PNG.

    Raises:
        UnknownNameError: another ``choice``.
    """
    if choice not in OUTPUT_CHOICES:
        raise UnknownNameError.nearest("output format", choice, OUTPUT_CHOICES)
    kind = OUTPUT_CHOICES[choice]
    if kind:
        return kind
    keeps_all = picture.kind in WRITERS and picture.lossless and (picture.alpha is None or WRITERS[picture.kind].alpha)
    return picture.kind if picture.kind == "jpeg" or keeps_all else "png"


def kind_of_suffix(suffix: str) -> str | None:
    """The kind that a file name suffix such as ".jpg" asks for, or None where no such kind can be written."""
    return next((kind for kind, writer in WRITERS.items() if suffix.lower() in writer.suffixes), None)


def output_name(name: str, kind: str) -> str:
    """``<stem>_demoired.<suffix of kind>`` for the original file ``name``; see ``result_name``."""
    return result_name(name, WRITERS[kind].suffixes[0])


def result_name(name: str, suffix: str) -> str:
    """``<stem>_demoired<suffix>`` for the original file ``name``.

    Folders, control characters and characters that a file system refuses are taken out; at most 200 bytes of UTF-8.
    """
    base = re.split(r"[/\\]", name)[-1]
    base = "".join(character for character in base if unicodedata.category(character)[0] != "C")
    base = re.sub(r'[<>:"|?*]', "_", base).strip()
    stem = re.sub(r"\.[A-Za-z][A-Za-z0-9]{0,4}$", "", base).strip(" .") or "picture"
    ending = "_demoired" + suffix
    return stem.encode()[: _NAME_BYTES - len(ending)].decode(errors="ignore") + ending
