"""One reader per kind of file: samples as stored, with what came along.

Pillow reads most; 16-bit colour, which it reads as 8 bits without a word, goes through imagecodecs, tifffile and
pillow-heif.
"""

import io
import struct
import threading
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import imagecodecs
import numpy as np
import pillow_heif
import tifffile
from PIL import Image, ImageCms

from demoire.errors import PictureError, PictureTooLargeError
from demoire.metadata import (
    DESCRIPTIVE_TAGS,
    EXIF_DROPPED,
    EXIF_ERRORS,
    EXIF_IFD,
    GPS_IFD,
    NOTES_DROPPED,
    ORIENTATION,
    clean_dpi,
    clean_exif,
    parse_exif,
    profile_space,
    widen,
)
from demoire.picture import Limits, Notice, Samples

#: What the libraries raise on files that are damaged or are not what they claim to be.
DECODER_ERRORS = (
    *EXIF_ERRORS,
    ArithmeticError,
    AttributeError,
    NotImplementedError,
    RuntimeError,
    zlib.error,
    ImageCms.PyCMSError,
)

_KINDS = {"JPEG": "jpeg", "MPO": "jpeg", "PNG": "png", "WEBP": "webp", "AVIF": "avif", "BMP": "bmp", "GIF": "gif"}
_FORMATS = tuple(name for name in _KINDS if name != "MPO")  # Pillow opens those as JPEG first
_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_PNG_XMP = b"XML:com.adobe.xmp\0"
_LONGEST_TEXT = 16 << 20
_IPTC = 0x0404  # a Photoshop resource
_OPENING = threading.Lock()

FIRST_FRAME = Notice("first_frame", "The file holds several pictures; only the first was taken.")
MAIN_PICTURE = Notice("main_picture", "The file also holds pictures beside the main one; they were left out.")
PALETTE = Notice("palette", "The file keeps its colours in a palette; the result is full-colour RGB.")
CMYK = Notice("cmyk", "The file is in CMYK; the result is RGB.")
LAB = Notice("lab", "The file is in LAB; the result is RGB.")
BILEVEL = Notice("bilevel", "The file is black and white with 1 bit per pixel; the result has 8 bits of grey.")
PREMULTIPLIED = Notice(
    "premultiplied", "The colours of the file were multiplied by its transparency; the result's are not."
)
GAMMA = Notice("gamma", "The file notes a gamma of its own and no colour profile; the note was left out.")
HDR = Notice("hdr", "The file holds wide or high-dynamic-range colours; the result has their values without that note.")

#: Refuses a (height, width) that is too large.
SizeCheck = Callable[[int, int], None]


@dataclass(frozen=True)
class Decoded:
    """What a reader found: (height, width[, 1-4 channels]) samples and EXIF, both before the orientation is applied."""

    samples: Samples
    kind: str
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: object = None
    lossless: bool = True
    notices: tuple[Notice, ...] = ()


def read(path: Path, limits: Limits) -> Decoded:
    """Reads the file with the reader that its first bytes call for.

    Raises:
        PictureError: too large, or of a depth that cannot be kept.
        One of ``DECODER_ERRORS``: damaged, or not a picture.
    """

    def check(height: int, width: int) -> None:
        if height < 1 or width < 1:
            raise PictureError("The picture has no pixels; choose another file.")
        if height * width > limits.max_pixels:
            raise PictureTooLargeError(
                f"The picture has {height * width / 1e6:.1f} megapixels and at most {limits.max_pixels / 1e6:.1f} are "
                "accepted; reduce or crop it."
            )

    with path.open("rb") as file:
        start = file.read(32)
    if start.startswith(_TIFF_MAGIC):
        return _read_tiff(path, limits, check)
    if pillow_heif.is_supported(start) and not (b"avif" in start or b"avis" in start):
        return _read_heif(path, check)
    return _read_pillow(path, start, limits, check)


@contextmanager
def _opened(path: Path, formats: tuple[str, ...], limits: Limits) -> Iterator[Image.Image]:
    """Opens and loads with our limit in place of Pillow's own, which would warn at 89 and refuse at 179 megapixels."""
    with _OPENING, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, limits.max_pixels
        try:
            with Image.open(path, formats=formats) as image:
                yield image
        except Image.DecompressionBombError as error:
            raise PictureTooLargeError(
                f"The picture has far more than the {limits.max_pixels / 1e6:.1f} megapixels that are accepted; "
                "reduce or crop it."
            ) from error
        finally:
            Image.MAX_IMAGE_PIXELS = before


