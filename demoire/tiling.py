"""Windows of a picture: where they lie, how they are cut out, how results are put together.

The picture is thought padded at its right and bottom, by reflection, to the network's size multiple m. Every window
starts and ends on a multiple of m, because a start off that grid changes what strided layers see; windows at the border
are shifted inwards instead of being padded, so that all are equally large and see the border as in the whole picture.
With a halo of the network's receptive field the result is that of the whole picture. A window's ``core`` is kept, the
rest of its ``view`` is context; the cores cover the padded picture exactly once.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

#: (top, left, bottom, right), bottom and right exclusive.
Box = tuple[int, int, int, int]
#: Takes tensors (N, C, h, w) float32, one for each layer; gives one tensor or several, each at a scale of its own.
Predictor = Callable[..., Tensor | Sequence[Tensor]]

_SMALLEST_VIEW = 64


@dataclass(frozen=True)
class Grid:
    """A picture's ``height`` and ``width``, the size ``multiple`` of windows, and the ``halo`` around their cores."""

    height: int
    width: int
    multiple: int = 1
    halo: int = 0

    @property
    def margin(self) -> int:
        """The halo, rounded up to the multiple."""
        return _up(self.halo, self.multiple)

    @property
    def padded(self) -> tuple[int, int]:
        """Height and width, rounded up to the multiple."""
        return _up(self.height, self.multiple), _up(self.width, self.multiple)


