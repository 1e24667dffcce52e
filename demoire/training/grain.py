"""Grey, grainy and oversharp pictures, as archives and scans have them: full of detail as fine as a pixel grid."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy.ndimage import gaussian_filter

from demoire.simulate.config import log_uniform

GREY_SHARE, SHARP_SHARE, COLOURED_SHARE = 0.5, 0.5, 0.3
"""Shares of pictures that lose their colours, that are sharpened, and whose grain differs from channel to channel."""
STRENGTH = (1.5, 16.0)
"""Standard deviation of the grain in 1/255, log-uniform."""


def draw_grain(rng: np.random.Generator, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture (H, W, 3) that is made grey or sharpened, or both, under grain of up to about two pixels."""
    image = Image.fromarray(picture)
    if rng.random() < GREY_SHARE:
        image = image.convert("L").convert("RGB")
    if rng.random() < SHARP_SHARE:
        image = image.filter(ImageFilter.UnsharpMask(rng.uniform(0.5, 1.5), int(rng.uniform(30, 200)), 0))
    channels = 3 if rng.random() < COLOURED_SHARE else 1
    grain = rng.standard_normal((*picture.shape[:2], channels), np.float32)
    size = rng.uniform(0, 0.9)
    grain = gaussian_filter(grain, (size, size, 0))
    strength = log_uniform(rng, STRENGTH) / float(grain.std())
    grainy: NDArray[np.uint8] = (np.asarray(image) + strength * grain).clip(0, 255).round().astype(np.uint8)
    return grainy