def _read_pillow(path: Path, start: bytes, limits: Limits, check: SizeCheck) -> Decoded:
    with _opened(path, _FORMATS, limits) as image:
        check(image.height, image.width)
        kind = _KINDS[image.format or ""]
        notices = _extra_frames(image)
        deep = _deep_samples(path, kind, start)
        if deep is None:
            image.load()
            samples, icc, more = _rgb(image, image.info.get("icc_profile"))
        else:
            samples, icc, more = deep, image.info.get("icc_profile"), ()
        info = dict(image.info)
    notes = "comment" in info or _IPTC in info.get("photoshop", {})
    exif, xmp = info.get("exif"), info.get("xmp")
    if kind == "png":
        chunks = _PngChunks.read(path)
        exif, xmp, notes = exif or chunks.exif, chunks.xmp, chunks.notes
        more = (*more, HDR) if chunks.hdr else more
    gamma = info.get("gamma")
    if gamma and not icc and "srgb" not in info and abs(gamma - 1 / 2.2) > 0.01:
        more = (*more, GAMMA)
    lossless = kind in ("png", "bmp", "gif") or (kind == "webp" and _webp_is_lossless(path))
    said = (*notices, *more, *([NOTES_DROPPED] if notes else []))
    return Decoded(samples, kind, icc, exif, xmp, info.get("dpi"), lossless, said)


def _extra_frames(image: Image.Image) -> tuple[Notice, ...]:
    if getattr(image, "n_frames", 1) == 1:
        return ()
    return (MAIN_PICTURE,) if image.format == "MPO" else (FIRST_FRAME,)


def _rgb(image: Image.Image, icc: bytes | None) -> tuple[Samples, bytes | None, tuple[Notice, ...]]:
    """Samples of a loaded 8-bit picture (grey or RGB, with or without alpha), its profile if it holds, what changed."""
    mode, transparent = image.mode, "transparency" in image.info
    if mode in ("F", "I"):
        raise PictureError(
            "The picture has 32 bits per channel, which cannot be kept; save it with 8 or 16 bits first."
        )
    if mode == "1":
        return np.asarray(image.convert("L")), icc, (BILEVEL,)
    if mode in ("P", "PA"):
        return np.asarray(image.convert("RGBA" if transparent or mode == "PA" else "RGB")), icc, (PALETTE,)
    if mode in ("CMYK", "LAB"):
        return np.asarray(_convert_to_srgb(image, icc)), None, (CMYK if mode == "CMYK" else LAB,)
    if mode in ("RGBa", "La"):
        return np.asarray(image.convert(mode.upper())), icc, (PREMULTIPLIED,)
    if transparent and mode in ("L", "RGB"):
        return np.asarray(image.convert(mode + "A")), icc, ()
    if mode in ("L", "LA", "RGB", "RGBA"):
        return np.asarray(image), icc, ()
    return np.asarray(image.convert("RGB")), icc, ()


def _convert_to_srgb(image: Image.Image, icc: bytes | None) -> Image.Image:
    """CMYK or LAB through its profile (LAB through the CIE definition); CMYK without one by the plain formula."""
    target = ImageCms.createProfile("sRGB")
    if image.mode == "LAB":
        source: object = ImageCms.createProfile("LAB")
    elif profile_space(icc) == "CMYK":
        source = ImageCms.ImageCmsProfile(io.BytesIO(icc or b""))
    else:
        return image.convert("RGB")
    converted = ImageCms.profileToProfile(image, source, target, outputMode="RGB")  # type: ignore[arg-type]
    if converted is None:
        raise PictureError("The picture's colours cannot be converted to RGB; save it as RGB first.")
    return converted


def _deep_samples(path: Path, kind: str, start: bytes) -> Samples | None:
    """Samples of PNG and AVIF files with more than 8 bits per channel; None for the others."""
    if kind == "png" and start[24:25] == b"\x10":
        return np.asarray(imagecodecs.png_decode(path.read_bytes()), np.uint16)
    if kind == "avif":
        data = path.read_bytes()
        bits = _avif_bits(data)
        if bits > 8:
            return widen(np.asarray(imagecodecs.avif_decode(data, index=0), np.uint16), bits)
    return None


