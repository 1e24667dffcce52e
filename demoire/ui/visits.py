"""A visit: one visitor's photos and what was made of them, in a folder of their own that goes when they go."""

import shutil
import tempfile
from collections import deque
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from demoire.comparison import Box, Comparison, File, Overlay, Pane, Run, State
from demoire.detect import Moire
from demoire.errors import DemoireError
from demoire.picture import Notice, Picture, Samples
from demoire.restore import Restored
from demoire.ui.files import Files
from demoire.ui.texts import error_texts
from demoire.ui.views import View, Views, on_disk

if TYPE_CHECKING:
    from demoire.reference import Truth

#: How many results of one photo are kept; more than fit the viewer at once, for a look back.
MOST_RESULTS = 8
#: How many photos a visitor may have open.
MOST_PHOTOS = 12


@dataclass(frozen=True)
class Photo:
    """The photo that a visitor gave: the file as it came, its picture (pixels on disk), and its view."""

    path: Path
    picture: Picture
    view: View

    @property
    def name(self) -> str:
        """The file's name as the visitor gave it."""
        return self.picture.name


@dataclass(frozen=True)
class Reference:
    """The true content of the screen, brought to the photo's place and size, and its view."""

    name: str
    truth: "Truth"
    view: View

    @property
    def pixels(self) -> Samples:
        """(H, W, 3) uint8."""
        return self.truth.pixels

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What limits the figures."""
        return self.truth.notices


@dataclass(frozen=True)
class Laid:
    """A map over a picture, and the view that holds its pixels."""

    overlay: Overlay
    view: View


@dataclass(frozen=True)
class Download:
    """A result written as a file, what its kind could not keep, and where it is offered."""

    path: Path
    notices: tuple[Notice, ...]
    file: File


@dataclass
class Result:
    """What one model makes, or made, of the photo.

    Attributes:
        key: its pane's.
        run: how it comes about; ``seconds``, ``device``, ``dtype`` and ``tiles`` are final once it is done.
        view: its pixels for the browser, growing tile by tile.
        arrived: the parts that are done.
        state: what was done by the time it was "cancelled" or "failed" stays.
        restored: the finished result, its pixels in the visit's folder and not in memory; None for a part of the photo
            and for what was not finished.
        download: once it is written.
        figures: metric -> value against the reference, where one was given.
        error: why it failed.
        judged: whether the discriminator was asked; what it said is in ``run`` and ``patches``.
    """

    key: str
    run: Run
    view: View
    arrived: list[Box] = field(default_factory=list)
    state: State = "working"
    restored: Restored | None = None
    download: Download | None = None
    figures: dict[str, float] = field(default_factory=dict)
    error: DemoireError | None = None
    judged: bool = False
    patches: Laid | None = None

    def pane(self) -> Pane:
        """For the viewer."""
        whole = self.state == "done" and self.run.box is None
        return Pane(
            key=self.key,
            role="result",
            source=self.view.source(),
            run=self.run,
            figures=dict(self.figures),
            arrived=None if whole else tuple(self.arrived),
            state=self.state,
            file=self.download.file if self.download else None,
            problem=error_texts(self.error) if self.error else {},
            overlay=self.patches.overlay if self.patches else None,
        )

    def same_setting(self, run: Run) -> bool:
        """Whether ``run`` would make the same again."""
        mine = self.run
        return (mine.model, mine.tile, mine.box, mine.photos) == (run.model, run.tile, run.box, run.photos)


@dataclass
class Work:
    """A photo and its results, the oldest first.

    Attributes:
        figures: the photo's own, where there is a reference.
        looked: how far the detector is with it; what it said is ``moire``, and ``mask`` where it found any.
    """

    photo: Photo
    results: list[Result] = field(default_factory=list)
    reference: Reference | None = None
    figures: dict[str, float] = field(default_factory=dict)
    counted: int = 0
    looked: Literal["no", "looking", "done", "failed"] = "no"
    moire: Moire | None = None
    mask: Laid | None = None

    def comparison(self) -> Comparison:
        """For the viewer."""
        photo, reference = self.photo, self.reference
        mask = self.mask.overlay if self.mask else None
        panes = [Pane("original", "original", photo.view.source(), photo.name, figures=self.figures, overlay=mask)]
        panes += [result.pane() for result in self.results]
        if reference is not None:
            panes.append(Pane("reference", "reference", reference.view.source(), reference.name))
        return Comparison(photo.view.token, tuple(panes), name=photo.name)

    def like(self, other: "Work") -> bool:
        """Whether both photos have the same size."""
        mine, theirs = self.photo.view, other.photo.view
        return (mine.height, mine.width) == (theirs.height, theirs.width)

    def finished(self) -> list[Result]:
        """The results that can be taken home."""
        return [result for result in self.results if result.restored is not None]


class Visit:
    """One visitor's photos; closing it deletes all files.

    Attributes:
        folder: of this visitor alone.
        works: the photos by the token of their view, in the order in which they came.
        work: the photo at hand.
        running: whether a run is under way.
        parcels: what is offered of several results together.
    """

    def __init__(self, root: Path, views: Views, files: Files) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=root))
        self.works: dict[str, Work] = {}
        self.work: Work | None = None
        self.running = False
        self.parcels: list[File] = []
        self._views = views
        self._files = files
        self._cancelled: deque[str] = deque(maxlen=64)
        self._old: list[View] = []

    def cancel(self, run: str) -> None:
        """Ends a run, by the name that the browser gave it, within one tile; one that still waits will not begin."""
        self._cancelled.append(run)

    def wants(self, run: str, work: Work) -> bool:
        """Whether the visitor still waits for this run on this photo."""
        return run not in self._cancelled and self.holds(work)

    def take_photos(self, photos: list[Photo]) -> None:
        """Replaces the photos at hand and all that was made of them."""
        self.sweep()
        self._take_away()
        self.works = {photo.view.token: Work(photo) for photo in photos}
        self.work = next(iter(self.works.values()))

    def burst(self, work: Work) -> tuple[Picture, ...]:
        """The visitor's other photos of the same size."""
        return tuple(other.photo.picture for other in self.works.values() if other is not work and other.like(work))

    def begin_result(self, work: Work, run: Run, like: Picture) -> Result:
        """A result that will grow; where there are too many, the oldest goes."""
        for failed in [old for old in work.results if old.state == "failed" and old.same_setting(run)]:
            self.drop_result(work, failed)
        work.counted += 1
        result = Result(f"result-{work.counted}", run, self._views.begin(like, self.folder))
        for old in work.results[: max(0, len(work.results) + 1 - MOST_RESULTS)]:
            self.drop_result(work, old)
        work.results.append(result)
        return result

    def finish_result(self, work: Work, result: Result, run: Run, restored: Restored | None) -> None:
        """The result is complete and replaces a former one of the same setting; its pixels are in the view's folder."""
        for old in work.results:
            if old is not result and old.state != "working" and old.same_setting(run):
                self.drop_result(work, old)
        result.run = _with_moire(run, work.moire)
        if restored is not None:
            result.restored = replace(restored, picture=on_disk(restored.picture, result.view))
        result.state = "done"

    def drop_result(self, work: Work, result: Result) -> None:
        """Forgets a result."""
        work.results = [other for other in work.results if other is not result]
        self._drop(result)

    def take_reference(self, work: Work, reference: Reference | None) -> None:
        """Replaces the reference of a photo, or takes it away."""
        if work.reference is not None:
            self._old.append(work.reference.view)
        work.reference = reference
        work.figures = {}
        for result in work.results:
            result.figures = {}

    def take_moire(self, work: Work, moire: Moire, mask: Laid | None) -> None:
        """What the detector says of a photo; its results carry it, too."""
        work.looked, work.moire = "done", moire
        for result in work.results:
            result.run = _with_moire(result.run, moire)
        if mask is not None and self.holds(work):
            work.mask = mask
        elif mask is not None:
            self._old.append(mask.view)

    def take_judgement(self, work: Work, result: Result, looks_clean: float, patches: Laid) -> None:
        """What the discriminator says of a result."""
        result.run = replace(result.run, looks_clean=looks_clean)
        if self.holds(work) and result in work.results:
            result.patches = patches
        else:
            self._old.append(patches.view)

    def holds(self, work: Work) -> bool:
        """Whether this photo is still among the visitor's."""
        return self.works.get(work.photo.view.token) is work

    def offer(self, result: Result, path: Path, name: str, notices: tuple[Notice, ...]) -> None:
        """Offers what was written of a result under ``name``, in place of what was offered before."""
        if result.download is not None:
            self._files.withdraw(result.download.file)
        result.download = Download(path, notices, self._files.offer(name, lambda: path))

    def close(self) -> None:
        """Deletes everything; a job that is still running finds no folder to write to."""
        self._take_away()
        self.sweep()
        shutil.rmtree(self.folder, ignore_errors=True)

    def sweep(self) -> None:
        """Deletes what was replaced before; a step later, since the browser may still have asked for its tiles."""
        old, self._old = self._old, []
        for view in old:
            self._views.remove(view)

    def _take_away(self) -> None:
        for work in self.works.values():
            self._old += [work.photo.view, *([work.mask.view] if work.mask else [])]
            self.take_reference(work, None)
            for result in work.results:
                self._drop(result)
        for file in self.parcels:
            self._files.withdraw(file)
        self.works, self.work, self.parcels = {}, None, []

    def _drop(self, result: Result) -> None:
        if result.download is not None:
            self._files.withdraw(result.download.file)
        self._old += [result.view, *([result.patches.view] if result.patches else [])]


def facts_of(restored: Restored) -> dict[str, Any]:
    """What a ``Run`` tells of how a result came about."""
    return {name: getattr(restored, name) for name in ("origin", "device", "dtype", "tiles", "seconds", "photos")}


def _with_moire(run: Run, moire: Moire | None) -> Run:
    return replace(run, **asdict(moire)) if moire else run
