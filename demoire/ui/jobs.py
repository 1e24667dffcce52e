"""What the page does for a visitor, not how it is shown: open photos, restore them, write the downloads."""

import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from demoire.catalog import WEIGHTS, ModelEntry
from demoire.comparison import Box, Run
from demoire.hub import Fetching
from demoire.images import decode, encode, output_kind, output_name
from demoire.picture import Limits, Picture
from demoire.restore import Restored, RestoreOptions, TileDone, restore
from demoire.shares import ShareSettings, open_library
from demoire.ui.files import Files
from demoire.ui.lane import Lane
from demoire.ui.share_links import Links
from demoire.ui.views import Views
from demoire.ui.visits import Photo, Result, Visit, Work

if TYPE_CHECKING:
    from demoire.loading import ModelCache

#: How often a waiting job looks whether it was cancelled, in seconds.
PATIENCE = 0.2
#: What a model sees around a part of the photo that is tried, in pixels, so that its edges are judged fairly.
SURROUNDINGS = 96


@dataclass(frozen=True)
class Settings:
    """What the one who runs the page decides.

    Attributes:
        folder: where visits keep their files.
        weights: the folder of the bundled models.
        limits: how large a photo may be.
        deadline: seconds after which a run is given up.
        shares: where links are stored, and for how long.
    """

    folder: Path
    weights: Path = WEIGHTS
    limits: Limits = field(default_factory=Limits)
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
class Progress:
    """A tile arrived.

    Attributes:
        done, total: tiles of all results of this job.
        rate: megapixels per second so far.
        left: seconds, estimated.
    """

    done: int
    total: int
    rate: float
    left: float


@dataclass(frozen=True)
class Finished:
    """All results of this job are there."""

    results: tuple[Result, ...]


@dataclass(frozen=True)
class Downloading:
    """A model comes from the Hub: ``done`` of ``total`` bytes, None where that is not known yet."""

    done: int
    total: int | None


Event = Waiting | Downloading | Started | Progress | Finished


@dataclass(frozen=True)
class Task:
    """What to do with a photo.

    Attributes:
        models: one result each.
        options: for each of them, but for the model's id.
        box: the part to try; None: the whole photo.
    """

    models: tuple[ModelEntry, ...]
    options: RestoreOptions
    box: Box | None = None


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
                photos.append(Photo(path, path.name, picture.kind, self.views.add(picture, visit.folder)))
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
        for model in task.models:  # before the lane: nobody waits for another one's download
            with closing(self.loaded().fetch(model.id)) as downloads:
                for download in downloads:
                    if not visit.wants(run, work):
                        return
                    yield Downloading(download.done, download.total)
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
                with closing(_Job(self, visit, work, task)) as job:
                    for event in job.events():
                        yield event
                        if not visit.wants(run, work):
                            return
            finally:
                visit.running = False

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


class _Job:
    """One photo through the models of a task: first what the visitor looks at by each of them, then the rest."""

    def __init__(self, desk: Desk, visit: Visit, work: Work, task: Task) -> None:
        self._visit = visit
        self._work = work
        self._views = desk.views
        self._picture = desk.decode(work.photo.path)
        self._part = _part(self._picture, task.box)
        self._branches = [self._branch(desk, work, task, model) for model in task.models]
        self._began = time.monotonic()

    def _branch(self, desk: Desk, work: Work, task: Task, model: ModelEntry) -> "_Branch":
        tile = task.options.tile
        run = Run(model.id, model.family, "", "", "", 0, 0.0, tile=tile, revision=model.revision, box=task.box)
        result = self._visit.begin_result(work, run, self._picture)
        options = replace(task.options, model=model.id, first=self._part.inside(task.options.first))
        return _Branch(result, restore(self._part.picture, options, desk.loaded()), options.first)

    def events(self) -> Iterator[Event]:
        """The job's events; the last is ``Finished``."""
        for first_only in (True, False):
            for branch in self._branches:
                while branch.wants_more(first_only):
                    event = branch.next()
                    if isinstance(event, Restored):
                        self._finish(branch, event)
                    elif isinstance(event, TileDone):
                        self._put(branch.result, event)
                    yield self._progress()
        yield Finished(tuple(branch.result for branch in self._branches))

    def _put(self, result: Result, event: TileDone) -> None:
        found = self._part.outside(event.box)
        if found is None:
            return
        box, rows, columns = found
        alpha = self._picture.alpha
        here = None if alpha is None else alpha[box[0] : box[2], box[1] : box[3]]
        self._views.put(result.view, box, event.pixels[rows, columns], here)
        result.arrived.append(box)

    def _finish(self, branch: "_Branch", restored: Restored) -> None:
        done = replace(restored, seconds=branch.seconds)
        facts = {name: getattr(done, name) for name in ("origin", "device", "dtype", "tiles", "seconds")}
        run = replace(branch.result.run, **facts)
        self._visit.finish_result(self._work, branch.result, run, done if run.box is None else None)

    def _progress(self) -> Progress:
        pixels = self._part.picture.height * self._part.picture.width
        shares = [branch.share for branch in self._branches]
        rate = sum(shares) * pixels / max(time.monotonic() - self._began, 1e-9)
        left = (len(shares) - sum(shares)) * pixels / max(rate, 1e-9)
        known = [branch.total for branch in self._branches if branch.total]
        total = sum(branch.total or known[0] for branch in self._branches) if known else 0
        return Progress(sum(branch.done for branch in self._branches), total, rate / 1e6, left)

    def close(self) -> None:
        """Frees what the models hold; what is not finished stays as it is."""
        for branch in self._branches:
            branch.events.close()
            result = branch.result
            if not result.arrived:
                self._visit.drop_result(self._work, result)
            elif result.state == "working":
                result.run = replace(result.run, seconds=branch.seconds, tiles=branch.done)
                result.state = "cancelled"


