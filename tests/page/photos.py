"""Photos of a screen with coloured bands, made here, in the kinds of file that phones and tools write."""

from pathlib import Path

import imagecodecs
import numpy as np
import pillow_heif
from numpy.typing import NDArray
from PIL import Image


def banded(height: int, width: int, period: float = 23.0) -> NDArray[np.uint8]:
    """A page of text-like lines with coloured bands across it."""
    y, x = np.mgrid[:height, :width]
    clean = np.where((y % 16 < 5) & (x % 9 < 6) & (x > width // 10), 40, 225)
    phases = np.array([0.0, 2.1, 4.2])
    bands = 14 * np.sin(2 * np.pi * (x / period + y / (3 * period))[..., None] + phases)
    return np.clip(np.rint(clean[..., None] + bands), 0, 255).astype(np.uint8)


def make_photos(folder: Path) -> dict[str, Path]:
    """Writes the photos; none has a side that is a multiple of anything."""
    picture = Image.fromarray(banded(203, 307))
    names = {
        "jpeg": "我的 照片(1).jpg",
        "other": "other.jpg",
        "rotated": "rotated.jpg",
        "deep": "deep.png",
        "alpha": "alpha.png",
        "heic": "phone.heic",
    }
    paths = {kind: folder / name for kind, name in names.items()}
    picture.save(paths["jpeg"], quality=92)
    Image.fromarray(banded(251, 199, period=9.0)).save(paths["other"], quality=92)
    turned = Image.Exif()
    turned[0x0112] = 6
    picture.save(paths["rotated"], quality=92, exif=turned)
    paths["deep"].write_bytes(imagecodecs.png_encode(banded(203, 307).astype(np.uint16) * 257 - 3))
    alpha = np.linspace(0, 255, 203 * 307).reshape(203, 307).astype(np.uint8)
    Image.fromarray(np.dstack((banded(203, 307), alpha))).save(paths["alpha"])
    pillow_heif.from_pillow(picture).save(paths["heic"], quality=90)
    return paths
