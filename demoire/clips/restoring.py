"""From clip to clip, one frame at a time: decode, restore, encode; what is finished stays playable."""

import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from demoire.clips.clip import VIDEO_KINDS, ClipFacts, ClipLimits, Frame, Pixels, Sink, Source
from demoire.clips.cuts import CutDetector
from demoire.clips.flicker import Flicker, FlickerMeter
from demoire.clips.kinds import kind_of
from demoire.clips.moving import AnimationSink, PicturesSink
from demoire.clips.stills import AnimationSource, PicturesSource
from demoire.clips.video import VideoSource, unreadable
from demoire.clips.writing import VideoSink, keeps_sound
from demoire.errors import CancelledError, ClipTooLargeError, DemoireError, OutputError
from demoire.picture import Notice

if TYPE_CHECKING:
    from demoire.clips.frames import FrameRestorer  # takes torch

CANCELLED = Notice("clip_cancelled", "Stopped before the end; the result has what was finished by then.")
#: Over how many frames the rate is measured.
_RECENT = 8


@dataclass(frozen=True)
class ClipTarget:
    """A file to write: where, which of ``KINDS``, and whether it shows the clip restored or as it came."""

    path: Path
    kind: str
    shows: Literal["before", "after"] = "after"


@dataclass(frozen=True)
class ClipOpened:
    """The clip can be read; these are its facts."""

    facts: ClipFacts


@dataclass(frozen=True)
class FrameDone:
    """One frame is finished.

    Attributes:
        index: how many frames are done, this one included (from 1).
        total: how many there will be, as far as the file says; None: not known.
        before, after: (height, width, 3) uint8 RGB.
        time: of the frame, in seconds.
        frames_per_second: lately.
        seconds_left: estimate; None where it is not known how many frames there are.
    """

    index: int
    total: int | None
    before: Pixels
    after: Pixels
    time: Fraction
    frames_per_second: float
    seconds_left: float | None

    @property
    def share(self) -> float | None:
        """How much of the clip is done, 0 to 1."""
        return min(self.index / self.total, 1.0) if self.total else None


@dataclass(frozen=True)
class ClipRestored:
    """The result; the last event.

    Attributes:
        facts: of the clip.
        model: model id.
        times: when each frame is shown, in seconds, and last the end.
        whole: whether all frames were restored.
        flicker: before and after.
        cuts: which frames (from 0) begin a new scene.
        seconds: from start to end.
        notices: what could not be kept, and what happened meanwhile.
    """

    facts: ClipFacts
    model: str
    times: tuple[float, ...]
    whole: bool
    flicker: Flicker
    cuts: tuple[int, ...]
    seconds: float
    notices: tuple[Notice, ...]

    @property
    def frames(self) -> int:
        """How many frames were restored."""
        return len(self.times) - 1


def open_clip(
    path: Path, name: str | None = None, limits: ClipLimits | None = None, rate: Fraction | None = None
) -> Source:
    """Opens a clip by its content; ``rate`` is for pictures, which say nothing about time.

    Raises:
        ClipError: it is none, or cannot be read; ClipTooLargeError: it is larger than ``limits``.
    """
    limits, name = limits or ClipLimits(), name or path.name
    if path.is_dir():
        return PicturesSource(path, name, "folder", limits, rate)
    kind = kind_of(path)
    if kind is None:
        raise unreadable(name)
    size = path.stat().st_size
    if size > limits.max_bytes:
        raise ClipTooLargeError(
            f"'{name}' has {size / (1 << 20):.0f} MB and at most {limits.max_bytes / (1 << 20):.0f} MB are accepted; "
            "cut out a shorter part."
        )
    if kind == "zip":
        return PicturesSource(path, name, kind, limits, rate)
    return (VideoSource if kind in VIDEO_KINDS else AnimationSource)(path, name, kind, limits)


def usual_kind(facts: ClipFacts) -> str:
    """The kind of file to write where none is asked for: MP4, or the clip's own where that cannot hold it."""
    return "mp4" if facts.kind in VIDEO_KINDS and keeps_sound("mp4", facts) else facts.kind


def _open_sink(target: ClipTarget, facts: ClipFacts, sound: Path) -> Sink:
    if target.kind in VIDEO_KINDS:
        return VideoSink(target.path, target.kind, facts, sound if target.shows == "after" else None)
    if target.kind in ("gif", "webp"):
        return AnimationSink(target.path, target.kind, facts)
    return PicturesSink(target.path, target.kind, facts)