class _Branch:
    """One model's run: how far it is (``done`` of ``total`` tiles, ``share`` of the work), and its own time."""

    def __init__(
        self, result: Result, events: Generator[Fetching | TileDone | Restored, None, None], first: Box | None
    ) -> None:
        self.result = result
        self.events = events
        self.done = self.total = 0
        self.share = self.seconds = 0.0
        self._first = first
        self._missing = 0 if first is None else _area(first)
        self._ended = False

    def wants_more(self, first_only: bool) -> bool:
        """Whether there is more to compute; ``first_only``: of what is to come first."""
        return not self._ended and (self._missing > 0 or not first_only)

    def next(self) -> Fetching | TileDone | Restored:
        """The next event."""
        began = time.monotonic()
        event = next(self.events)
        self.seconds += time.monotonic() - began
        if isinstance(event, TileDone):
            self.done, self.total = event.index, event.total
            self.share = event.share
            seen = self._first and overlap(event.box, self._first)
            self._missing -= _area(seen) if seen else 0
        elif isinstance(event, Restored):
            self._ended = True
        return event


def _area(box: Box) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


def overlap(one: Box, other: Box) -> Box | None:
    """What two boxes have in common."""
    top, left = max(one[0], other[0]), max(one[1], other[1])
    bottom, right = min(one[2], other[2]), min(one[3], other[3])
    return (top, left, bottom, right) if top < bottom and left < right else None


@dataclass(frozen=True)
class _Part:
    """What of the photo goes through the models: all of it, or a box with its surroundings."""

    picture: Picture
    corner: tuple[int, int]
    box: Box

    def inside(self, box: Box | None) -> Box | None:
        """A box of the photo in the part's own coordinates."""
        found = None if box is None else overlap(box, self.box)
        return found and _moved(found, -self.corner[0], -self.corner[1])

    def outside(self, box: Box) -> tuple[Box, slice, slice] | None:
        """What a tile of the part shows of the wanted box: in the photo, and as rows and columns of the tile."""
        place = _moved(box, *self.corner)
        found = overlap(place, self.box)
        if found is None:
            return None
        top, left, bottom, right = _moved(found, -place[0], -place[1])
        return found, slice(top, bottom), slice(left, right)


def _moved(box: Box, down: int, across: int) -> Box:
    return (box[0] + down, box[1] + across, box[2] + down, box[3] + across)


def _part(picture: Picture, box: Box | None) -> _Part:
    height, width = picture.height, picture.width
    if box is None:
        return _Part(picture, (0, 0), (0, 0, height, width))
    top, left = max(0, box[0] - SURROUNDINGS), max(0, box[1] - SURROUNDINGS)
    bottom, right = min(height, box[2] + SURROUNDINGS), min(width, box[3] + SURROUNDINGS)
    alpha = None if picture.alpha is None else picture.alpha[top:bottom, left:right]
    return _Part(replace(picture, pixels=picture.pixels[top:bottom, left:right], alpha=alpha), (top, left), box)
