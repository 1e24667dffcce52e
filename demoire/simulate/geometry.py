"""Where on the display each sensor pixel looks."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from demoire.simulate.config import GeometryParameters


def _column(values: Sequence[float], device: torch.device) -> Tensor:
    return torch.tensor(list(values), dtype=torch.float32, device=device)[:, None, None]


def linear_part(p: GeometryParameters) -> tuple[tuple[float, float], tuple[float, float]]:
    """Display pixels per sensor pixel at the window's centre: ((du/dx, du/dy), (dv/dx, dv/dy))."""
    cos, sin = math.cos(p.rotation), math.sin(p.rotation)
    sx, sy = p.aspect / p.scale, 1 / (p.aspect * p.scale)
    return (sx * (cos + p.shear * sin), sx * (-sin + p.shear * cos)), (sy * sin, sy * cos)


def homography(p: GeometryParameters) -> NDArray[np.float64]:
    """(3, 3): what ``display_positions`` does to (x, y, 1) from the window's centre, by a lens without distortion."""
    linear = np.eye(3)
    linear[:2, :2] = linear_part(p)
    linear[:2, 2] = p.phase
    tilted = np.eye(3)
    tilted[2, :2] = p.perspective
    return np.asarray(linear @ tilted)


def sensor_grid(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Pixel centres (x, y) from the window's centre, each (1, height, width)."""
    y = torch.arange(height, dtype=torch.float32, device=device) - (height - 1) / 2
    x = torch.arange(width, dtype=torch.float32, device=device) - (width - 1) / 2
    grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")
    return grid_x[None], grid_y[None]


def display_positions(
    parameters: Sequence[GeometryParameters], height: int, width: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Display coordinates (u, v) of the centres of sensor pixels, relative to the window's centre.

    Lens distortion about the frame's centre, then perspective, then the linear part.

    Returns:
        u, v: each (N, height, width), display pixels, the phase added.
    """
    x, y = sensor_grid(height, width, device)
    centre_x, centre_y = (_column([p.centre[i] for p in parameters], device) for i in range(2))
    radius = _column([p.radius for p in parameters], device)
    bend = _column([p.distortion for p in parameters], device)
    # Relative to the window's centre, so that the crop stays where it was and only the local bending remains.
    from_axis = ((x - centre_x) ** 2 + (y - centre_y) ** 2) / radius**2
    at_centre = (centre_x**2 + centre_y**2) / radius**2
    stretch = 1 + bend * from_axis
    bent_x = (x - centre_x) * stretch + centre_x * (1 + bend * at_centre)
    bent_y = (y - centre_y) * stretch + centre_y * (1 + bend * at_centre)
    tilt_x, tilt_y = (_column([p.perspective[i] for p in parameters], device) for i in range(2))
    depth = 1 + tilt_x * bent_x + tilt_y * bent_y
    bent_x, bent_y = bent_x / depth, bent_y / depth
    rows = [linear_part(p) for p in parameters]
    u, v = (
        _column([r[i][0] for r in rows], device) * bent_x + _column([r[i][1] for r in rows], device) * bent_y
        for i in range(2)
    )
    phase_u, phase_v = (_column([p.phase[i] for p in parameters], device) for i in range(2))
    return u + phase_u, v + phase_v