@dataclass(frozen=True)
class Window:
    """What the network sees (``view``) and what of its result is kept (``core``), in the padded picture."""

    core: Box
    view: Box

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the view."""
        return self.view[2] - self.view[0], self.view[3] - self.view[1]

    @property
    def area(self) -> int:
        """Pixels of the view."""
        return self.shape[0] * self.shape[1]


@dataclass(frozen=True)
class Layer:
    """One of several aligned inputs.

    Attributes:
        array: (height, width, channels) uint8, uint16 (both become [0, 1]) or float (taken as it is).
        scale: its size over the picture's; scale times the grid's multiple is a whole number. What lacks to the padded
            picture's size is reflected.
    """

    array: NDArray[Any]
    scale: Fraction = Fraction(1)


def _up(value: float, multiple: int) -> int:
    return ceil(value / multiple) * multiple


def _view_length(size: int, count: int, margin: int, multiple: int) -> int:
    """The smallest length of ``count`` equal views that cover ``size`` with the margin between their cores."""
    return min(size, _up((size + 2 * margin * (count - 1)) / count, multiple))


def _spans(size: int, length: int, margin: int) -> list[tuple[int, int, int, int]]:
    """(core start, core end, view start, view end) along one axis for views of ``length``."""
    spans, start, core = [], 0, 0
    while True:
        start = min(start, size - length)
        last = start + length >= size
        end = size if last else start + length - margin
        spans.append((core, end, start, start + length))
        if last:
            return spans
        core, start = end, end - margin


def plan_square(grid: Grid, side: int) -> list[Window]:
    """Windows whose views are squares of ``side`` pixels, or a little more where halo and multiple ask for it."""
    side = max(_up(side, grid.multiple), 2 * grid.margin + grid.multiple)
    height, width = grid.padded
    return _windows(grid, min(side, height), min(side, width))


def plan_within(grid: Grid, max_area: float) -> list[Window]:
    """The cheapest windows whose views have at most ``max_area`` pixels: one if that suffices.

    Cheapest: the fewest pixels computed, overlaps included. Where ``max_area`` is below what the halo makes sensible,
    the smallest sensible windows.
    """
    height, width = grid.padded
    smallest = _up(max(4 * grid.margin, _SMALLEST_VIEW), grid.multiple)
    best: tuple[int, int, int, int] | None = None
    for rows in range(1, height // grid.multiple + 1):
        tall = _view_length(height, rows, grid.margin, grid.multiple)
        columns = _columns(grid, max_area / tall, smallest)
        if columns:
            wide = _view_length(width, columns, grid.margin, grid.multiple)
            best = min(best or (1 << 62, 0, 0, 0), (rows * tall * columns * wide, rows * columns, tall, wide))
        if tall <= smallest:
            break
    if best is None:
        return _windows(grid, min(height, smallest), min(width, smallest))
    return _windows(grid, best[2], best[3])


def _columns(grid: Grid, longest: float, smallest: int) -> int | None:
    """The smallest number of columns with views at most ``longest`` wide, or None where they would be too narrow."""
    width, step = grid.padded[1], grid.multiple
    if width <= longest:
        return 1
    room = longest // step * step - 2 * grid.margin
    if longest < smallest or room <= 0:
        return None
    count = ceil((width - 2 * grid.margin) / room)
    while _view_length(width, count, grid.margin, step) > longest:
        count += 1
    return count


def _windows(grid: Grid, tall: int, wide: int) -> list[Window]:
    height, width = grid.padded
    return [
        Window((top, left, bottom, right), (view_top, view_left, view_bottom, view_right))
        for top, bottom, view_top, view_bottom in _spans(height, tall, grid.margin)
        for left, right, view_left, view_right in _spans(width, wide, grid.margin)
    ]


def divide(grid: Grid, window: Window) -> list[Window]:
    """Two windows for the halves of a core, cut across its longer side; none where it is too small to be divided."""
    top, left, bottom, right = window.core
    tall, wide = bottom - top, right - left
    if max(tall, wide) < 2 * max(grid.multiple, grid.margin):
        return []
    half = _up(max(tall, wide) / 2, grid.multiple)
    if tall >= wide:
        cores = [(top, left, top + half, right), (top + half, left, bottom, right)]
    else:
        cores = [(top, left, bottom, left + half), (top, left + half, bottom, right)]
    return [_with_margin(grid, core) for core in cores]


def _with_margin(grid: Grid, core: Box) -> Window:
    """The window of a core: the halo around it as far as the picture goes."""
    (height, width), margin = grid.padded, grid.margin
    top, left = max(core[0] - margin, 0), max(core[1] - margin, 0)
    return Window(core, (top, left, min(core[2] + margin, height), min(core[3] + margin, width)))


def window_of(grid: Grid, box: Box, max_area: float) -> Window:
    """The window whose core shows ``box``; its middle where the view would be larger than a square of ``max_area``."""
    longest = max(int(max_area**0.5) - 2 * grid.margin, grid.multiple)
    spans = []
    for start, end, size in zip(box[:2], box[2:], grid.padded, strict=True):
        spare = max(end - start - longest, 0)
        start, end = start + spare // 2, end - (spare - spare // 2)
        spans.append((start // grid.multiple * grid.multiple, min(_up(end, grid.multiple), size)))
    (top, bottom), (left, right) = spans
    return _with_margin(grid, (top, left, bottom, right))


def nearest_first(windows: Iterable[Window], box: Box) -> list[Window]:
    """The windows in the order of their cores' distance to ``box``."""

    def distance(window: Window) -> int:
        top, left, bottom, right = window.core
        return max(top - box[2], box[0] - bottom, 0) + max(left - box[3], box[1] - right, 0)

    return sorted(windows, key=distance)


def scaled(box: Box, scale: Fraction) -> Box:
    """A box of the picture as a box of a layer at ``scale``.

    Raises:
        ValueError: its sides do not fall between the layer's pixels.
    """
    sides = [side * scale for side in box]
    if any(side.denominator != 1 for side in sides):
        raise ValueError(f"The box {box} does not fall on whole pixels at the scale {scale}.")
    top, left, bottom, right = (int(side) for side in sides)
    return top, left, bottom, right


def cut(layer: Layer, view: Box) -> NDArray[Any]:
    """The part of a layer that ``view`` (in the picture) shows, reflected where it passes the layer's end."""
    top, left, bottom, right = scaled(view, layer.scale)
    height, width = layer.array.shape[:2]
    if bottom <= height and right <= width:
        return layer.array[top:bottom, left:right]
    return layer.array[_reflected(top, bottom, height)][:, _reflected(left, right, width)]


