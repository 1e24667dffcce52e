"""Views of pictures for the browser: PNG tiles at the picture's own pixels and at halved sizes, made when asked for.

A browser that is given a fitted copy shows moire that is not there, or hides moire that is; one that is given a whole
12-megapixel PNG waits for it. Tiles give exact pixels at once, whatever the kind of file (HEIC, TIFF, 16 bit).
"""

import io
import secrets
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from demoire.comparison import Box, Source
from demoire.picture import Picture, Samples

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

    def source(self) -> Source:
        """Where the browser finds the tiles."""
        return Source(f"views/{self.token}", self.height, self.width, self.levels, SIDE)

    def level(self, index: int, mode: Literal["r", "r+"] = "r") -> Bytes:
        """The stored pixels of a level."""
        stored: Bytes = np.load(self.folder / f"{index}.npy", mmap_mode=mode)
        return stored


def _eight_bits(pixels: Samples, alpha: Samples | None) -> Bytes:
    samples: NDArray[Any] = pixels if alpha is None else np.dstack((pixels, alpha))
    return samples if samples.dtype == np.uint8 else (samples >> 8).astype(np.uint8)


def _sizes(height: int, width: int) -> Iterator[tuple[int, int]]:
    """The picture's size, then its halves, until one fits a tile; an odd row or column counts as a whole one."""
    yield height, width
    while max(height, width) > SIDE:
        height, width = (height + 1) // 2, (width + 1) // 2
        yield height, width


def on_disk(picture: Picture, view: View) -> Picture:
    """``picture``, all of which ``view`` shows, with pixels that are read from the view's folder instead of memory."""
    if picture.bits == 8:
        stored = view.level(0)
        return replace(picture, pixels=stored[..., :3], alpha=None if picture.alpha is None else stored[..., 3])
    alpha = None if picture.alpha is None else _stored(view.folder / "alpha.npy", picture.alpha)
    return replace(picture, pixels=_stored(view.folder / "pixels.npy", picture.pixels), alpha=alpha)


def _stored(place: Path, samples: Samples) -> Samples:
    np.save(place, samples)
    stored: Samples = np.load(place, mmap_mode="r")
    return stored


class Views:
    """All views of this server, by token. Safe to use from several threads."""

    def __init__(self) -> None:
        self._views: dict[str, View] = {}
        self._lock = threading.Lock()

    def add(self, picture: Picture, folder: Path) -> View:
        """Stores the levels of ``picture`` below ``folder`` and lets the browser ask for them."""
        view = self.begin(picture, folder)
        self.put(view, (0, 0, view.height, view.width), picture.pixels, picture.alpha)
        return view

    def begin(self, like: Picture, folder: Path) -> View:
        """A view of the size and profile of ``like``, black until its parts are ``put``."""
        token = secrets.token_urlsafe(16)
        place = folder / token
        place.mkdir()
        levels = 0
        for levels, size in enumerate(_sizes(like.height, like.width), start=1):
            shape = (*size, 3 if like.alpha is None else 4)
            np.lib.format.open_memmap(place / f"{levels - 1}.npy", mode="w+", dtype=np.uint8, shape=shape)
        icc = like.icc if like.icc and len(like.icc) <= LARGEST_PROFILE else None
        view = View(token, place, like.height, like.width, levels, icc)
        with self._lock:
            self._views[token] = view
        return view

    def put(self, view: View, box: Box, pixels: Samples, alpha: Samples | None = None) -> None:
        """Stores the pixels (h, w, 3) of ``box`` and what follows from them on all levels.

        Once boxes have covered the picture, in whatever order, every level is what averaging the whole would give.
        """
        top, left, bottom, right = box
        stored = view.level(0, "r+")
        stored[top:bottom, left:right] = _eight_bits(pixels, alpha)
        for index in range(1, view.levels):
            top, left, bottom, right = top // 2, left // 2, (bottom + 1) // 2, (right + 1) // 2
            finer = np.ascontiguousarray(stored[2 * top : 2 * bottom, 2 * left : 2 * right])
            stored = view.level(index, "r+")
            stored[top:bottom, left:right] = np.asarray(Image.fromarray(finer).reduce(2))

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
            pixels = view.level(level)
        except FileNotFoundError:  # removed a moment ago
            return None
        tile = pixels[row * SIDE : (row + 1) * SIDE, column * SIDE : (column + 1) * SIDE]
        if tile.size == 0:
            return None
        png = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(tile)).save(png, "PNG", compress_level=1, icc_profile=view.icc)
        return png.getvalue()
