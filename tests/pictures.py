"""Constructed pictures of a screen and of its photo, small and without randomness between runs."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

ByteImage = NDArray[np.uint8]
MARGIN = 60


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


def scene(seed: int, height: int = 200, width: int = 240) -> ByteImage:
    """What a screen shows, with a margin of ``MARGIN`` around what a photo is to show."""
    random = np.random.default_rng(seed)
    picture = np.zeros((height + 2 * MARGIN, width + 2 * MARGIN, 3))
    for sigma, gain in ((24, 900), (8, 220), (3, 55)):
        picture += gain * gaussian_filter(random.normal(size=picture.shape), (sigma, sigma, 0))
    for _ in range(120):
        top, left = int(random.integers(picture.shape[0] - 12)), int(random.integers(picture.shape[1] - 40))
        size = int(random.integers(2, 12)), int(random.integers(4, 40))
        picture[top : top + size[0], left : left + size[1]] = random.uniform(-110, 110, 3)
    return np.clip(np.rint(picture + 128), 0, 255).astype(np.uint8)


def view(shown: ByteImage, down: int = 0, right: int = 0) -> ByteImage:
    """The part of a scene without its margin, moved."""
    return shown[MARGIN + down : down - MARGIN, MARGIN + right : right - MARGIN].copy()


def banded(clean: ByteImage, strength: float = 0.05) -> ByteImage:
    """Coloured bands and nothing else: the tone stays."""
    y, x = np.mgrid[: clean.shape[0], : clean.shape[1]]
    bands = 255 * strength * np.sin(2 * np.pi * (x / 9 + y / 31)[..., None] + np.array([0.0, 2.1, 4.2]))
    return np.rint(np.clip(clean + bands, 0, 255)).astype(np.uint8)
