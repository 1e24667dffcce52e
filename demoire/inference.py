"""Runs windows through a network on one device after another until all are done, whatever memory there is."""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from demoire.allocator import give_back, kept_memory
from demoire.devices import is_out_of_memory, release
from demoire.errors import MemoryShortError
from demoire.tiling import Grid, Layer, Predictor, Window, divide, predict


@dataclass(frozen=True)
class Lane:
    """A device to compute on.

    Attributes:
        device: where the windows go.
        open: brings the network there, at the first window; may run out of memory like the network itself.
        batch: how many windows of one shape to compute at once.
        max_area: larger windows are divided, in pixels of their view.
    """

    device: torch.device
    open: Callable[[], Predictor]
    batch: int = 1
    max_area: float = float("inf")


@dataclass(frozen=True)
class WindowDone:
    """The core of each output (C, h, w) of a window, where it was computed, and how many windows are still to come."""

    window: Window
    outputs: tuple[Tensor, ...]
    device: torch.device
    remaining: int


@dataclass(frozen=True)
class Setback:
    """Memory ran out on ``device``; what follows is a smaller "batch", smaller "tiles", or the next "device"."""

    remedy: str
    device: torch.device


def infer(
    lanes: Sequence[Lane], layers: Sequence[Layer], grid: Grid, windows: Sequence[Window]
) -> Generator[WindowDone | Setback, None, None]:
    """Computes every window once, in order, and hands out each as soon as it is done.

    Where memory runs out, what is finished stays, and the rest goes on with a smaller batch, then in smaller windows,
    then in the next lane. Other errors pass through. Closing the generator frees the lane's memory.

    Raises:
        MemoryShortError: memory does not suffice in the last lane either.
    """
    pending = deque(windows)
    for lane in lanes:
        try:
            with kept_memory():
                yield from _run_lane(lane, layers, grid, pending)
        finally:
            release(lane.device)
        if not pending:
            return
        if lane is not lanes[-1]:
            yield Setback("device", lane.device)
    raise MemoryShortError(
        "There is not enough memory for this picture; close other programs, or reduce or crop the picture."
    )


def _run_lane(
    lane: Lane, layers: Sequence[Layer], grid: Grid, pending: deque[Window]
) -> Generator[WindowDone | Setback, None, None]:
    """Takes windows from ``pending`` until none is left, or until even the smallest does not fit."""
    batch, area = lane.batch, lane.max_area
    predictor: Predictor | None = None
    while pending:
        group = _next_group(pending, grid, batch, area)
        try:
            predictor = predictor or lane.open()
            results = predict(predictor, layers, group, lane.device)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            results = None  # and leave the block first: the error holds what is to be freed
        if results is not None:
            for number, (window, outputs) in enumerate(zip(group, results, strict=True), 1):
                yield WindowDone(window, outputs, lane.device, len(pending) + len(group) - number)
            del results, outputs
            if pending:
                give_back()
            continue
        release(lane.device)
        give_back()
        pending.extendleft(reversed(group))
        if len(group) > 1:
            batch = len(group) // 2
            yield Setback("batch", lane.device)
        elif predictor is not None and (pieces := divide(grid, group[0])):
            area = min(max(piece.area for piece in pieces), area)
            pending.popleft()
            pending.extendleft(reversed(pieces))
            yield Setback("tiles", lane.device)
        else:
            return


def _next_group(pending: deque[Window], grid: Grid, batch: int, area: float) -> list[Window]:
    """Takes the next windows of one shape, dividing those that are too large."""
    while pending[0].area > area and (pieces := divide(grid, pending[0])):
        pending.popleft()
        pending.extendleft(reversed(pieces))
    group = [pending.popleft()]
    while pending and len(group) < batch and pending[0].shape == group[0].shape:
        group.append(pending.popleft())
    return group
