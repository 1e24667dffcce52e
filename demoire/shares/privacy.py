"""What is shared tells nothing of where a photo was taken, nor which very camera took it.

Of EXIF only harmless tags are kept: makers' notes, comments, GPS, serial numbers and owners' names go, and so does
whatever nobody thought of. A JPEG file keeps its very pixels: its segments are copied, those with metadata are not.
"""

import struct
from collections.abc import Iterator

from PIL import Image

from demoire.metadata import EXIF_ERRORS, EXIF_IFD, parse_exif

_ORIENTATION = 0x0112
#: Make, model, orientation, resolution, software, time, author, copyright.
_KEPT = frozenset((0x010F, 0x0110, _ORIENTATION, 0x011A, 0x011B, 0x0128, 0x0131, 0x0132, 0x013B, 0x8298))
#: Exposure and optics (Exif 2.32, table 8): no notes, no identifiers, no time zone, no place.
_KEPT_DETAILS = frozenset(
    (
        *(0x829A, 0x829D, 0x8822, 0x8827, 0x8830, 0x9000, 0x9003, 0x9004, 0xA001, 0xA002, 0xA003, 0xA217),
        *range(0x9201, 0x920B),
        *range(0xA401, 0xA40B),
        *range(0xA432, 0xA435),
    )
)
_PREFIX = b"Exif\0\0"

_SOI, _EOI, _SOS, _APP0, _APP1, _APP2, _APP14 = 0xD8, 0xD9, 0xDA, 0xE0, 0xE1, 0xE2, 0xEE
#: Markers without a length: TEM and the restarts, which stand within the entropy-coded data.
_BARE = (0x01, *range(0xD0, 0xD8))
#: Segments that the pixels are made of: frames, tables, scans, line counts and intervals.
_CODING = (*(marker for marker in range(0xC0, 0xD0) if marker != 0xC8), 0xDA, 0xDB, 0xDC, 0xDD)


def shareable_exif(block: bytes | None) -> bytes | None:
    """An EXIF block in TIFF form with only what may be shared; None where nothing is left or it is damaged."""
    if not block:
        return None
    try:
        exif, kept = parse_exif(block), Image.Exif()
        for tag in _KEPT & exif.keys():
            kept[tag] = exif[tag]
        details = exif.get_ifd(EXIF_IFD)
        shown = {tag: details[tag] for tag in _KEPT_DETAILS & details.keys()}
        if shown:
            kept.get_ifd(EXIF_IFD).update(shown)
        return kept.tobytes().removeprefix(_PREFIX) if kept else None
    except EXIF_ERRORS:
        return None


def shareable_jpeg(data: bytes) -> bytes | None:
    """A JPEG file with the same coded pixels and nothing but profile and shareable EXIF; None if it is not one."""
    try:
        return b"\xff\xd8" + b"".join(_shareable(segment) for segment in _segments(data)) + b"\xff\xd9"
    except (struct.error, IndexError, ValueError):
        return None


def _segments(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """(marker, payload, coded data that follows) up to the end of the picture; what comes after that is not read."""
    if data[:2] != b"\xff\xd8":
        raise ValueError("no start of image")
    place = 2
    while True:
        if data[place] != 0xFF:
            raise ValueError("no marker")
        marker = data[place + 1]
        if marker == 0xFF:  # fill
            place += 1
            continue
        if marker == _EOI:
            return
        (length,) = struct.unpack_from(">H", data, place + 2)
        end = place + 2 + length
        coded = _coded_end(data, end) if marker == _SOS else end
        yield marker, data[place + 4 : end], data[end:coded]
        place = coded


def _coded_end(data: bytes, start: int) -> int:
    """Where the coded data that begin at ``start`` end: before a marker that is neither stuffing nor restart."""
    place = start
    while True:
        place = data.index(b"\xff", place)
        if data[place + 1] not in (0x00, 0xFF, *_BARE):
            return place
        place += 1 if data[place + 1] == 0xFF else 2


def _shareable(segment: tuple[int, bytes, bytes]) -> bytes:
    marker, payload, coded = segment
    if marker == _APP0 and payload.startswith(b"JFIF\0"):
        payload = payload[:12] + b"\0\0"  # without its thumbnail
    elif marker == _APP1 and payload.startswith(_PREFIX):
        exif = shareable_exif(payload.removeprefix(_PREFIX))
        if exif is None:
            return b""
        payload = _PREFIX + exif
    elif not (
        marker in _CODING
        or (marker == _APP2 and payload.startswith(b"ICC_PROFILE\0"))
        or (marker == _APP14 and payload.startswith(b"Adobe"))
    ):
        return b""
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload + coded
