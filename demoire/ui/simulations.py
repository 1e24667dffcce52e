"""A clean picture photographed by the simulator and restored by models, for the page; not how it is shown."""

import shutil
import tempfile
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from demoire.catalog import ModelEntry
from demoire.comparison import Comparison, Pane, Role, Run
from demoire.errors import DemoireError
from demoire.metadata import on_white, to_8_bit
from demoire.picture import Picture
from demoire.restore import Restored, RestoreOptions, restore
from demoire.simulate.settings import ShotSettings, parameters_of
from demoire.ui.jobs import PATIENCE, Desk, Started, Waiting
from demoire.ui.texts import error_texts
from demoire.ui.views import View
from demoire.ui.visits import facts_of

if TYPE_CHECKING:
    from demoire.reference import Truth

#: Longest side of a capture, and of the part of the sensor that it comes from, in pixels.
LONGEST, LONGEST_ON_SENSOR = 960, 1920


@dataclass(frozen=True)
class Shot:
    """A capture and its known truth; all (H, W, 3) uint8, the mask white where moire is visible."""

    capture: NDArray[np.uint8]
    target: NDArray[np.uint8]
    mask: NDArray[np.uint8]


def shoot(clean: Picture, settings: ShotSettings) -> Shot:
    """Photographs a clean picture; where the capture would become too large, its middle. Imports torch."""
    import torch

    from demoire.simulate.picture import picture_of, take

    pixels = to_8_bit(clean.pixels)
    if clean.alpha is not None:
        pixels = on_white(pixels, to_8_bit(clean.alpha))
    parameters, shared = parameters_of(settings)
    longest = round(min(LONGEST, LONGEST_ON_SENSOR / settings.reduction))
    captures = take(pixels, parameters, shared, torch.device("cpu"), longest, labels=True).captures
    mask = np.repeat(picture_of(captures.mask), 3, axis=2)
    return Shot(picture_of(captures.moire), picture_of(captures.clean), mask)


class Studio:
    """What one visitor simulates, in a folder of its own; closing it deletes all files.

    Attributes:
        clean: the picture that is photographed, a file.
        name: of that picture.
    """

    def __init__(self, desk: Desk, clean: Path) -> None:
        self.clean = clean
        self.folder = Path(tempfile.mkdtemp(dir=desk.settings.folder))
        self._desk = desk
        self._views: list[View] = []
        self._run = ""

    @property
    def name(self) -> str:
        """The file name of the clean picture."""
        return self.clean.name

    def open(self, path: Path) -> None:
        """Takes another clean picture, if it can be read.

        Raises:
            PictureError: it cannot.
        """
        self._desk.decode(path)
        self.clean = path

    def run(
        self, settings: ShotSettings, models: Sequence[ModelEntry], run: str
    ) -> Generator[Waiting | Started | Comparison, None, None]:
        """Photographs and restores; a comparison after each step. Ends early once another run has begun.

        Raises:
            DemoireError: as ``demoire.images.decode`` and ``demoire.restore.restore``.
        """
        self._run = run
        with closing(self._desk.lane.ticket()) as ticket:
            while before := ticket.wait(PATIENCE):
                if self._run != run:
                    return
                yield Waiting(before)
            if self._run != run:
                return
            yield Started()
            yield from self._panes(settings, models, lambda: self._run != run)

    def _panes(
        self, settings: ShotSettings, models: Sequence[ModelEntry], stopped: Callable[[], bool]
    ) -> Generator[Comparison, None, None]:
        from demoire.reference import Truth

        shot = shoot(self._desk.decode(self.clean), settings)
        old, self._views = self._views, []
        truth = Truth(shot.target, (0, 0, *shot.target.shape[:2]), 1.0, ())
        parts: tuple[tuple[Role, NDArray[np.uint8]], ...] = (
            ("capture", shot.capture),
            ("target", shot.target),
            ("mask", shot.mask),
        )
        panes = [self._pane(role, role, Picture(pixels), truth) for role, pixels in parts]
        key = self._views[0].token
        yield Comparison(key, tuple(panes), name=self.name)
        for view in old:  # the browser no longer asks for these
            self._desk.views.remove(view)
        for model in models:
            result = self._result(model, Picture(shot.capture, name=self.name), truth, stopped)
            if result is None:
                return
            panes.insert(len(panes) - 2, result)
            yield Comparison(key, tuple(panes), name=self.name)

    def _result(self, model: ModelEntry, capture: Picture, truth: "Truth", stopped: Callable[[], bool]) -> Pane | None:
        """A model's pane, which says so where it failed; None where the visitor wants something else by now."""
        run = Run(model.id, model.family, "", "", "", 0, 0.0, revision=model.revision)
        key = f"result-{model.id}"
        try:
            restored = self._restored(model, capture, stopped)
        except DemoireError as error:
            failed = self._pane(key, "result", capture, None)
            return replace(failed, run=run, arrived=(), state="failed", problem=error_texts(error))
        if restored is None:
            return None
        return replace(self._pane(key, "result", restored.picture, truth), run=replace(run, **facts_of(restored)))

    def _pane(self, key: str, role: Role, picture: Picture, truth: "Truth | None") -> Pane:
        view = self._desk.views.add(picture, self.folder)
        self._views.append(view)
        figures = dict(truth.score(picture.pixels)) if truth and role in ("capture", "result") else {}
        return Pane(key, role, view.source(), figures=figures)

    def _restored(self, model: ModelEntry, capture: Picture, stopped: Callable[[], bool]) -> Restored | None:
        """The model's result; None where the visitor wants something else by now."""
        options = RestoreOptions(model=model.id, deadline=self._desk.settings.deadline)
        with closing(restore(capture, options, self._desk.loaded())) as events:
            for event in events:
                if stopped():
                    return None
                if isinstance(event, Restored):
                    return event
        return None

    def close(self) -> None:
        """Deletes everything."""
        self._run = ""
        for view in self._views:
            self._desk.views.remove(view)
        shutil.rmtree(self.folder, ignore_errors=True)
