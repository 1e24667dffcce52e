"""One photo through several models: first what the visitor looks at by each of them, then the rest."""

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from demoire.burst import Burst, restore_burst
from demoire.catalog import ModelEntry
from demoire.comparison import Box, Run, State
from demoire.errors import CancelledError, DemoireError
from demoire.picture import Picture
from demoire.restore import Event, LookedOver, Restored, RestoreOptions, TileDone, restore
from demoire.ui.views import Views
from demoire.ui.visits import Result, Visit, Work, facts_of

if TYPE_CHECKING:
    from demoire.loading import ModelCache

#: What a model sees around a part of the photo that is tried, in pixels, so that its edges are judged fairly.
SURROUNDINGS = 192
#: What a run of one model tells.
Events = Generator[Event, None, None]


@dataclass(frozen=True)
class Task:
    """What to do with a photo.

    Attributes:
        models: one result each.
        options: for each of them, but for the model's id.
        box: the part to try; None: the whole photo.
        others: the other photos of a burst, for models that remember.
        refused: of the models that are not to be had, by their ids, why.
    """

    models: tuple[ModelEntry, ...]
    options: RestoreOptions
    box: Box | None = None
    others: tuple[Picture, ...] = ()
    refused: Mapping[str, DemoireError] = field(default_factory=dict)


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
    """All results of this job are there, but for those of models that failed."""

    results: tuple[Result, ...]


class Job:
    """A run under way; close it in every case."""

    def __init__(
        self,
        views: Views,
        visit: Visit,
        work: Work,
        task: Task,
        models: "ModelCache",
        cancelled: Callable[[], bool],
    ) -> None:
        self._views = views
        self._visit = visit
        self._work = work
        self._picture = picture = work.photo.picture
        self._cancelled = cancelled
        self._part = _part(picture, task.box)
        self._branches = [self._branch(task, model, models) for model in task.models]
        self._began = time.monotonic()

    def _branch(self, task: Task, model: ModelEntry, models: "ModelCache") -> "Branch":
        tile = task.options.tile
        others = task.others if model.remembers else ()
        run = Run(model.id, model.family, "", "", "", 0, 0.0, tile=tile, revision=model.revision, box=task.box)
        run = replace(run, photos=1 + len(others) if model.remembers else None)
        result = self._visit.begin_result(self._work, run, self._picture)
        # Who points at a part saw something there; and a part by itself would prove less than the photo does.
        sure = task.options.sure or task.box is not None
        options = replace(task.options, model=model.id, first=self._part.inside(task.options.first), sure=sure)
        refused = task.refused.get(model.id)
        events = _refuse(refused) if refused else self._restore(options, models, others)
        return Branch(result, events, options.first)

    def _restore(self, options: RestoreOptions, models: "ModelCache", others: Sequence[Picture]) -> Events:
        picture = self._part.picture
        if not others:
            return restore(picture, options, models, self._cancelled)
        burst = Burst(picture, tuple(partial(_cut, other, self._part.box) for other in others))
        return restore_burst(burst, options, models, self._cancelled)

    def events(self) -> Iterator[LookedOver | Progress | Finished]:
        """The job's events; the last is ``Finished``. A model that fails leaves its sentence, the others go on.

        Raises:
            DemoireError: all models failed, for the same reason.
            CancelledError: the run was cancelled.
        """
        for first_only in (True, False):
            for branch in self._branches:
                while branch.wants_more(first_only):
                    self._advance(branch)
                    yield self._progress()
        if failure := self._failure():
            raise failure
        yield Finished(tuple(branch.result for branch in self._branches))

    def _advance(self, branch: "Branch") -> None:
        try:
            event = branch.next()
        except DemoireError as error:
            if isinstance(error, CancelledError) and self._cancelled():
                raise
            branch.fail(error)
            return
        if isinstance(event, Restored):
            self._finish(branch, event)
        elif isinstance(event, TileDone):
            self._put(branch.result, event)

    def _failure(self) -> DemoireError | None:
        """The one reason why all models failed; None where the panes have something to tell."""
        errors = {str(error): error for branch in self._branches if (error := branch.result.error)}
        failed = all(branch.result.error and not branch.result.arrived for branch in self._branches)
        return next(iter(errors.values())) if failed and len(errors) == 1 else None

    def _put(self, result: Result, event: TileDone) -> None:
        found = self._part.outside(event.box)
        if found is None:
            return
        box, rows, columns = found
        alpha = self._picture.alpha
        here = None if alpha is None else alpha[box[0] : box[2], box[1] : box[3]]
        self._views.put(result.view, box, event.pixels[rows, columns], here)
        result.arrived.append(box)

    def _finish(self, branch: "Branch", restored: Restored) -> None:
        done = replace(restored, seconds=branch.seconds)
        run = replace(branch.result.run, **facts_of(done))
        self._visit.finish_result(self._work, branch.result, run, done if run.box is None else None)

    def _progress(self) -> LookedOver | Progress:
        pixels = self._part.picture.height * self._part.picture.width
        going = [branch for branch in self._branches if not branch.result.error]
        looking = next((branch.looking for branch in going if branch.looking), None)
        if looking and not any(branch.done for branch in going):
            return looking
        rate = sum(branch.share for branch in self._branches) * pixels / max(time.monotonic() - self._began, 1e-9)
        left = sum(1 - branch.share for branch in going) * pixels / max(rate, 1e-9)
        known = next((branch.total for branch in going if branch.total), 0)
        total = sum(branch.total or known for branch in going)
        return Progress(sum(branch.done for branch in going), total, rate / 1e6, left)

    def close(self) -> None:
        """Frees what the models hold; what is not finished stays as it is."""
        failure = self._failure()
        for branch in self._branches:
            branch.events.close()
            result = branch.result
            if not result.arrived and (failure or not result.error):
                self._visit.drop_result(self._work, result)
            elif result.state == "working":
                branch.stop("cancelled")


