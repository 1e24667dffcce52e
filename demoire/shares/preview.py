"""The picture in a link's preview: the place looked at, at its own pixels, before and after side by side.

A photo that is scaled to fit shows moire that it does not have, so it is cut, never scaled.
"""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from demoire.metadata import to_8_bit
from demoire.picture import Picture

#: Size that messengers ask for (og:image), in pixels.
HEIGHT, WIDTH = 630, 1200
#: Between two pictures, and around those that are smaller.
_GAP, _GREY = 6, 226


def write_preview(pictures: Sequence[Picture], focus: tuple[float, float], path: Path) -> None:
    """Writes a JPEG of one picture, or of two side by side; ``focus`` is the place (x, y as shares) in the middle.

    Raises:
        OSError: it cannot be written.
    """
    sheet = np.full((HEIGHT, WIDTH, 3), _GREY, np.uint8)
    width = (WIDTH - _GAP * (len(pictures) - 1)) // len(pictures)
    for number, picture in enumerate(pictures):
        left = number * (width + _GAP)
        _place(_cut(picture, focus, width), sheet[:, left : left + width])
    Image.fromarray(sheet).save(path, "JPEG", quality=90, subsampling=0)


def _cut(picture: Picture, focus: tuple[float, float], width: int) -> NDArray[np.uint8]:
    """The part around ``focus``, at most HEIGHT x width pixels, in sRGB on grey."""
    top = _start(focus[1], HEIGHT, picture.height)
    left = _start(focus[0], width, picture.width)
    box = slice(top, top + HEIGHT), slice(left, left + width)
    part = _in_srgb(to_8_bit(picture.pixels[box]), picture.icc)
    if picture.alpha is None:
        return part
    weight = to_8_bit(picture.alpha[box]).astype(np.float32)[..., None] / 255
    return np.rint(part * weight + _GREY * (1 - weight)).astype(np.uint8)


def _start(share: float, extent: int, length: int) -> int:
    """Where a cut of ``extent`` begins so that ``share`` of ``length`` is in its middle, within the picture."""
    return max(0, min(length - extent, round(min(max(share, 0.0), 1.0) * length - extent / 2)))


def _in_srgb(pixels: NDArray[np.uint8], icc: bytes | None) -> NDArray[np.uint8]:
    if not icc:
        return pixels
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        image = ImageCms.profileToProfile(
            Image.fromarray(np.ascontiguousarray(pixels)), profile, ImageCms.createProfile("sRGB")
        )
    except (OSError, ValueError, ImageCms.PyCMSError):  # a grey profile, for one
        return pixels
    return pixels if image is None else np.asarray(image)


def _place(part: NDArray[np.uint8], area: NDArray[np.uint8]) -> None:
    """Puts ``part`` into the middle of ``area``."""
    top, left = ((area.shape[axis] - part.shape[axis]) // 2 for axis in (0, 1))
    area[top : top + part.shape[0], left : left + part.shape[1]] = part
