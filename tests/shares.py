"""Small comparisons to share, for the tests of links."""

from pathlib import Path

import numpy as np
from PIL import Image

from demoire.images import decode
from demoire.picture import Picture
from demoire.shares import Draft, DraftPane, Library, ShareSettings
from demoire.shares.store import FolderStore

START = 1_800_000_000.0


class Clock:
    """A clock that is set by hand."""

    def __init__(self, now: float = START) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def pixels(height: int = 41, width: int = 57, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def photo(folder: Path, name: str = "photo.jpg", **saving: object) -> Path:
    path = folder / name
    Image.fromarray(pixels()).save(path, **saving)
    return path


def draft(original: Path | None = None, seed: int = 2, title: str = "photo") -> Draft:
    """A result and, where one is given, the original."""
    panes = []
    if original is not None:
        panes.append(DraftPane("original", "original", decode(original), original))
    result = Picture(pixels(seed=seed), name="photo.jpg")
    run = {"model": "cnn", "revision": "ab" * 20, "seconds": 1.25, "box": [0, 0, 41, 57], "strength": None}
    panes.append(DraftPane("result-1", "result", result, run=run, figures={"raw": 31.5, "ssim": 0.9}))
    view = {"mode": "split", "zoom": 2.0, "x": 0.25, "y": 0.75, "split": 0.5, "hidden": ["difference"]}
    return Draft(tuple(panes), {"models": ["cnn"], "tile": "auto"}, view, title)


def library(root: Path, clock: Clock | None = None, **limits: float) -> Library:
    return Library(FolderStore(root), ShareSettings(str(root), **limits), clock or Clock())
