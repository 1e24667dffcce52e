"""One writer per kind of file: every pixel value (but JPEG's), with profile, EXIF and resolution where the kind can."""

import struct
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from demoire.metadata import DESCRIPTIVE_TAGS, EXIF_IFD, GPS_IFD, parse_exif
from demoire.picture import Picture

_JPEG_EXIF_BYTES = 65533 - 6
_JPEG_XMP_BYTES = 65533 - 29
_XMP_TAG = 0x02BC


@dataclass(frozen=True)
class Writer:
    """How a kind is written, its file name suffixes (the first is the one given), and what it can keep.

    ``write`` gets a picture that holds nothing else, and the path of a new file.
    """

    write: Callable[[Picture, Path], None]
    suffixes: tuple[str, ...]
    max_side: int
    alpha: bool = True
    deep: bool = False
    icc: bool = True
    exif_bytes: int = 1 << 31
    xmp_bytes: int = 1 << 31


def interleaved(picture: Picture) -> NDArray[Any]:
    """(height, width[, channels]) samples as a file holds them: one channel where grey, alpha last."""
    colour = picture.pixels[..., :1] if picture.grey else picture.pixels
    if picture.alpha is not None:
        return np.concatenate([colour, picture.alpha[..., None]], axis=2)
    return np.array(colour[..., 0]) if picture.grey else np.ascontiguousarray(colour)


def _write_png(picture: Picture, path: Path) -> None:
    data = imagecodecs.png_encode(interleaved(picture), level=2, filter=imagecodecs.PNG.FILTER.PAETH)
    header = 33  # the signature and the IHDR chunk, which come first
    with path.open("wb") as file:
        file.write(data[:header])
        for name, body in _png_metadata(picture):
            file.write(struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)))
        file.write(memoryview(data)[header:])


def _png_metadata(picture: Picture) -> list[tuple[bytes, bytes]]:
    """Chunks of the PNG specification (third edition, section 11.3), in an order that it allows."""
    chunks = []
    if picture.icc:
        chunks.append((b"iCCP", b"ICC profile\0\0" + zlib.compress(picture.icc)))
    if picture.dpi:
        across, down = (min(round(value / 0.0254), (1 << 31) - 1) for value in picture.dpi)
        chunks.append((b"pHYs", struct.pack(">IIB", across, down, 1)))
    if picture.exif:
        chunks.append((b"eXIf", picture.exif))
    if picture.xmp:
        chunks.append((b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + picture.xmp))
    return chunks


def _write_jpeg(picture: Picture, path: Path) -> None:
    exif = b"Exif\0\0" + picture.exif if picture.exif else b""
    dpi = tuple(min(max(round(value), 1), 65535) for value in picture.dpi) if picture.dpi else (0, 0)
    image = Image.fromarray(interleaved(picture))
    image.save(
        path, "JPEG", quality=95, subsampling=0, icc_profile=picture.icc, exif=exif, xmp=picture.xmp or b"", dpi=dpi
    )


def _write_webp(picture: Picture, path: Path) -> None:
    exif, xmp, icc = picture.exif or b"", picture.xmp or b"", picture.icc or b""
    image = Image.fromarray(interleaved(picture))
    if picture.grey:
        image = image.convert("RGBA" if picture.alpha is not None else "RGB")
    image.save(path, "WEBP", lossless=True, exact=True, quality=50, method=2, icc_profile=icc, exif=exif, xmp=xmp)


def _write_bmp(picture: Picture, path: Path) -> None:
    Image.fromarray(interleaved(picture)).save(path, "BMP", dpi=picture.dpi or (96, 96))


def _write_tiff(picture: Picture, path: Path) -> None:
    samples = interleaved(picture)
    exif = parse_exif(picture.exif) if picture.exif else Image.Exif()
    directories = {tag: dict(exif.get_ifd(tag)) for tag in (EXIF_IFD, GPS_IFD)}
    tags = [_tiff_tag(tag, exif[tag]) for tag in DESCRIPTIVE_TAGS if tag in exif]
    tags += [(_placeholder(tag), 4, 1, 0, True) for tag, values in directories.items() if values]
    tags += [_tiff_tag(_XMP_TAG, picture.xmp)] if picture.xmp else []
    tifffile.imwrite(
        path,
        samples,
        photometric="minisblack" if picture.grey else "rgb",
        planarconfig="contig",
        extrasamples=["unassalpha"] if picture.alpha is not None else None,
        compression="adobe_deflate",
        predictor=True,
        rowsperstrip=64,
        metadata=None,
        software=False,
        iccprofile=picture.icc,
        resolution=picture.dpi,
        resolutionunit="INCH" if picture.dpi else None,
        extratags=tags,
    )
    for tag, values in directories.items():
        if values:
            _append_directory(path, tag, values)


def _tiff_tag(tag: int, value: object) -> tuple[int, int, int, object, bool]:
    """A tag as tifffile takes it: text as ASCII (type 2), all else as bytes (type 1)."""
    if isinstance(value, bytes):
        return tag, 1, len(value), value, True
    if isinstance(value, int):
        return tag, 3, 1, value, True
    text = str(value).encode("utf-8") + b"\0"
    return tag, 2, len(text), text, True


def _placeholder(tag: int) -> int:
    """tifffile writes no tags that point to directories; an unused tag before each in the order keeps the place."""
    return tag - 1


def _append_directory(path: Path, tag: int, values: Mapping[int, object]) -> None:
    """Puts a directory (EXIF details, GPS) at the end of a little-endian TIFF and points its ``tag`` there."""
    directory = ImageFileDirectory_v2(prefix=b"II")
    for key, value in values.items():
        directory[key] = value
    with tifffile.TiffFile(path, mode="r+") as tiff:
        entry = tiff.pages.first.tags[_placeholder(tag)].offset
        file = tiff.filehandle
        end = file.seek(0, 2)
        end += file.write(b"\0") if end % 2 else 0
        file.write(directory.tobytes(end))
        file.seek(entry)
        file.write(struct.pack("<HHII", tag, 4, 1, end))


#: Kind -> how it is written.
WRITERS: Mapping[str, Writer] = {
    "jpeg": Writer(
        _write_jpeg, (".jpg", ".jpeg"), 65500, alpha=False, exif_bytes=_JPEG_EXIF_BYTES, xmp_bytes=_JPEG_XMP_BYTES
    ),
    "png": Writer(_write_png, (".png",), (1 << 31) - 1, deep=True),
    "webp": Writer(_write_webp, (".webp",), 16383),
    "tiff": Writer(_write_tiff, (".tif", ".tiff"), (1 << 31) - 1, deep=True),
    "bmp": Writer(_write_bmp, (".bmp",), (1 << 31) - 1, alpha=False, icc=False, exif_bytes=0, xmp_bytes=0),
}
