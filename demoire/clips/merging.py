"""A burst through a recurrent network: the other photos first, then the chosen one, which finds them in the memory."""

import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from demoire.burst import ALONE, LEFT_OUT, Burst
from demoire.catalog import load_catalog
from demoire.clips.frames import Engine, RecurrentRestorer, paste
from demoire.devices import memory_budget
from demoire.errors import MemoryShortError, WeightsError
from demoire.inference import WindowDone
from demoire.loading import LoadedModel, ModelCache
from demoire.models.motion import estimate_motion
from demoire.picture import Picture, Samples
from demoire.restore import Box, Restored, RestoreOptions, TileDone
from demoire.stop import Stop, Watched

_CPU = torch.device("cpu")
_COARSE = 512  # longer side in pixels
_NOWHERE: Box = (0, 0, 0, 0)


def merge(
    burst: Burst, options: RestoreOptions, models: ModelCache, stop: Stop
) -> Generator[TileDone | Restored, None, None]:
    """As ``demoire.burst.restore_burst``, once the model's files are at hand."""
    started = time.monotonic()
    with models.using(options.model) as loaded:
        _check_remembers(loaded, models)
        run = _Merging(burst, loaded, options, stop)
        yield from run.tiles()
        yield run.result(loaded, time.monotonic() - started)


def _check_remembers(loaded: LoadedModel, models: ModelCache) -> None:
    if loaded.entry.remembers:
        return
    known = [entry.id for entry in load_catalog(models.weights).values() if entry.remembers]
    offer = f"choose one that takes several: {', '.join(known)}" if known else "restore the photos one by one"
    raise WeightsError(f"The model '{loaded.entry.id}' sees one photo at a time; {offer}.")


class _Merging:
    """One burst on its way.

    Each other photo is restored alone and compared with the chosen one restored alone; it goes into the memory only if
    both show the same. So the memory holds nothing that would have to be forgotten.
    """

    def __init__(self, burst: Burst, loaded: LoadedModel, options: RestoreOptions, stop: Stop) -> None:
        self._burst = burst
        self._stop = stop
        self._restorer = RecurrentRestorer(loaded, options)
        self._result: Samples = np.empty_like(burst.chosen.pixels)
        self._progress = _Progress(self._restorer, burst)
        self._photos = 0

    def tiles(self) -> Generator[TileDone, None, None]:
        """Restores all photos, the chosen one first alone and at last with what is remembered."""
        chosen, restorer = self._burst.chosen, self._restorer
        _check_memory(restorer, chosen)
        restorer.fit(chosen.height, chosen.width)
        alone, other = restorer.blank(), restorer.blank()
        yield from self._show(self._looked(chosen, alone))
        for open_photo in self._burst.others:
            self._stop.check()
            photo = open_photo()
            if not _alike(photo, chosen):
                self._progress.skip(2)
                continue
            yield from self._hide(self._looked(photo, other))
            with Watched(self._stop):
                same = _show_the_same(other, alone)
            if not same:
                self._progress.skip(1)
                continue
            yield from self._hide(self._fused(photo, other))
        yield from self._show(self._fused(chosen, alone))

    def _looked(self, photo: Picture, alone: Tensor) -> Generator[WindowDone, None, None]:
        yield from self._restorer.look(photo.pixels, alone, self._cancelled)

    def _fused(self, photo: Picture, alone: Tensor) -> Generator[WindowDone, None, None]:
        yield from self._restorer.fuse(photo.pixels, alone, self._cancelled)
        self._photos = self._photos + 1 if self._restorer.remembered else 1

    def _cancelled(self) -> bool:
        self._stop.check()
        return False

    def _show(self, windows: Generator[WindowDone, None, None]) -> Generator[TileDone, None, None]:
        with closing(windows):
            self._progress.begin()
            for done in windows:
                box = paste(self._result, done, self._burst.chosen.grey)
                yield self._progress.add(done, box, self._result[box[0] : box[2], box[1] : box[3]])

    def _hide(self, windows: Generator[WindowDone, None, None]) -> Generator[TileDone, None, None]:
        with closing(windows):
            self._progress.begin()
            for done in windows:
                yield self._progress.add(done, _NOWHERE, self._result[:0, :0])

    def result(self, loaded: LoadedModel, seconds: float) -> Restored:
        """Once all tiles are done."""
        chosen, restorer, progress = self._burst.chosen, self._restorer, self._progress
        missing = self._photos < self._burst.photos
        told = () if not missing else (LEFT_OUT,) if self._photos > 1 else (ALONE,)
        return Restored(
            picture=replace(chosen, pixels=self._result),
            model=loaded.entry.id,
            origin=loaded.origin,
            device=restorer.device,
            dtype=str(restorer.looking.dtype).removeprefix("torch."),
            tiles=progress.tiles,
            computed=progress.computed,
            seconds=seconds,
            notices=(*chosen.notices, *restorer.notices, *told),
            photos=self._photos,
        )


def _alike(photo: Picture, chosen: Picture) -> bool:
    """Whether pixels of both mean the same and lie on the same grid."""
    return (photo.height, photo.width, photo.icc) == (chosen.height, chosen.width, chosen.icc)


@torch.inference_mode()
def _show_the_same(one: Tensor, other: Tensor) -> bool:
    """Whether two restored photos (1, 3, H, W) can be laid on one another; a coarse look tells."""
    scale = min(1.0, _COARSE / max(one.shape[-2:]))
    if scale < 1:
        one, other = (functional.interpolate(photo, scale_factor=scale, mode="area") for photo in (one, other))
    return estimate_motion(one, other) is not None


def _check_memory(restorer: RecurrentRestorer, chosen: Picture) -> None:
    if restorer.memory(chosen.height, chosen.width) > memory_budget(_CPU, capped=False):
        raise MemoryShortError(
            f"There is not enough memory for several photos of {chosen.height * chosen.width / 1e6:.1f} megapixels; "
            "reduce them, or restore one alone."
        )


class _Progress:
    """How far it is: each photo goes through the network's first step, and unless it is left out through the last."""

    def __init__(self, restorer: RecurrentRestorer, burst: Burst) -> None:
        self.tiles = self.computed = 0
        steps = [restorer.looking, restorer.fusing]
        self._to_come: list[Engine] = [steps[0], *steps * len(burst.others), steps[1]]
        self._pixels = burst.photos * burst.chosen.height * burst.chosen.width
        self._started = time.monotonic()

    def begin(self) -> None:
        """The next step begins."""
        del self._to_come[0]

    def skip(self, steps: int) -> None:
        """These will not come."""
        del self._to_come[:steps]

    def add(self, done: WindowDone, box: Box, pixels: Samples) -> TileDone:
        """The event of a window, which shows ``pixels`` at ``box``."""
        self.tiles += 1
        self.computed += done.window.area
        total = self.tiles + done.remaining + sum(len(engine.windows) for engine in self._to_come)
        share, spent = self.tiles / total, max(time.monotonic() - self._started, 1e-9)
        view = pixels.view()
        view.flags.writeable = False
        return TileDone(
            index=self.tiles,
            total=total,
            box=box,
            pixels=view,
            megapixels_per_second=share * self._pixels / spent / 1e6,
            seconds_left=spent * (1 - share) / share,
            share=share,
        )
