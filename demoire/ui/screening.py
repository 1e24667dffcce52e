"""One visitor's clip: opened, restored by one model after another, kept as videos that play side by side."""

import math
import shutil
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import imagecodecs

from demoire.catalog import ModelEntry
from demoire.clips.clip import KINDS, ClipFacts, Pixels
from demoire.clips.restoring import ClipRestored, ClipTarget, FrameDone, open_clip, restore_clip, usual_kind
from demoire.comparison import File
from demoire.errors import CancelledError, ClipError
from demoire.images import result_name
from demoire.restore import RestoreOptions
from demoire.ui.jobs import PATIENCE, Desk, Downloading, Started, Waiting
from demoire.ui.texts import notice_texts

#: Seconds between two pictures of how far a run has come.
GLANCE = 2.0
#: Seconds after which a run ends with what it has; others do not wait for it, since it lets them pass.
LONGEST = 14400.0


@dataclass(frozen=True)
class Glimpse:
    """How far a run is: a frame before and after, as pictures, where there is a new one."""

    frame: FrameDone
    pictures: tuple[File, File] | None


@dataclass(frozen=True)
class Shown:
    """One finished run: the clip as it came and restored, frame for frame in step, and the files to take home."""

    model: ModelEntry
    result: ClipRestored
    before: File
    after: File
    files: tuple[File, ...]

    def describe(self) -> dict[str, Any]:
        """For the browser."""
        flicker = self.result.flicker
        known = not math.isnan(flicker.after)
        return {
            "model": self.model.id,
            "family": self.model.family,
            "frames": self.result.frames,
            "whole": self.result.whole,
            "times": [round(time, 6) for time in self.result.times],
            "seconds": self.result.seconds,
            "flicker": {"before": flicker.before, "after": flicker.after} if known else None,
            "before": self.before.address,
            "after": self.after.address,
            "files": [{"name": file.name, "address": file.address} for file in self.files],
            "notices": [notice_texts(notice) for notice in self.result.notices],
        }


