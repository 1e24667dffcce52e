"""Content that moves on the display: scrolled, panned, zoomed, as a whole or inside a window of a still picture."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from demoire.simulate import optics
from demoire.simulate.config import CaptureParameters, ShownParameters

_STILL = ShownParameters()


def homography(p: ShownParameters) -> NDArray[np.float64]:
    """(3, 3): from a place on the display to what is shown there; that of the still part where only a window moves."""
    if p.window is not None:
        return np.eye(3)
    return np.array([[1 / p.zoom, 0, -p.shift[0] / p.zoom], [0, 1 / p.zoom, -p.shift[1] / p.zoom], [0, 0, 1]])


def look_up(content: Tensor, parameters: Sequence[CaptureParameters], u: Tensor, v: Tensor, times: int) -> Tensor:
    """``optics.sample_content`` at display coordinates (N, h, w), content moved as each capture's display shows it."""
    if all(p.shown == _STILL for p in parameters):
        return optics.sample_content(content, u, v, times)
    shift_u, shift_v = (_column([p.shown.shift[axis] for p in parameters], u) for axis in range(2))
    zoom = _column([p.shown.zoom for p in parameters], u)
    moved = optics.sample_content(content, (u - shift_u) / zoom, (v - shift_v) / zoom, times)
    if all(p.shown.window is None for p in parameters):
        return moved
    still = optics.sample_content(content, u, v, times)
    return still + _inside(parameters, u, v) * (moved - still)


def _column(values: Sequence[float], like: Tensor) -> Tensor:
    return torch.tensor(values, dtype=torch.float32, device=like.device)[:, None, None]


def _inside(parameters: Sequence[CaptureParameters], u: Tensor, v: Tensor) -> Tensor:
    """(N, 1, h, w): how much of each sensor pixel sees the window; 1 everywhere where there is none."""
    everywhere = (-1e6, -1e6, 1e6, 1e6)
    left, top, right, bottom = (
        _column([(p.shown.window or everywhere)[side] for p in parameters], u) for side in range(4)
    )
    distance = torch.minimum(torch.minimum(u - left, right - u), torch.minimum(v - top, bottom - v))
    pixels = distance * _column([p.geometry.scale for p in parameters], u)
    return (pixels + 0.5).clamp(0, 1)[:, None]
