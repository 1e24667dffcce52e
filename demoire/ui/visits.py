"""A visit: one visitor's photo and result, in a folder of their own that goes when they go."""

import shutil
import tempfile
from collections import deque
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from demoire.restore import Restored
from demoire.ui.views import View, Views


@dataclass(frozen=True)
class Photo:
    """The photo that a visitor gave: the file as it came, and its view."""

    path: Path
    name: str
    kind: str
    view: View

    def describe(self) -> dict[str, object]:
        """What the browser needs to know."""
        return {**self.view.describe(), "name": self.name, "kind": self.kind.upper()}


@dataclass(frozen=True)
class Result:
    """A finished run and its view; the pixels of ``restored`` lie in the visit's folder, not in memory."""

    restored: Restored
    view: View


class Visit:
    """Holds at most one photo and one result; replacing or closing deletes the files of the former ones.

    Attributes:
        folder: of this visitor alone.
        photo: the photo at hand.
        result: the last finished run on it.
        written: whether the download of the result exists.
        running: whether a run is under way.
    """

    def __init__(self, root: Path, views: Views) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=root))
        self.photo: Photo | None = None
        self.result: Result | None = None
        self.written = False
        self.running = False
        self._views = views
        self._cancelled: deque[str] = deque(maxlen=64)

    def cancel(self, run: str) -> None:
        """Ends a run, by the name that the browser gave it, within one tile; one that still waits will not begin."""
        self._cancelled.append(run)

    def wants(self, run: str, photo: Photo) -> bool:
        """Whether the visitor still waits for this run of this photo."""
        return run not in self._cancelled and self.photo is photo

    def take_photo(self, photo: Photo) -> None:
        """Replaces the photo and drops the result of the former one."""
        self.drop_result()
        if self.photo is not None:
            self._views.remove(self.photo.view)
        self.photo = photo

    def take_result(self, restored: Restored) -> Result:
        """Replaces the result: makes its view and moves its pixels to the folder."""
        self.drop_result()
        self.written = False
        view = self._views.add(restored.picture, self.folder)
        np.save(view.folder / "pixels.npy", restored.picture.pixels)
        pixels = np.load(view.folder / "pixels.npy", mmap_mode="r")
        self.result = Result(replace(restored, picture=replace(restored.picture, pixels=pixels)), view)
        return self.result

    def drop_result(self) -> None:
        """Forgets the result."""
        if self.result is not None:
            self._views.remove(self.result.view)
        self.result = None

    def close(self) -> None:
        """Deletes everything; a job that is still running finds no folder to write to."""
        self.drop_result()
        if self.photo is not None:
            self._views.remove(self.photo.view)
        self.photo = None
        shutil.rmtree(self.folder, ignore_errors=True)