def _avif_bits(data: bytes) -> int:
    """Bits per channel as the first AV1 configuration box notes them (AV1-ISOBMFF, section 2.3.3)."""
    place = data.find(b"av1C")
    if place < 0 or place + 7 > len(data):
        return 8
    flags = data[place + 6]
    return 8 if not flags & 0x40 else 12 if flags & 0x20 else 10


@dataclass(frozen=True)
class _PngChunks:
    """What a PNG's chunks hold wherever they stand; Pillow looks behind the pixels only when it decodes them itself."""

    exif: bytes | None = None
    xmp: bytes | None = None
    notes: bool = False
    hdr: bool = False

    @classmethod
    def read(cls, path: Path) -> "_PngChunks":
        found = cls()
        with path.open("rb") as file:
            file.seek(8)
            while len(head := file.read(8)) == 8:
                size, name = struct.unpack(">I4s", head)
                if name == b"IEND":
                    break
                if name not in (b"eXIf", b"iTXt", b"tEXt", b"zTXt", b"cICP"):
                    file.seek(size + 4, 1)
                    continue
                body = file.read(size)
                file.seek(4, 1)
                if name == b"eXIf":
                    found = replace(found, exif=body)
                elif name == b"cICP":
                    found = replace(found, hdr=_is_wide(*body[:2]))
                elif body.startswith(_PNG_XMP):
                    found = replace(found, xmp=_international_text(body))
                else:
                    found = replace(found, notes=True)
        return found


def _international_text(body: bytes) -> bytes:
    """The text of an iTXt chunk (PNG specification, third edition, section 11.3.3.4)."""
    _, rest = body.split(b"\0", 1)
    text = rest[2:].split(b"\0", 2)[-1]
    return zlib.decompressobj().decompress(text, _LONGEST_TEXT) if rest[:1] == b"\1" else text


def _is_wide(primaries: int | None = None, transfer: int | None = None) -> bool:
    """Whether code points (ITU-T H.273) name colours beyond sRGB or a high dynamic range."""
    return primaries in (9, 11, 12) or transfer in (16, 18)


def _webp_is_lossless(path: Path) -> bool:
    with path.open("rb") as file:
        data = file.read()
    place = 12
    while place + 8 <= len(data):
        name, size = struct.unpack("<4sI", data[place : place + 8])
        if name in (b"VP8L", b"VP8 ", b"ANMF"):
            return bool(name == b"VP8L")
        place += 8 + size + size % 2
    return False


def _read_heif(path: Path, check: SizeCheck) -> Decoded:
    with path.open("rb") as file:
        heif = pillow_heif.open_heif(file, convert_hdr_to_8bit=False)
        image = heif[heif.primary_index]
        check(image.size[1], image.size[0])
        samples = np.asarray(image)
    check(*samples.shape[:2])
    notices: tuple[Notice, ...] = (FIRST_FRAME,) if len(heif) > 1 else ()
    info: dict[str, Any] = image.info
    if samples.dtype == np.uint16:
        bits = min(max(int(info.get("bit_depth") or 16), 9), 16)
        samples = widen(samples >> np.uint16(16 - bits), bits)
    if image.premultiplied_alpha and samples.ndim == 3 and samples.shape[2] == 4:
        samples, notices = straight(samples), (*notices, PREMULTIPLIED)
    nclx = info.get("nclx_profile") or {}
    icc = info.get("icc_profile")
    if not icc and _is_wide(nclx.get("color_primaries"), nclx.get("transfer_characteristics")):
        notices = (*notices, HDR)
    # libheif has turned the picture already; the EXIF orientation is to be ignored (ISO/IEC 23008-12, annex A)
    pillow_heif.set_orientation(info)
    return Decoded(np.array(samples), "heic", icc, info.get("exif"), info.get("xmp"), None, False, notices)