@dataclass
class Screening:
    """What one visitor does with clips, in a folder of their own; closing it deletes all files.

    Attributes:
        path: of the clip at hand; None before one was given.
        facts: of that clip.
        runs: what was made of it, by model id.
    """

    desk: Desk
    path: Path | None = None
    facts: ClipFacts | None = None
    runs: dict[str, Shown] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=self.desk.settings.folder))
        self._offered: list[File] = []
        self._glances: list[tuple[Path, File]] = []
        self._count = 0
        self._glanced = 0.0
        self._run = ""

    def open(self, path: Path) -> tuple[File, ClipFacts]:
        """Takes a clip in place of the one before, if it can be read: its first frame, and its facts.

        Raises:
            ClipError: it cannot be read, or is too large.
        """
        with closing(open_clip(path, path.name, self.desk.settings.clips)) as clip:
            first = next(clip.frames(), None)
            facts = clip.facts
        if first is None:
            raise ClipError(f"'{path.name}' holds no frame that can be read; choose another file.")
        self.cancel()
        self._forget()
        self.path, self.facts = path, facts
        return self._picture(first.pixels), facts

    def run(
        self, model: ModelEntry, run: str
    ) -> Generator[Waiting | Downloading | Started | Glimpse | Shown, None, None]:
        """Restores the clip by a model; what was finished when it is cancelled, or fails, is kept.

        Others who wait for the device are let in between two frames.

        Raises:
            DemoireError: as ``demoire.clips.restoring.restore_clip``, after what was finished.
        """
        if self.path is None or self.facts is None:
            raise ClipError("There is no clip here any more; please give it again.")
        self._run, begun = run, time.monotonic()
        with closing(self.desk.loaded().fetch(model.id)) as downloads:
            for download in downloads:
                if self._run != run:
                    return
                yield Downloading(download.done, download.total)

        def stopped() -> bool:
            return self._run != run or time.monotonic() - begun > LONGEST

        try:
            yield from self._in_turn(model, self.path, self.facts, stopped)
        except CancelledError:
            if self._run == run:
                raise

    def _in_turn(
        self, model: ModelEntry, path: Path, facts: ClipFacts, stopped: Callable[[], bool]
    ) -> Generator[Waiting | Started | Glimpse | Shown, None, None]:
        """The run, while the device is ours."""
        from demoire.clips.frames import open_restorer  # takes torch

        ticket = self.desk.lane.ticket()
        try:
            yield from _turn(ticket.wait, stopped)
            if stopped():
                return
            yield Started()
            with open_restorer(self.desk.loaded(), RestoreOptions(model=model.id)) as restorer:
                targets = self._targets(path, facts, model)
                events = restore_clip(
                    path, targets, restorer, name=path.name, limits=self.desk.settings.clips, cancelled=stopped
                )
                with closing(events):
                    for event in events:
                        if isinstance(event, ClipRestored):
                            yield self._show(model, event, targets)
                        elif isinstance(event, FrameDone):
                            yield self._glimpse(event)
                            if ticket.awaited:
                                ticket.close()
                                ticket = self.desk.lane.ticket()
                                yield from _turn(ticket.wait, stopped)
        finally:
            ticket.close()

    def _targets(self, path: Path, facts: ClipFacts, model: ModelEntry) -> list[ClipTarget]:
        """What a run writes: the clip before and after as MP4, and after in its own kind where that keeps more."""
        self._count += 1
        folder = self.folder / str(self._count)
        folder.mkdir()
        kinds = dict.fromkeys(("mp4", usual_kind(facts)))
        results = [ClipTarget(folder / result_name(path.name, KINDS[kind][0]), kind) for kind in kinds]
        return [ClipTarget(folder / "before.mp4", "mp4", "before"), *results]

    def _glimpse(self, frame: FrameDone) -> Glimpse:
        """The first frame at once, later ones now and then."""
        now = time.monotonic()
        if frame.index > 1 and now - self._glanced < GLANCE:
            return Glimpse(frame, None)
        self._glanced = now
        for path, file in self._glances[:-2]:
            self.desk.files.withdraw(file)
            path.unlink(missing_ok=True)
        self._glances = self._glances[-2:]
        return Glimpse(frame, (self._picture(frame.before), self._picture(frame.after)))

    def _picture(self, pixels: Pixels) -> File:
        """A frame as a PNG file."""
        self._count += 1
        path = self.folder / f"{self._count}.png"
        path.write_bytes(imagecodecs.png_encode(pixels, level=1))
        file = self.desk.files.offer(path.name, lambda: path)
        self._glances.append((path, file))
        return file

    def _show(self, model: ModelEntry, result: ClipRestored, targets: list[ClipTarget]) -> Shown:
        old = self.runs.pop(model.id, None)
        before, *after = [self._offer(target.path, model) for target in targets]
        shown = self.runs[model.id] = Shown(model, result, before, after[0], tuple(after))
        if old is not None:
            for file in (old.before, *old.files):
                self.desk.files.withdraw(file)
        return shown

    def _offer(self, path: Path, model: ModelEntry) -> File:
        """A file under its name, with the model's where several were compared."""
        name = f"{path.stem}_{model.id}{path.suffix}" if self.runs else path.name
        file = self.desk.files.offer(name, lambda: path)
        self._offered.append(file)
        return file

    def cancel(self) -> None:
        """Ends the run, if there is one, within a fraction of a frame; what is finished becomes its result."""
        self._run = ""

    def close(self) -> None:
        """Deletes everything."""
        self.cancel()
        self._forget()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _forget(self) -> None:
        for file in (*self._offered, *(file for _, file in self._glances)):
            self.desk.files.withdraw(file)
        self._offered, self._glances, self.runs = [], [], {}
        for item in self.folder.iterdir() if self.folder.exists() else ():
            shutil.rmtree(item) if item.is_dir() else item.unlink()


def _turn(wait: Callable[[float], int], stopped: Callable[[], bool]) -> Generator[Waiting, None, None]:
    """Waits for the device."""
    while not stopped() and (before := wait(PATIENCE)):
        yield Waiting(before)
