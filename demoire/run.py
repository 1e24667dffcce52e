"""One picture through one model: device and tiles chosen, windows computed, results put into a picture."""

import copy
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from demoire.catalog import RESTORING, find_model
from demoire.devices import choose_device, choose_dtype, is_out_of_memory, memory_budget, on_zero_gpu, release
from demoire.errors import WeightsError
from demoire.evidence import find_evidence, in_doubt
from demoire.inference import Lane, Setback, WindowDone, infer
from demoire.loading import LoadedModel, ModelCache
from demoire.memory import largest_area
from demoire.models.base import Doubting
from demoire.picture import Notice, Picture, Samples
from demoire.restore import Box, LookedOver, Restored, RestoreOptions, TileDone
from demoire.stop import Stop, Watched
from demoire.tiling import Grid, Layer, Predictor, Window, nearest_first, plan_square, plan_within, window_of

_CPU = torch.device("cpu")
_LARGEST_BATCH = 16
_FIRST_MACS = 3e10  # for what is looked at: half a second on two cores
_ZERO_GPU_RATE = 2e12  # multiply-accumulates per second that a ZeroGPU slice surely gives
_ZERO_GPU_SECONDS = (20, 120)

#: What to say when memory ran out, by what was done about it.
SETBACKS = {
    "batch": Notice("smaller_batch", "Memory ran short, so fewer tiles were computed at once."),
    "tiles": Notice("smaller_tiles", "Memory ran short, so smaller tiles were computed."),
    "device": Notice("other_device", "The memory of the device did not suffice, so the rest was computed on the CPU."),
}
_NO_MOIRE = Notice("no_moire", "Nothing that repeats as moire does was found, so the picture was left as it is.")
_TILED = Notice("tiled_anyway", "This model looks at the whole picture, which was too large; tiles may differ in tone.")


def estimate_seconds(picture: Picture, options: RestoreOptions, models: ModelCache, stop: Stop) -> int:
    """Seconds to ask a ZeroGPU Space for, by the picture's size and the model's cost."""
    work = find_model(options.model, models.weights).macs_per_pixel * picture.height * picture.width
    shortest, longest = _ZERO_GPU_SECONDS
    return min(shortest + round(work / _ZERO_GPU_RATE), longest)


@on_zero_gpu(estimate_seconds)
def run(
    picture: Picture, options: RestoreOptions, models: ModelCache, stop: Stop
) -> Generator[LookedOver | TileDone | Restored, None, None]:
    """As ``demoire.restore.restore``, once the model's files are at hand."""
    started = time.monotonic()
    with models.using(options.model) as loaded:
        yield from _run(picture, options, loaded, stop, started)


def _run(
    picture: Picture, options: RestoreOptions, loaded: LoadedModel, stop: Stop, started: float
) -> Generator[LookedOver | TileDone | Restored, None, None]:
    check_restores(loaded)
    needs = loaded.needs
    device = choose_device(options.device)
    dtype = choose_dtype(options.dtype, needs.dtype, device)
    grid = Grid(picture.height, picture.width, needs.size_multiple, needs.halo)
    lanes, windows, notices = plan(loaded, options, grid, device, dtype, stop)
    evidence = 1.0
    if not options.sure:
        evidence = yield from _evidence(loaded.module, picture, needs.size_multiple, device, stop)
    if evidence < 1:
        lanes = [replace(lane, open=in_doubt(lane.open, evidence)) for lane in lanes]
        notices = notices if evidence else (*notices, _NO_MOIRE)
    progress = _Progress(picture, windows)
    with closing(infer(lanes, [Layer(picture.pixels)], grid, windows)) as events:
        for event in events:
            if isinstance(event, Setback):
                notice = SETBACKS[event.remedy]
                notices = notices if notice in notices else (*notices, notice)
                continue
            device, remaining, tile = event.device, event.remaining, progress.add(event)
            del event  # its tensors, before others are made
            yield tile
            if remaining:
                stop.check()
    yield Restored(
        picture=replace(picture, pixels=progress.result),
        model=options.model,
        origin=loaded.origin,
        device=str(device),
        dtype=str(dtype).removeprefix("torch."),
        tiles=progress.tiles,
        computed=progress.computed,
        seconds=time.monotonic() - started,
        notices=(*picture.notices, *filter(None, [loaded.notice]), *notices),
        photos=1 if loaded.entry.remembers else None,
    )


def check_restores(loaded: LoadedModel) -> None:
    """Refuses models that restore no pictures, or not one by one.

    Raises:
        WeightsError: it is such a one.
    """
    if loaded.entry.family not in RESTORING:
        raise WeightsError(
            f"The model '{loaded.entry.id}' restores no pictures; choose one of the families {', '.join(RESTORING)}."
        )
    frames = loaded.needs.frames
    if frames != 1:
        raise WeightsError(f"The model '{loaded.entry.id}' needs {frames} pictures at once; choose another model.")


