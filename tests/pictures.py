"""Constructed pictures of a screen and of its photo, small and without randomness between runs."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

ByteImage = NDArray[np.uint8]


def to_bytes(image: NDArray[np.floating]) -> ByteImage:
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)


def screen(height: int = 120, width: int = 144, seed: int = 0) -> ByteImage:
    """A clean picture: flat areas of several colours, lines like text, a soft texture."""
    random = np.random.default_rng(seed)
    image = np.full((height, width, 3), (0.86, 0.84, 0.80), np.float64)
    image[: height // 3, : width // 2] = (0.2, 0.35, 0.6)
    image[height // 2 : height // 2 + 30 : 6, width // 2 :] = 0.1
    texture = gaussian_filter(random.normal(size=(height // 3, width // 2, 3)), (1.5, 1.5, 0))
    image[-(height // 3) :, : width // 2] += 0.6 * texture[:, : width // 2]
    return to_bytes(image)


def photo(clean: ByteImage, bands: float = 0.05, seed: int = 1) -> ByteImage:
    """A moire photo of it: another tone curve, vignetting, coloured bands, noise."""
    height, width = clean.shape[:2]
    y, x = np.mgrid[:height, :width]
    image = 0.15 + 0.7 * (clean / 255) ** 1.3
    image *= (1 - 0.2 * (x / width - 0.5) ** 2 - 0.1 * (y / height))[..., None]
    phases = np.array([0.0, 2.1, 4.2])
    image += bands * np.sin(2 * np.pi * (x / 11 + y / 37)[..., None] + phases)
    image += 0.01 * np.random.default_rng(seed).normal(size=image.shape)
    return to_bytes(image)
