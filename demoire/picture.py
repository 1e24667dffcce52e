"""What a decoded picture is: pixels, and everything that must come back with them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from demoire.errors import DemoireError

#: Pixels or alpha as stored: uint8 or uint16.
Samples = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True)
class Notice:
    """Something that was changed or could not be kept; ``code`` names the page's translation, ``text`` is English."""

    code: str
    text: str


@dataclass(frozen=True)
class Limits:
    """How large a picture may be: ``max_pixels`` = height x width, ``max_bytes`` of the file."""

    max_pixels: int = 220_000_000
    max_bytes: int = 1 << 30

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Limits":
        """Reads ``DEMOIRE_MAX_MEGAPIXELS`` and ``DEMOIRE_MAX_MEGABYTES``.

        Raises:
            DemoireError: a value is not a positive number.
        """
        pixels = positive_setting(environment, "DEMOIRE_MAX_MEGAPIXELS", cls.max_pixels / 1e6)
        size = positive_setting(environment, "DEMOIRE_MAX_MEGABYTES", cls.max_bytes / (1 << 20))
        return cls(max_pixels=round(pixels * 1e6), max_bytes=round(size * (1 << 20)))


def positive_setting(environment: Mapping[str, str], name: str, default: float) -> float:
    """The number that the environment gives ``name``, or ``default`` where it gives none.

    Raises:
        DemoireError: it is not a positive number.
    """
    text = environment.get(name)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e9:
        raise DemoireError(f"The setting {name} must be a positive number, not '{text}'; correct it or remove it.")
    return value


@dataclass(frozen=True)
class Picture:
    """A decoded picture, upright.

    Attributes:
        pixels: (height, width, 3) uint8 or uint16, RGB in the picture's own encoding (that of ``icc``, else sRGB).
        alpha: (height, width) of the same dtype, or None; the RGB under it is as stored, not multiplied.
        grey: the file had one colour channel; ``pixels`` then hold it three times and it is written as one again.
        icc: the colour profile of ``pixels``.
        exif: the EXIF block in TIFF form (no ``Exif`` prefix), orientation reset, thumbnail dropped.
        xmp: the XMP packet, orientation reset.
        dpi: (horizontal, vertical) dots per inch.
        kind: "jpeg", "png", "webp", "tiff", "heic", "avif", "bmp" or "gif".
        lossless: the file kept every pixel value (matters for WebP, which can do both).
        name: the original file name, without folders.
        notices: what of the file could not be kept.
    """

    pixels: Samples
    alpha: Samples | None = None
    grey: bool = False
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    kind: str = "png"
    lossless: bool = True
    name: str = "picture"
    notices: tuple[Notice, ...] = ()

    @property
    def height(self) -> int:
        """Height in pixels."""
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        """Width in pixels."""
        return int(self.pixels.shape[1])

    @property
    def bits(self) -> int:
        """Bits per channel: 8 or 16."""
        return self.pixels.dtype.itemsize * 8
