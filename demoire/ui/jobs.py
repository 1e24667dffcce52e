"""What the page does for a visitor, not how it is shown: open photos, restore them, write the downloads."""

import threading
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from demoire.catalog import WEIGHTS
from demoire.clips.clip import ClipLimits
from demoire.errors import CancelledError, DemoireError
from demoire.images import decode, encode, output_kind, output_name
from demoire.picture import Limits, Picture
from demoire.restore import LookedOver
from demoire.shares import ShareSettings, open_library
from demoire.ui.files import Files
from demoire.ui.job import Finished, Job, Progress, Task
from demoire.ui.lane import Lane
from demoire.ui.share_links import Links
from demoire.ui.views import Views, on_disk
from demoire.ui.visits import Photo, Reference, Result, Visit, Work

if TYPE_CHECKING:
    from demoire.loading import ModelCache

#: How often a waiting job looks whether it was cancelled, in seconds.
PATIENCE = 0.2
#: How long a clip may be, unless the settings say otherwise.
CLIP_SECONDS = 60.0


@dataclass(frozen=True)
class Settings:
    """What the one who runs the page decides.

    Attributes:
        folder: where visits keep their files.
        weights: the folder of the bundled models.
        limits: how large a photo may be.
        clips: how large a clip may be.
        deadline: seconds after which a run is given up.
        shares: where links are stored, and for how long.
    """

    folder: Path
    weights: Path = WEIGHTS
    limits: Limits = field(default_factory=Limits)
    clips: ClipLimits = field(default_factory=partial(ClipLimits, max_seconds=CLIP_SECONDS))
    deadline: float = 1800.0
    shares: ShareSettings = field(default_factory=ShareSettings.from_environment)


@dataclass(frozen=True)
class Waiting:
    """The device is busy with others: ``before`` jobs come first."""

    before: int


@dataclass(frozen=True)
class Started:
    """The device is ours; a model is being loaded."""


@dataclass(frozen=True)
class Downloading:
    """A model comes from the Hub: ``done`` of ``total`` bytes, None where that is not known yet."""

    done: int
    total: int | None


Event = Waiting | Downloading | Started | LookedOver | Progress | Finished


class Desk:
    """Where all visitors' jobs are done: the views, the downloads, the loaded models, the one lane to the device."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.views = Views()
        self.files = Files()
        self.lane = Lane()
        library = open_library(settings.shares)
        self.links = Links(library, self.views, settings.folder, settings.limits, settings.weights)
        self._models: ModelCache | None = None
        self._loading = threading.Lock()

    def new_visit(self) -> Visit:
        """A visit with a folder of its own."""
        return Visit(self.settings.folder, self.views, self.files)

    def open_photos(self, visit: Visit, paths: Sequence[Path]) -> None:
        """Decodes the files that a visitor gave and makes their views; the former photos stay if that fails.

        Raises:
            PictureError: one is not a picture that can be read, or too large.
        """
        photos: list[Photo] = []
        try:
            for path in paths:
                picture = self.decode(path)
                view = self.views.add(picture, visit.folder)
                photos.append(Photo(path, on_disk(picture, view), view))
        except BaseException:
            for photo in photos:
                self.views.remove(photo.view)
            raise
        visit.take_photos(photos)

    def restore(self, visit: Visit, work: Work, task: Task, run: str) -> Generator[Event, None, None]:
        """Restores a photo, or a part of it, by all models of the task; ends early once ``run`` is cancelled.

        What was done by then is kept in ``work.results``.

        Raises:
            DemoireError: as ``demoire.restore.restore``.
        """
        refused: dict[str, DemoireError] = {}
        for model in task.models:  # before the lane: nobody waits for another one's download
            try:
                with closing(self.loaded().fetch(model.id)) as downloads:
                    for download in downloads:
                        if not visit.wants(run, work):
                            return
                        yield Downloading(download.done, download.total)
            except DemoireError as error:
                refused[model.id] = error
        if len(refused) == len(task.models):
            raise next(iter(refused.values()))
        task = replace(task, refused=refused)
        with closing(self.lane.ticket()) as ticket:
            while before := ticket.wait(PATIENCE):
                if not visit.wants(run, work):
                    return
                yield Waiting(before)
            if not visit.wants(run, work):
                return
            visit.running = True
            visit.sweep()
            try:
                yield Started()
                with closing(self._job(visit, work, task, run)) as job:
                    for event in job.events():
                        yield event
                        if not visit.wants(run, work):
                            return
            except CancelledError:
                if visit.wants(run, work):  # the deadline passed for all models
                    raise
            finally:
                visit.running = False

    def _job(self, visit: Visit, work: Work, task: Task, run: str) -> Job:
        return Job(self.views, visit, work, task, self.loaded(), lambda: not visit.wants(run, work))

    def write_downloads(self, visit: Visit, work: Work, choice: str, fresh_only: bool = True) -> list[Result]:
        """Writes finished results as files of the chosen type and offers them; which ones were written.

        Files are named after the photo, and after the model, too, where several were compared.

        Raises:
            OutputError: one cannot be written.
        """
        finished = work.finished()
        written = [result for result in finished if result.download is None or not fresh_only]
        for result in written:
            if result.restored is None:
                continue
            picture = result.restored.picture
            kind = output_kind(picture, choice)
            path = result.view.folder / output_name(picture.name, kind)
            notices = encode(picture, path, kind)
            name = path.name if len(finished) == 1 else f"{path.stem}_{result.run.model}{path.suffix}"
            visit.offer(result, path, name, notices)
        return written

    def open_reference(self, visit: Visit, work: Work, path: Path) -> None:
        """Finds the screen's true content in the photo and scores photo and results with it. Takes seconds.

        Raises:
            PictureError: it is not a picture that can be read, or too large.
            MismatchError: it does not show what the photo shows.
        """
        from demoire.reference import align  # takes a second

        photo = work.photo.picture
        truth = align(self.decode(path), photo)
        fitted = Picture(truth.pixels, icc=photo.icc, name=path.name)
        visit.take_reference(work, Reference(path.name, truth, self.views.add(fitted, visit.folder)))
        work.figures = dict(truth.score(photo.pixels))
        self.score(work)

    def score(self, work: Work) -> None:
        """Scores the finished results that have no figures yet, where there is a reference. Takes seconds."""
        for result in work.finished():
            if work.reference and result.restored and not result.figures:
                result.figures = dict(work.reference.truth.score(result.restored.picture.pixels))

    def decode(self, path: Path) -> Picture:
        """The picture in a file, within the page's limits; raises as ``demoire.images.decode``."""
        return decode(path, path.name, self.settings.limits)

    def loaded(self) -> "ModelCache":
        """The models kept in memory. Imports torch, which takes seconds."""
        with self._loading:
            if self._models is None:
                from demoire.loading import ModelCache

                self._models = ModelCache(weights=self.settings.weights)
            return self._models