def _reflected(start: int, end: int, size: int) -> NDArray[np.intp]:
    """Indices start...end - 1 folded back into 0...size - 1, border pixels not doubled, any number of times."""
    if size == 1:
        return np.zeros(end - start, np.intp)
    folded = np.arange(start, end) % (2 * size - 2)
    return np.minimum(folded, 2 * size - 2 - folded)


def batch_of(layer: Layer, windows: Sequence[Window], device: torch.device) -> Tensor:
    """(N, C, h, w) float32 on ``device``: the layer's part of each window, integers divided by their largest value."""
    parts = np.stack([cut(layer, window.view) for window in windows])
    if parts.dtype == np.uint8:
        return torch.from_numpy(parts).to(device).permute(0, 3, 1, 2).float().div_(255)
    if parts.dtype == np.uint16:
        parts = parts.astype(np.float32) / 65535
    return torch.from_numpy(parts.astype(np.float32, copy=False)).to(device).permute(0, 3, 1, 2)


@torch.inference_mode()
def predict(
    predictor: Predictor, layers: Sequence[Layer], windows: Sequence[Window], device: torch.device
) -> list[tuple[Tensor, ...]]:
    """Runs windows of one shape as one batch.

    Returns:
        for each window its core of each output, (C, h, w) at that output's scale.

    Raises:
        ValueError: an output's size is not a scale of the window's.
    """
    results = predictor(*(batch_of(layer, windows, device) for layer in layers))
    outputs = (results,) if isinstance(results, Tensor) else tuple(results)
    scales = [_scale_of(output, windows[0].shape) for output in outputs]
    cores = []
    for number, window in enumerate(windows):
        top, left = window.view[:2]
        inside = (window.core[0] - top, window.core[1] - left, window.core[2] - top, window.core[3] - left)
        boxes = [scaled(inside, scale) for scale in scales]
        cores.append(
            tuple(output[number, :, b[0] : b[2], b[1] : b[3]] for output, b in zip(outputs, boxes, strict=True))
        )
    return cores


def _scale_of(output: Tensor, shape: tuple[int, int]) -> Fraction:
    scale = Fraction(output.shape[-2], shape[0])
    if output.ndim != 4 or Fraction(output.shape[-1], shape[1]) != scale:
        raise ValueError(f"An output of shape {tuple(output.shape)} is no scale of a window of {shape} pixels.")
    return scale


def predict_all(
    predictor: Predictor, layers: Sequence[Layer], grid: Grid, windows: Sequence[Window]
) -> tuple[Tensor, ...]:
    """Runs all windows on the CPU, one by one.

    Returns:
        each output (C, h, w) for the whole padded picture at its scale, as a recurrent model takes its state again.
    """
    wholes: list[Tensor] = []
    for window in windows:
        for number, core in enumerate(predict(predictor, layers, [window], torch.device("cpu"))[0]):
            scale = Fraction(core.shape[-2], window.core[2] - window.core[0])
            if number == len(wholes):
                height, width = (int(side * scale) for side in grid.padded)
                wholes.append(core.new_empty((core.shape[0], height, width)))
            top, left, bottom, right = scaled(window.core, scale)
            wholes[number][:, top:bottom, left:right] = core
    return tuple(wholes)


def predict_image(predictor: Predictor, image: Tensor, multiple: int, halo: int, side: int | None = None) -> Tensor:
    """The simple case: a (C, H, W) float tensor in, one of the same size out; whole, or in views of ``side`` pixels."""
    grid = Grid(image.shape[-2], image.shape[-1], multiple, halo)
    windows = plan_square(grid, side) if side else plan_within(grid, float("inf"))
    layer = Layer(image.detach().cpu().permute(1, 2, 0).numpy())
    return predict_all(predictor, [layer], grid, windows)[0][:, : grid.height, : grid.width]