class Branch:
    """One model's run: how far it is (``done`` of ``total`` tiles, ``share`` of the work), and its own time."""

    def __init__(self, result: Result, events: Events, first: Box | None) -> None:
        self.result = result
        self.events = events
        self.done = self.total = 0
        self.share = self.seconds = 0.0
        self.looking: LookedOver | None = None
        self._first = first
        self._missing = 0 if first is None else _area(first)
        self._ended = False

    def wants_more(self, first_only: bool) -> bool:
        """Whether there is more to compute; ``first_only``: of what is to come first."""
        return not self._ended and (self._missing > 0 or not first_only)

    def next(self) -> Event:
        """The next event; raises as ``restore``."""
        began = time.monotonic()
        try:
            event = next(self.events)
        finally:
            self.seconds += time.monotonic() - began
        if isinstance(event, LookedOver):
            self.looking = event
        elif isinstance(event, TileDone):
            self.done, self.total = event.index, event.total
            self.share = event.share
            seen = self._first and overlap(event.box, self._first)
            self._missing -= _area(seen) if seen else 0
        elif isinstance(event, Restored):
            self._ended = True
        return event

    def fail(self, error: DemoireError) -> None:
        """Ends for a reason that its pane will tell."""
        self.result.error = error
        self._ended = True
        self.stop("failed")

    def stop(self, state: State) -> None:
        """Leaves the result as far as it is."""
        self.result.run = replace(self.result.run, seconds=self.seconds, tiles=self.done)
        self.result.state = state


def _refuse(error: DemoireError) -> Events:
    """As ``restore`` of a model that is not to be had."""
    raise error
    yield


def _area(box: Box) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])


def overlap(one: Box, other: Box) -> Box | None:
    """What two boxes have in common."""
    top, left = max(one[0], other[0]), max(one[1], other[1])
    bottom, right = min(one[2], other[2]), min(one[3], other[3])
    return (top, left, bottom, right) if top < bottom and left < right else None


@dataclass(frozen=True)
class Part:
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


def _part(picture: Picture, box: Box | None) -> Part:
    height, width = picture.height, picture.width
    if box is None:
        return Part(picture, (0, 0), (0, 0, height, width))
    top, left = max(0, box[0] - SURROUNDINGS), max(0, box[1] - SURROUNDINGS)
    bottom, right = min(height, box[2] + SURROUNDINGS), min(width, box[3] + SURROUNDINGS)
    alpha = None if picture.alpha is None else picture.alpha[top:bottom, left:right]
    return Part(replace(picture, pixels=picture.pixels[top:bottom, left:right], alpha=alpha), (top, left), box)


def _cut(picture: Picture, box: Box) -> Picture:
    """Another photo of the same size, as far as ``box`` and its surroundings go."""
    return _part(picture, box).picture