def restore_clip(
    path: Path,
    targets: Sequence[ClipTarget],
    restorer: "FrameRestorer",
    *,
    name: str | None = None,
    limits: ClipLimits | None = None,
    rate: Fraction | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Generator[ClipOpened | FrameDone | ClipRestored, None, None]:
    """Restores a clip into all ``targets`` at once, in memory that does not grow with its length.

    Where ``cancelled`` says so, and where the clip cannot be read further, it ends early, and the files hold what was
    finished. So do they where the generator is closed and where an error comes, after ``ClipRestored``; unless no frame
    was finished.

    Raises:
        ClipError: it cannot be read, or is too large; OutputError: a file cannot be written.
        MemoryShortError, WeightsError: as ``FrameRestorer.restore``.
        CancelledError: before the first frame was finished.
    """
    with ExitStack() as stack:
        source = stack.enter_context(closing(open_clip(path, name, limits, rate)))
        yield ClipOpened(source.facts)
        writing = stack.enter_context(_Writing(targets, source.facts, path))
        run = _Run(source, restorer, writing, cancelled)
        try:
            yield from run.frames()
        except DemoireError:
            if run.begun:
                yield run.result(whole=False)
            raise
        yield run.result()


class _Run:
    """One clip on its way."""

    def __init__(
        self, source: Source, restorer: "FrameRestorer", writing: "_Writing", cancelled: Callable[[], bool] | None
    ) -> None:
        self._source = source
        self._restorer = restorer
        self._writing = writing
        self._cancelled = cancelled
        self._started = time.monotonic()
        self._recent: deque[float] = deque([self._started], maxlen=_RECENT)
        self._cuts = CutDetector()
        self._meter = FlickerMeter()
        self._times: list[float] = []
        self._scenes: list[int] = []
        self._end = 0.0
        self._whole = True

    def frames(self) -> Generator[FrameDone, None, None]:
        """Restores and writes frame by frame."""
        self._restorer.reset()
        for frame in self._source.frames():
            try:
                yield self._restore(frame)
            except CancelledError:
                if not self.begun:
                    raise
                self._whole = False
                return

    def _restore(self, frame: Frame) -> FrameDone:
        if self._cancelled and self._cancelled():
            raise CancelledError("The run was cancelled; start it again to go on.")
        cut = self._cuts.add(frame.pixels)
        if cut:
            self._restorer.reset()
        after = self._restorer.restore(frame.pixels, self._cancelled)
        self._writing.add(frame, after)
        if cut:
            self._scenes.append(len(self._times))
        self._meter.add(frame.pixels, after, cut)
        self._times.append(float(frame.time))
        self._end = float(frame.time + frame.duration)
        return self._progress(frame, after)

    def _progress(self, frame: Frame, after: Pixels) -> FrameDone:
        done, total = len(self._times), self._source.facts.frames
        now = time.monotonic()
        pace = (now - self._recent[0]) / len(self._recent)
        self._recent.append(now)
        left = None if total is None else max(total - done, 0) * pace
        return FrameDone(done, total, frame.pixels, after, frame.time, 1 / max(pace, 1e-9), left)

    @property
    def begun(self) -> bool:
        """Whether a frame is finished."""
        return bool(self._times)

    def result(self, whole: bool = True) -> ClipRestored:
        """Completes the files."""
        self._whole = self._whole and whole
        notices = self._writing.finish(self._whole)
        stopped = () if self._whole else (CANCELLED,)
        return ClipRestored(
            facts=self._source.facts,
            model=self._restorer.model,
            times=(*self._times, self._end),
            whole=self._whole,
            flicker=self._meter.result(),
            cuts=tuple(self._scenes),
            seconds=time.monotonic() - self._started,
            notices=tuple(dict.fromkeys((*self._source.notices, *self._restorer.notices, *notices, *stopped))),
        )


class _Writing:
    """All files of a run; left behind complete, or not at all where no frame came."""

    def __init__(self, targets: Sequence[ClipTarget], facts: ClipFacts, source: Path) -> None:
        self._frames = 0
        self._finished = False
        self._sinks: list[tuple[ClipTarget, Sink]] = []
        try:
            for target in targets:
                self._sinks.append((target, _open_sink(target, facts, source)))
        except OutputError:
            self._discard()
            raise

    def add(self, before: Frame, after: Pixels) -> None:
        """Writes a frame to each file."""
        restored = Frame(after, before.time, before.duration)
        for target, sink in self._sinks:
            sink.add(restored if target.shows == "after" else before)
        self._frames += 1

    def finish(self, whole: bool) -> list[Notice]:
        """Completes the files, the others too where one fails; what they could not keep."""
        self._finished = True
        notices: list[Notice] = []
        failures: list[OutputError] = []
        for _, sink in self._sinks:
            try:
                notices += sink.finish(whole)
            except OutputError as error:
                failures.append(error)
        if failures:
            raise failures[0]
        return notices

    def __enter__(self) -> "_Writing":
        return self

    def __exit__(self, *_: object) -> None:
        if self._finished:
            return
        if self._frames:
            self.finish(whole=False)
        else:
            self._discard()

    def _discard(self) -> None:
        for _, sink in self._sinks:
            sink.discard()
