"""Views of pictures for the browser: PNG tiles at the picture's own pixels and at halved sizes, made when asked for.

A browser that is given a fitted copy shows moire that is not there, or hides moire that is; one that is given a whole
12-megapixel PNG waits for it. Tiles give exact pixels at once, whatever the kind of file (HEIC, TIFF, 16 bit).
"""

import io
import secrets
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from demoire.picture import Picture

#: Side of a tile in pixels.
SIDE = 512
#: Profiles above this size (printers') are not repeated in every tile.
LARGEST_PROFILE = 1 << 16

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class View:
    """A picture that the browser may look at; whoever knows ``token`` (128 random bits) may read it.

    Level k is the picture halved k times by area averaging, stored in ``folder`` as uint8 (height, width, 3 or 4).
    """

    token: str
    folder: Path
    height: int
    width: int
    levels: int
    icc: bytes | None

    def describe(self) -> dict[str, str | int]:
        """What the viewer in the browser needs to know."""
        return {"token": self.token, "height": self.height, "width": self.width, "levels": self.levels, "side": SIDE}


def _eight_bits(picture: Picture) -> Bytes:
    samples: NDArray[Any] = picture.pixels
    if picture.alpha is not None:
        samples = np.dstack((samples, picture.alpha))
    return samples if picture.bits == 8 else (samples >> 8).astype(np.uint8)


def _halvings(pixels: Bytes) -> Iterator[Bytes]:
    """The picture, then its halves, until one fits a tile; an odd row or column is averaged alone."""
    yield pixels
    while max(pixels.shape[:2]) > SIDE:
        pixels = np.asarray(Image.fromarray(pixels).reduce(2))
        yield pixels


class Views:
    """All views of this server, by token. Safe to use from several threads."""

    def __init__(self) -> None:
        self._views: dict[str, View] = {}
        self._lock = threading.Lock()

    def add(self, picture: Picture, folder: Path) -> View:
        """Stores the levels of ``picture`` below ``folder`` and lets the browser ask for them."""
        token = secrets.token_urlsafe(16)
        place = folder / token
        place.mkdir()
        pixels = _eight_bits(picture)
        levels = 0
        for levels, level in enumerate(_halvings(pixels), start=1):
            np.save(place / f"{levels - 1}.npy", level)
        icc = picture.icc if picture.icc and len(picture.icc) <= LARGEST_PROFILE else None
        view = View(token, place, pixels.shape[0], pixels.shape[1], levels, icc)
        with self._lock:
            self._views[token] = view
        return view

    def remove(self, view: View) -> None:
        """Forgets a view and deletes its files."""
        with self._lock:
            self._views.pop(view.token, None)
        shutil.rmtree(view.folder, ignore_errors=True)

    def tile(self, token: str, level: int, row: int, column: int) -> bytes | None:
        """A tile as PNG, or None where there is none."""
        with self._lock:
            view = self._views.get(token)
        if view is None or not 0 <= level < view.levels or row < 0 or column < 0:
            return None
        try:
            pixels = np.load(view.folder / f"{level}.npy", mmap_mode="r")
        except FileNotFoundError:  # removed a moment ago
            return None
        tile = pixels[row * SIDE : (row + 1) * SIDE, column * SIDE : (column + 1) * SIDE]
        if tile.size == 0:
            return None
        png = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(tile)).save(png, "PNG", compress_level=1, icc_profile=view.icc)
        return png.getvalue()
