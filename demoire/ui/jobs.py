"""What the page does for a visitor, not how it is shown: open a photo, restore it, write the download."""

import threading
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from demoire.catalog import WEIGHTS
from demoire.images import decode, encode, output_kind, output_name
from demoire.picture import Limits, Notice, Picture
from demoire.restore import RestoreOptions, TileDone, restore
from demoire.ui.views import Views
from demoire.ui.visits import Photo, Result, Visit

if TYPE_CHECKING:
    from demoire.loading import ModelCache

#: How often a waiting job looks whether it was cancelled, in seconds.
PATIENCE = 0.2


@dataclass(frozen=True)
class Settings:
    """What the one who runs the page decides.

    Attributes:
        folder: where visits keep their files.
        weights: the folder of the bundled models.
        limits: how large a photo may be.
        deadline: seconds after which a run is given up.
    """

    folder: Path
    weights: Path = WEIGHTS
    limits: Limits = field(default_factory=Limits)
    deadline: float = 1800.0


@dataclass(frozen=True)
class Waiting:
    """The device is still busy with another photo."""


@dataclass(frozen=True)
class Started:
    """The device is ours; the model is being loaded."""


@dataclass(frozen=True)
class Download:
    """A file to download, and what its kind could not keep."""

    path: Path
    notices: tuple[Notice, ...]


Event = Waiting | Started | TileDone | Result


class Desk:
    """Where all visitors' jobs are done: the views, the loaded models, and the one lane to the device."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.views = Views()
        self._lane = threading.Semaphore()
        self._models: ModelCache | None = None

    def new_visit(self) -> Visit:
        """A visit with a folder of its own."""
        return Visit(self.settings.folder, self.views)

    def open_photo(self, visit: Visit, path: Path) -> Photo:
        """Decodes the file that a visitor gave and makes its view; the former photo stays if that fails.

        Raises:
            PictureError: it is not a picture that can be read, or too large.
        """
        picture = self._decode(path)
        photo = Photo(path, path.name, picture.kind, self.views.add(picture, visit.folder))
        visit.take_photo(photo)
        return photo

    def restore(self, visit: Visit, photo: Photo, options: RestoreOptions, run: str) -> Generator[Event, None, None]:
        """Restores the visit's photo; the last item is the result, or it ends without one once ``run`` is cancelled.

        Raises:
            DemoireError: as ``demoire.restore.restore``.
        """
        while not self._lane.acquire(timeout=PATIENCE):
            if not visit.wants(run, photo):
                return
            yield Waiting()
        visit.running = True
        try:
            yield Started()
            with closing(restore(self._decode(photo.path), options, self._loaded())) as events:
                for event in events:
                    if not visit.wants(run, photo):
                        return
                    yield event if isinstance(event, TileDone) else visit.take_result(event)
        finally:
            visit.running = False
            self._lane.release()

    def write_download(self, result: Result, choice: str) -> Download:
        """Writes a result as a file of the chosen type, named after the photo.

        Raises:
            OutputError: it cannot be written.
        """
        picture = result.restored.picture
        kind = output_kind(picture, choice)
        path = result.view.folder / output_name(picture.name, kind)
        return Download(path, encode(picture, path, kind))

    def _decode(self, path: Path) -> Picture:
        return decode(path, path.name, self.settings.limits)

    def _loaded(self) -> "ModelCache":
        """The models kept in memory; only called in the lane. Imports torch, which takes seconds."""
        if self._models is None:
            from demoire.loading import ModelCache

            self._models = ModelCache(weights=self.settings.weights)
        return self._models