def plan(
    loaded: LoadedModel, options: RestoreOptions, grid: Grid, device: torch.device, dtype: torch.dtype, stop: Stop
) -> tuple[list[Lane], list[Window], tuple[Notice, ...]]:
    """The lanes to try, the windows in their order, and what is to be said of them."""
    needs = loaded.needs
    pixels = grid.height * grid.width
    budget = options.memory_budget or memory_budget(device, pixels, needs.tiling)
    area = largest_area(loaded.module, needs.size_multiple, budget, kept=device.type == "cpu")
    windows = plan_square(grid, options.tile) if options.tile else plan_within(grid, area)
    notices = (_TILED,) if len(windows) > 1 and not needs.tiling else ()
    batch = int(min(max(area // windows[0].area, 1), _LARGEST_BATCH)) if device.type == "cuda" else 1
    lanes = [Lane(device, lambda: _opened(loaded, device, dtype, stop), batch)]
    if device.type != "cpu":
        cpu_budget = memory_budget(_CPU, pixels, needs.tiling)
        cpu_area = largest_area(loaded.module, needs.size_multiple, cpu_budget, kept=True)
        lanes.append(Lane(_CPU, lambda: _opened(loaded, _CPU, torch.float32, stop), max_area=cpu_area))
    if options.first:
        windows = _look_first(loaded, grid, windows, options.first, device)
    return lanes, windows, notices


def _look_first(loaded: LoadedModel, grid: Grid, windows: list[Window], box: Box, device: torch.device) -> list[Window]:
    """The windows near ``box`` first; where they are slow to wait for, one of ``box`` alone before them."""
    windows = nearest_first(windows, box)
    first = window_of(grid, box, _FIRST_MACS / max(loaded.entry.macs_per_pixel, 1))
    quicker = loaded.needs.tiling and device.type != "cuda" and first.area < windows[0].area / 2
    return [first, *windows] if quicker else windows


def _evidence(
    module: nn.Module, picture: Picture, multiple: int, device: torch.device, stop: Stop
) -> Generator[LookedOver, None, float]:
    """How sure the network is that there is moire; where it has no opinion there is."""
    if not isinstance(module, Doubting):
        return 1.0
    try:
        network = _on(module, device)
        assert isinstance(network, Doubting)
        return (yield from find_evidence(network, picture, multiple, device, stop))
    except RuntimeError as error:
        if device.type == "cpu" or not is_out_of_memory(error):
            raise
    release(device)
    return (yield from find_evidence(module, picture, multiple, _CPU, stop))


def _on(module: nn.Module, device: torch.device) -> nn.Module:
    """The network on ``device``; a copy unless it is there already, since others may use it at the same time."""
    if device.type == "cpu":
        return module
    copied: nn.Module = copy.deepcopy(module).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    return copied


def _opened(loaded: LoadedModel, device: torch.device, dtype: torch.dtype, stop: Stop) -> Predictor:
    """The network on ``device``."""
    module = _on(loaded.module, device)

    def predictor(*layers: Tensor) -> Tensor:
        with Watched(stop), torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            result: Tensor = module(*layers)
        return result

    return predictor


class _Progress:
    """Takes finished windows into the result and knows how fast it goes."""

    def __init__(self, picture: Picture, windows: list[Window]) -> None:
        self.result: Samples = np.empty_like(picture.pixels)
        self.tiles = self.computed = 0
        self._grey = picture.grey
        self._done = 0
        self._total = sum(map(self._pixels, windows))
        self._started = time.monotonic()

    def _box(self, window: Window) -> Box:
        """The part of a core that lies in the picture."""
        height, width = self.result.shape[:2]
        top, left, bottom, right = window.core
        return top, left, min(bottom, height), min(right, width)

    def _pixels(self, window: Window) -> int:
        top, left, bottom, right = self._box(window)
        return (bottom - top) * (right - left)

    def add(self, done: WindowDone) -> TileDone:
        """Puts the window's core into the result."""
        box = self._box(done.window)
        place = self.result[box[0] : box[2], box[1] : box[3]]
        place[...] = to_samples(done.outputs[0], self.result.dtype, self._grey)[: place.shape[0], : place.shape[1]]
        self.tiles += 1
        self.computed += done.window.area
        self._done += self._pixels(done.window)
        rate = self._done / max(time.monotonic() - self._started, 1e-9)
        view = place.view()
        view.flags.writeable = False
        return TileDone(
            index=self.tiles,
            total=self.tiles + done.remaining,
            box=box,
            pixels=view,
            megapixels_per_second=rate / 1e6,
            seconds_left=(self._total - self._done) / rate,
            share=self._done / self._total,
        )


def to_samples(output: Tensor, dtype: np.dtype[np.generic], grey: bool) -> Samples:
    """(3, h, w) values in [0, 1] as (h, w, 3) rounded samples; ``grey`` gives all three channels their luma (Rec. 601).

    Raises:
        WeightsError: some value is not a finite number.
    """
    values = output.float()
    if not torch.isfinite(values).all():
        raise WeightsError("The model gave values that are no numbers; choose float32 or another model.")
    if grey:
        weights = values.new_tensor([0.299, 0.587, 0.114]).reshape(3, 1, 1)
        values = (values * weights).sum(0, keepdim=True).expand(3, -1, -1)
    top = np.iinfo(dtype).max  # type: ignore[type-var]
    whole = values.clamp(0, 1).mul_(top).round_().permute(1, 2, 0)
    if dtype == np.uint8:
        return whole.to(torch.uint8).cpu().numpy()
    return whole.to(torch.int32).cpu().numpy().astype(np.uint16)
