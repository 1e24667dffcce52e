"""Maps to be laid over pictures, as pictures with transparency."""

import numpy as np
from numpy.typing import NDArray

from demoire.picture import Picture

#: Where there is moire: a colour that screens rarely show, with an edge that is seen on light and on dark.
MASK = ("#ff1fa8",)
#: From what looks restored to what looks like a clean photo; told apart by those who see few colours, too.
PATCHES = ("#d7191c", "#fdae61", "#ffffbf", "#abd9e9", "#2c7bb6")
_FILL, _EDGE, _RIM = 80, 255, 150  # opacities, 0 to 255
_HEAT = 140


def mask_picture(mask: NDArray[np.bool_]) -> Picture:
    """The areas of a (h, w) mask filled thinly, with a bright edge inside and a dark rim around."""
    padded = np.pad(mask, 1, mode="edge")
    sides = [padded[1 + y : padded.shape[0] - 1 + y, 1 + x : padded.shape[1] - 1 + x] for y, x in _NEIGHBOURS]
    alpha = np.where(mask, _FILL, 0)
    alpha[mask & ~np.logical_and.reduce(sides)] = _EDGE
    rim = ~mask & np.logical_or.reduce(sides)
    alpha[rim] = _RIM
    pixels = np.tile(np.array(_rgb(MASK[0]), np.uint8), (*mask.shape, 1))
    pixels[rim] = 0
    return Picture(pixels, alpha.astype(np.uint8))


def patches_picture(patches: NDArray[np.float32]) -> Picture:
    """Probabilities (h, w) as colours of ``PATCHES``; those that are NaN are left open."""
    known = np.isfinite(patches)
    places = np.linspace(0, 1, len(PATCHES))
    channels = zip(*map(_rgb, PATCHES), strict=True)
    shares = np.where(known, patches, 0)
    pixels = np.stack([np.rint(np.interp(shares, places, values)) for values in channels], axis=2)
    return Picture(pixels.astype(np.uint8), np.where(known, _HEAT, 0).astype(np.uint8))


_NEIGHBOURS = ((-1, 0), (1, 0), (0, -1), (0, 1))


def _rgb(colour: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(colour[1:])
    return red, green, blue
