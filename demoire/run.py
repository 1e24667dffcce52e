"""One picture through one model: device and tiles chosen, windows computed, results put into a picture."""

import copy
import time
from collections.abc import Generator
from contextlib import closing
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from demoire.catalog import find_model
from demoire.devices import choose_device, choose_dtype, memory_budget, on_zero_gpu
from demoire.errors import CancelledError, WeightsError
from demoire.inference import Lane, Setback, WindowDone, infer
from demoire.loading import LoadedModel, ModelCache
from demoire.memory import bytes_per_pixel
from demoire.picture import Notice, Picture, Samples
from demoire.restore import Box, Restored, RestoreOptions, TileDone
from demoire.tiling import Grid, Layer, Predictor, Window, nearest_first, plan_square, plan_within

_CPU = torch.device("cpu")
_LARGEST_BATCH = 16
_WORK_SPACE = 1.3  # what operations use inside themselves, over what the probe sees
_ZERO_GPU_RATE = 2e12  # multiply-accumulates per second that a ZeroGPU slice surely gives
_ZERO_GPU_SECONDS = (20, 120)

#: What to say when memory ran out, by what was done about it.
_SETBACKS = {
    "batch": Notice("smaller_batch", "Memory ran short, so fewer tiles were computed at once."),
    "tiles": Notice("smaller_tiles", "Memory ran short, so smaller tiles were computed."),
    "device": Notice("other_device", "The memory of the device did not suffice, so the rest was computed on the CPU."),
}
_TILED = Notice("tiled_anyway", "This model looks at the whole picture, which was too large; tiles may differ in tone.")


def estimate_seconds(picture: Picture, options: RestoreOptions, models: ModelCache) -> int:
    """Seconds to ask a ZeroGPU Space for, by the picture's size and the model's cost."""
    work = find_model(options.model, models.weights).macs_per_pixel * picture.height * picture.width
    shortest, longest = _ZERO_GPU_SECONDS
    return min(shortest + round(work / _ZERO_GPU_RATE), longest)


@on_zero_gpu(estimate_seconds)
def run(picture: Picture, options: RestoreOptions, models: ModelCache) -> Generator[TileDone | Restored, None, None]:
    """As ``demoire.restore.restore``."""
    started = time.monotonic()
    loaded = models.get(options.model)
    needs = loaded.needs
    if needs.frames != 1:
        raise WeightsError(f"The model '{options.model}' needs {needs.frames} pictures at once; choose another model.")
    device = choose_device(options.device)
    dtype = choose_dtype(options.dtype, needs.dtype, device)
    grid = Grid(picture.height, picture.width, needs.size_multiple, needs.halo)
    lanes, windows, notices = _plan(loaded, options, grid, device, dtype)
    progress = _Progress(picture, windows, started, options.deadline)
    with closing(infer(lanes, [Layer(picture.pixels)], grid, windows)) as events:
        for event in events:
            if isinstance(event, Setback):
                notice = _SETBACKS[event.remedy]
                notices = notices if notice in notices else (*notices, notice)
                progress.check_deadline()
                continue
            device = event.device
            yield progress.add(event)
            if event.remaining:
                progress.check_deadline()
    yield Restored(
        picture=replace(picture, pixels=progress.result),
        model=options.model,
        origin=loaded.origin,
        device=str(device),
        dtype=str(dtype).removeprefix("torch."),
        tiles=progress.tiles,
        seconds=time.monotonic() - started,
        notices=(*picture.notices, *notices),
    )


def _plan(
    loaded: LoadedModel, options: RestoreOptions, grid: Grid, device: torch.device, dtype: torch.dtype
) -> tuple[list[Lane], list[Window], tuple[Notice, ...]]:
    """The lanes to try, the windows in their order, and what is to be said of them."""
    needs = loaded.needs
    cost = bytes_per_pixel(loaded.module, _CPU, needs.size_multiple) * _WORK_SPACE
    area = (options.memory_budget or memory_budget(device)) / cost
    windows = plan_square(grid, options.tile) if options.tile else plan_within(grid, area)
    if options.first:
        windows = nearest_first(windows, options.first)
    batch = int(min(max(area // windows[0].area, 1), _LARGEST_BATCH)) if device.type == "cuda" else 1
    lanes = [Lane(device, lambda: _opened(loaded, device, dtype), batch)]
    if device.type != "cpu":
        cpu_area = memory_budget(_CPU) / cost
        lanes.append(Lane(_CPU, lambda: _opened(loaded, _CPU, torch.float32), max_area=cpu_area))
    return lanes, windows, (_TILED,) if len(windows) > 1 and not needs.tiling else ()


def _opened(loaded: LoadedModel, device: torch.device, dtype: torch.dtype) -> Predictor:
    """The network on ``device``; a copy unless it is there already, since others may use it at the same time."""
    module = loaded.module
    if device.type != "cpu":
        module = copy.deepcopy(module).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if dtype == torch.float32:
        return module

    def predictor(*layers: Tensor) -> Tensor:
        with torch.autocast(device.type, dtype):
            result: Tensor = module(*layers)
        return result

    return predictor


class _Progress:
    """Takes finished windows into the result and knows how fast it goes."""

    def __init__(self, picture: Picture, windows: list[Window], started: float, deadline: float | None) -> None:
        self.result: Samples = np.empty_like(picture.pixels)
        self.tiles = 0
        self._grey = picture.grey
        self._pixels = 0
        self._started = started
        self._first_window = time.monotonic()
        self._deadline = deadline

    def add(self, done: WindowDone) -> TileDone:
        """Puts the window's core into the result."""
        height, width = self.result.shape[:2]
        top, left, bottom, right = done.window.core
        box: Box = (top, left, min(bottom, height), min(right, width))
        place = self.result[box[0] : box[2], box[1] : box[3]]
        place[...] = to_samples(done.outputs[0], self.result.dtype, self._grey)[: place.shape[0], : place.shape[1]]
        self.tiles += 1
        self._pixels += place.shape[0] * place.shape[1]
        rate = self._pixels / max(time.monotonic() - self._first_window, 1e-9)
        view = place.view()
        view.flags.writeable = False
        return TileDone(
            index=self.tiles,
            total=self.tiles + done.remaining,
            box=box,
            pixels=view,
            megapixels_per_second=rate / 1e6,
            seconds_left=(height * width - self._pixels) / rate,
        )

    def check_deadline(self) -> None:
        """Raises CancelledError when the time is over."""
        if self._deadline is not None and time.monotonic() - self._started > self._deadline:
            raise CancelledError(
                f"The time limit of {self._deadline:g} s passed; choose a faster model or a smaller picture."
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
    whole = values.clamp(0, 1).mul(top).round_().permute(1, 2, 0)
    if dtype == np.uint8:
        return whole.to(torch.uint8).cpu().numpy()
    return whole.to(torch.int32).cpu().numpy().astype(np.uint16)
