"""The display's sub-pixel mask as one periodic cell of 2x2 display pixels."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from demoire.simulate.config import DisplayParameters

CELL = 2
"""Side of the periodic cell in display pixels: the smallest that holds PenTile's alternating pixels."""
TEXELS = 96
"""Texels along the side of the cell."""


def _axis() -> NDArray[np.float64]:
    return np.asarray((np.arange(TEXELS) + 0.5) * CELL / TEXELS)


def _soft_step(distance: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 inside (distance < 0), 0 outside, linear across one texel: coverage of a texel by a straight edge."""
    return np.asarray(np.clip(0.5 - distance * TEXELS / CELL, 0, 1))


def _wrapped(position: NDArray[np.float64], centre: float | NDArray[np.float64], period: float) -> NDArray[np.float64]:
    return (position - centre + period / 2) % period - period / 2


def _rectangle(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    centre: tuple[float, float],
    size: tuple[float, float],
    period: float,
) -> NDArray[np.float64]:
    across = _soft_step(np.abs(_wrapped(x, centre[0], period)) - size[0] / 2)
    along = _soft_step(np.abs(_wrapped(y, centre[1], period)) - size[1] / 2)
    return across * along


def _stripe(p: DisplayParameters, x: NDArray[np.float64], y: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    return [_rectangle(x, y, ((c + 0.5) / 3, 0.5), (p.lit_x / 3, p.lit_y), 1) for c in range(3)]


def _stripe_split(p: DisplayParameters, x: NDArray[np.float64], y: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Stripes whose sub-pixels have two halves with a dark line between (multi-domain panels)."""
    size = (p.lit_x / 3, p.lit_y * 0.42)
    return [sum(_rectangle(x, y, ((c + 0.5) / 3, at), size, 1) for at in (0.26, 0.74)) for c in range(3)]  # type: ignore[misc]


def _chevron(p: DisplayParameters, x: NDArray[np.float64], y: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Slanted stripes; the slant turns from row to row."""
    slant = 0.22 * (np.abs(y - 1) - 0.5)
    return [_rectangle(x - slant, y, ((c + 0.5) / 3, 0.5), (p.lit_x / 3, p.lit_y), 1) for c in range(3)]


def _pentile(p: DisplayParameters, x: NDArray[np.float64], y: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """RGBG: green in each pixel, red and blue in alternate ones."""
    green = _rectangle(x, y, (0.25, 0.5), (p.lit_x * 0.36, p.lit_y), 1)
    red, blue = (
        sum(_rectangle(x, y, (0.75 + (j + shift) % 2, 0.5 + j), (p.lit_x * 0.5, p.lit_y), CELL) for j in range(2))
        for shift in range(2)
    )
    return [np.asarray(red), green, np.asarray(blue)]


def _diamond(p: DisplayParameters, x: NDArray[np.float64], y: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Diamond PenTile of OLED phones: green ovals at each pixel, larger red and blue diamonds in alternate places."""

    def diamond(cx: float, cy: float, side: float) -> NDArray[np.float64]:
        distance = np.abs(_wrapped(x, cx, CELL)) + np.abs(_wrapped(y, cy, CELL)) - side
        return _soft_step(distance / math.sqrt(2))

    size = 0.38 * math.sqrt(p.lit_x * p.lit_y)
    green = sum(diamond(0.25 + i, 0.25 + j, size * 0.8) for i in range(2) for j in range(2))
    red = sum(diamond(0.75 + i, 0.75 + (i % 2), size) for i in range(2))
    blue = sum(diamond(0.75 + i, 0.75 + ((i + 1) % 2), size * 1.15) for i in range(2))
    return [np.asarray(red), np.asarray(green), np.asarray(blue)]


LAYOUTS = {
    "stripe": _stripe,
    "stripe_split": _stripe_split,
    "chevron": _chevron,
    "pentile": _pentile,
    "diamond": _diamond,
}


def mask_cell(parameters: DisplayParameters) -> Tensor:
    """The light of one cell for display white.

    Returns:
        (3, TEXELS, TEXELS) float64, R, G, B, rows are y; the mean of each colour is 1, so that the mask keeps energy.
    """
    y, x = np.meshgrid(_axis(), _axis(), indexing="ij")
    if parameters.sideways:
        x, y = y, x
    colours = np.stack(LAYOUTS[parameters.layout](parameters, x, y))
    if parameters.reversed:
        colours = colours[::-1]
    return torch.from_numpy(np.ascontiguousarray(colours / colours.mean((1, 2), keepdims=True)))


def subpixel_shift(parameters: DisplayParameters) -> NDArray[np.float64]:
    """Where the sub-pixels of R, G, B lie from their pixel's centre: (3, 2) x, y in pixels; 0 if alternating."""
    shift = np.zeros((3, 2))
    if parameters.layout in {"stripe", "stripe_split", "chevron"}:
        order = (1, 0, -1) if parameters.reversed else (-1, 0, 1)
        shift[:, 1 if parameters.sideways else 0] = np.array(order) / 3
    return shift
