"""EXIF, XMP, colour profile and resolution: read leniently, handed back clean, and said where they cannot be kept."""

import io
import math
import re
import struct
import warnings
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from demoire.picture import Notice, Samples

ORIENTATION, EXIF_IFD, GPS_IFD = 0x0112, 0x8769, 0x8825
_WIDTH, _HEIGHT = 0xA002, 0xA003
_PREFIX = b"Exif\0\0"

#: Tags of the first directory that describe the picture rather than how its file is laid out.
DESCRIPTIVE_TAGS = (0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x013C, 0x4746, 0x8298, *range(0x9C9B, 0x9CA0))

#: What Pillow raises, beside OSError, on EXIF blocks that are not what they claim to be.
EXIF_ERRORS = (OSError, SyntaxError, ValueError, KeyError, IndexError, TypeError, OverflowError, EOFError, struct.error)

EXIF_DROPPED = Notice("exif_dropped", "The EXIF data of the file are damaged and were left out.")
XMP_DROPPED = Notice(
    "xmp_dropped",
    "The XMP data of the file are damaged, or describe parts of it that were left out, and were left out, too.",
)
NOTES_DROPPED = Notice("notes_dropped", "The file holds captions or comments (IPTC or text), which were left out.")
ICC_DROPPED = Notice("icc_dropped", "The colour profile of the file is damaged or of another kind and was left out.")


def parse_exif(source: bytes | IO[bytes]) -> Image.Exif:
    """Reads an EXIF block, with or without prefix, or a TIFF file; raises of ``EXIF_ERRORS`` where it is damaged."""
    exif = Image.Exif()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if isinstance(source, bytes):
            exif.load(source)
        else:
            exif.load_from_fp(source)
        for directory in (EXIF_IFD, GPS_IFD):
            exif.get_ifd(directory)
    return exif


@dataclass(frozen=True)
class CleanExif:
    """An EXIF ``block`` in TIFF form with orientation 1, the ``orientation`` that it had (1-8), and what had to go."""

    block: bytes | None = None
    orientation: int = 1
    notices: tuple[Notice, ...] = ()


def clean_exif(raw: bytes | None) -> CleanExif:
    """Takes orientation and thumbnail out of an EXIF block; the very bytes come back where nothing is to be done."""
    if not raw:
        return CleanExif()
    body = raw.removeprefix(_PREFIX)
    try:
        exif = parse_exif(body)
        orientation = exif.get(ORIENTATION, 1)
        if orientation not in range(1, 9):
            orientation = 1
        if not exif:
            return CleanExif(notices=(EXIF_DROPPED,))
        untouched = exif.get(ORIENTATION, 1) == 1 and not _has_thumbnail(body)
        clean = _serialise(exif, turned=orientation >= 5)  # fails here rather than when the result is written
        return CleanExif(body if untouched else clean, orientation)
    except EXIF_ERRORS:
        return CleanExif(notices=(EXIF_DROPPED,))


def _has_thumbnail(body: bytes) -> bool:
    """Whether a second directory, which is the thumbnail's, follows the first one of an EXIF block in TIFF form."""
    order = "<" if body.startswith(b"II") else ">"
    (first,) = struct.unpack_from(order + "I", body, 4)
    (count,) = struct.unpack_from(order + "H", body, first)
    return struct.unpack_from(order + "I", body, first + 2 + 12 * count) != (0,)


def _serialise(exif: Image.Exif, turned: bool) -> bytes:
    """Writes EXIF in TIFF form, upright and without thumbnail; ``turned`` swaps the width and height noted in it."""
    if ORIENTATION in exif:
        exif[ORIENTATION] = 1
    details = exif.get_ifd(EXIF_IFD)
    if turned and _WIDTH in details and _HEIGHT in details:
        details[_WIDTH], details[_HEIGHT] = details[_HEIGHT], details[_WIDTH]
    return exif.tobytes().removeprefix(_PREFIX)


# What XMP says of other parts of the file: gain maps, motion photos, depth, further packets. The result has none.
_PARTS = re.compile(rb"hdrgm:|Container:Directory|MotionPhoto|MicroVideo|GDepth:|HasExtendedXMP")
_XMP_ORIENTATION = re.compile(rb"""(tiff:Orientation\s*(?:=\s*["']|>)\s*)[2-8]""")


def clean_xmp(raw: bytes | None) -> tuple[bytes | None, tuple[Notice, ...]]:
    """The XMP packet with its orientation reset, or None and why."""
    packet = (raw or b"").strip(b"\0 ")
    if not packet:
        return None, ()
    if b"\0" in packet or b"RDF" not in packet or _PARTS.search(packet):
        return None, (XMP_DROPPED,)
    return _XMP_ORIENTATION.sub(rb"\g<1>1", packet), ()


def upright(samples: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Applies an EXIF orientation (1-8) to (height, width[, channels]) samples."""
    if orientation >= 5:
        samples = samples.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        samples = samples[::-1]
    if orientation in (2, 3, 6, 7):
        samples = samples[:, ::-1]
    return np.ascontiguousarray(samples)


def profile_space(icc: bytes | None) -> str | None:
    """The colour space of an ICC profile ("RGB", "GRAY", "CMYK", "LAB"...), or None where there is none to be read."""
    if not icc:
        return None
    try:
        return ImageCms.ImageCmsProfile(io.BytesIO(icc)).profile.xcolor_space.strip().upper()
    except (OSError, ValueError, ImageCms.PyCMSError):
        return None


def fitting_profile(icc: bytes | None, grey: bool) -> tuple[bytes | None, tuple[Notice, ...]]:
    """The profile if it describes RGB pixels (or grey ones, where ``grey``), else None and why."""
    if not icc:
        return None, ()
    if profile_space(icc) in (("GRAY", "RGB") if grey else ("RGB",)):
        return icc, ()
    return None, (ICC_DROPPED,)


def clean_dpi(dpi: object, unit: float = 1.0, turned: bool = False) -> tuple[float, float] | None:
    """(horizontal, vertical) times ``unit`` as dots per inch; None where they make no sense; ``turned`` swaps them."""
    if not isinstance(dpi, tuple) or len(dpi) != 2:
        return None
    try:
        across, down = float(dpi[0]) * unit, float(dpi[1]) * unit
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    if not all(math.isfinite(value) and 0 < value < 1e6 for value in (across, down)):
        return None
    return (down, across) if turned else (across, down)


def to_8_bit(samples: Samples) -> NDArray[np.uint8]:
    """uint16 samples as the nearest uint8 (65535 becomes 255); uint8 as they are."""
    if samples.dtype == np.uint8:
        return samples.astype(np.uint8, copy=False)
    return ((samples.astype(np.uint32) + 128) // 257).astype(np.uint8)


def on_white(samples: Samples, alpha: Samples) -> NDArray[np.uint8]:
    """8-bit samples laid on white by their alpha."""
    weight = alpha.astype(np.uint16)[..., None]
    return ((samples * weight + 255 * (255 - weight) + 127) // 255).astype(np.uint8)


def widen(samples: NDArray[np.uint16], bits: int) -> NDArray[np.uint16]:
    """Values of ``bits`` bits (9-16) spread over 16, so that white is 65535."""
    top = (1 << bits) - 1
    if top == 65535:
        return samples
    return ((samples.astype(np.uint32) * 65535 + top // 2) // top).astype(np.uint16)