def straight(samples: Samples) -> Samples:
    """Divides premultiplied colours by their alpha, the last channel; where that is 0 they stay."""
    top = np.iinfo(samples.dtype).max
    result = samples.copy()
    alpha = samples[..., -1].astype(np.uint32)
    safe = np.maximum(alpha, 1)
    for channel in range(samples.shape[2] - 1):
        value = np.minimum((samples[..., channel].astype(np.uint64) * top + safe // 2) // safe, top)
        result[..., channel] = np.where(alpha > 0, value, samples[..., channel])
    return result


def _read_tiff(path: Path, limits: Limits, check: SizeCheck) -> Decoded:
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages.first
        check(page.imagelength, page.imagewidth)
        notices = (FIRST_FRAME,) if len(tiff.pages) > 1 else ()
        if page.sampleformat not in (1, None) or page.bitspersample > 16:
            raise PictureError(
                "The TIFF holds floating-point or 32-bit samples; save it with 8 or 16 bits per channel first."
            )
        deep = page.bitspersample > 8
        samples, more = _deep_tiff(page) if deep else (None, ())
    with path.open("rb") as file:
        exif, xmp, icc, dpi, damaged = _tiff_metadata(file)
    if samples is None:
        with _opened(path, ("TIFF",), limits) as image:
            image.load()
            samples, icc, more = _rgb(image, icc)
        cleaned = clean_exif(exif)  # Pillow has turned these pixels by the orientation, once is enough
        exif, dpi = cleaned.block, clean_dpi(dpi, turned=cleaned.orientation >= 5)
    return Decoded(samples, "tiff", icc, exif, xmp, dpi, True, (*notices, *damaged, *more))


def _deep_tiff(page: tifffile.TiffPage) -> tuple[Samples, tuple[Notice, ...]]:
    """Samples of a TIFF page with 9 to 16 bits per channel."""
    photometric = tifffile.PHOTOMETRIC(page.photometric)
    grey = photometric in (tifffile.PHOTOMETRIC.MINISBLACK, tifffile.PHOTOMETRIC.MINISWHITE)
    if not grey and photometric != tifffile.PHOTOMETRIC.RGB:
        raise PictureError(f"The TIFF is in {photometric.name} with more than 8 bits; save it as RGB or grey first.")
    samples = page.asarray().reshape(page.shape)
    if page.planarconfig == 2 and page.samplesperpixel > 1:
        samples = np.moveaxis(samples, 0, -1)
    samples = widen(samples.astype(np.uint16, copy=False), page.bitspersample)
    colours = 1 if grey else 3
    extra = tuple(page.extrasamples or ())
    if photometric == tifffile.PHOTOMETRIC.MINISWHITE:
        samples = 65535 - samples
    if samples.ndim == 3 and samples.shape[2] > colours and (not extra or extra[0] not in (1, 2)):
        samples = samples[..., :colours]
    if samples.ndim == 3:
        samples = samples[..., : colours + 1]
        if samples.shape[2] > colours and extra[0] == 1:
            return straight(samples), (PREMULTIPLIED,)
    return samples, ()


def _tiff_metadata(
    file: IO[bytes],
) -> tuple[bytes | None, bytes | None, bytes | None, object, tuple[Notice, ...]]:
    """EXIF (descriptive tags, details, position, orientation), XMP, profile and resolution of a TIFF's first page."""
    source = Image.Exif()
    exif: bytes | None = None
    notices: tuple[Notice, ...] = ()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            source = parse_exif(file)
            exif = _descriptive(source)
        except EXIF_ERRORS:
            notices = (EXIF_DROPPED,)
        per_inch = {2: 1.0, 3: 2.54}.get(source.get(0x0128, 2))
        resolution = (source.get(0x011A), source.get(0x011B))
        xmp, icc = (value if isinstance(value, bytes) else None for value in map(source.get, (0x02BC, 0x8773)))
        if 0x83BB in source:
            notices = (*notices, NOTES_DROPPED)
    dpi = clean_dpi(resolution, per_inch) if per_inch else None
    return exif, xmp, icc, dpi, notices


def _descriptive(source: Image.Exif) -> bytes | None:
    """The part of a TIFF's directory that describes the picture, as an EXIF block; None where there is none."""
    result = Image.Exif()
    for tag in (*DESCRIPTIVE_TAGS, ORIENTATION):
        if tag in source:
            result[tag] = source[tag]
    for directory in (EXIF_IFD, GPS_IFD):
        values = dict(source.get_ifd(directory))
        if values:
            result[directory] = values
    return result.tobytes() if result else None
