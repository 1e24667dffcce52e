"""Lucas and Kanade's alignment of two frames by a homography, with a prior of what a hand does.

Homographies here are (3, 3) in float64 on the CPU, from (x, y, 1) of a place in the present frame to the same in the
former one, in halves of the longer side about the middle: then they are the same at each level of a pyramid.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

LEVELS = 4  # at 1/1, 1/2, 1/4 and 1/8 of the frames' size
POINTS = 65_536  # of a level's pixels so many are looked at, evenly spread
_TOGETHER = 300.0  # so many pixels of a frame differ as one where moire is left
_NOISE = 3 / 255  # of band-passed luma; where fits are better than that, a hand is still trusted
_UNTOUCHED = 2 / 255  # contrasts below it are not brought up to those of others
# How far a hand moves a camera between two frames, in halves of the longer side: shift, turn and scale, perspective.
_SHIFT, _LINEAR, _PERSPECTIVE = 0.03, 0.006, 0.002
_HAND = (_LINEAR, _LINEAR, _SHIFT, _LINEAR, _LINEAR, _SHIFT, _PERSPECTIVE, _PERSPECTIVE)


@dataclass(frozen=True)
class Level:
    """Two frames at one size.

    Attributes:
        between: (2, 1, h, w) luma between fine and coarse tones, the former frame's and the present one's.
        weight: of a pixel, beside what a hand's motion weighs.
    """

    between: Tensor
    weight: float

    @property
    def former(self) -> Tensor:
        """(1, 1, h, w), in units of the noise; so is ``present``."""
        return self.between[:1] / _NOISE

    @property
    def present(self) -> Tensor:
        """As ``former``."""
        return self.between[1:] / _NOISE

    def evened(self) -> Tensor:
        """Both, contrasts brought up to those of others."""
        radius = min(8, (min(self.between.shape[-2:]) - 1) // 2)
        return self.between / (_smooth(self.between.abs(), radius) + _UNTOUCHED)


def pyramid(frames: Tensor) -> list[Level]:
    """The former and the present frame, (2, 3, H, W) in [0, 1], finest level first; H and W are multiples of 8."""
    planes, levels = (frames * frames.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True), []
    for number in range(LEVELS):
        planes = _halved(planes) if number else planes
        levels.append(Level(_between(planes), 4**number / _TOGETHER))
    return levels


def refine(level: Level, matrix: Tensor, steps: int, around: Tensor) -> Tensor:
    """The homography after some steps of Gauss and Newton from ``matrix`` towards the likeliest one.

    Inverse compositional (Baker and Matthews, Lucas-Kanade 20 Years On, IJCV 2004); pixels that differ more than most
    count less, since they moved on their own. ``around``: what a hand's motion is added to.
    """
    former, present = level.former, level.present
    places = _places(present)
    descent, here = _descent(present, places), _chosen(present, places)
    rare = _rare()
    one = torch.eye(3, dtype=torch.float64)
    for _ in range(steps):
        moved, inside = _moved(former, matrix, places)
        error = moved - here
        square = error.square()
        typical = 2 * square.median() + 1
        weighted = descent * (level.weight * inside / (typical + square))[:, None]
        normal = (weighted.T @ descent).cpu().double() + torch.diag(rare)
        slope = (weighted.T @ error).cpu().double() + rare * (matrix - around).flatten()[:8]
        change = one + F.pad(torch.linalg.solve(normal, slope), (0, 1)).view(3, 3)
        matrix = matrix @ torch.linalg.inv(change)
        matrix = matrix / matrix[2, 2]
    return matrix


def unlikelihood(level: Level, matrix: Tensor, around: Tensor) -> float:
    """How unlikely a homography is, by what differs then and by what a hand does beside ``around``."""
    present = level.present
    places = _places(present)
    moved, inside = _moved(level.former, matrix, places)
    differing = torch.log1p((moved - _chosen(present, places)).square()) * inside
    # What was not seen before counts like what was.
    data = level.weight * len(inside) * differing.sum() / inside.sum().clamp(min=1e-9)
    return float(data) + float((_rare() * (matrix - around).flatten()[:8].square()).sum())


def _rare() -> Tensor:
    return torch.tensor(_HAND, dtype=torch.float64).square().reciprocal()


@dataclass(frozen=True)
class _Places:
    """The pixels of a level that are looked at: rows and columns, and (P,) coordinates in halves of the longer side."""

    rows: Tensor
    columns: Tensor
    x: Tensor
    y: Tensor
    half: float
    scale: Tensor  # from halves of the longer side to ``grid_sample``'s coordinates


def _places(like: Tensor) -> _Places:
    height, width = like.shape[-2:]
    every = max(1, round((height * width / POINTS) ** 0.5))
    rows, columns = (torch.arange(every // 2, side, every, device=like.device) for side in (height, width))
    half = max(height, width) / 2
    y, x = torch.meshgrid((rows - (height - 1) / 2) / half, (columns - (width - 1) / 2) / half, indexing="ij")
    scale = torch.tensor([2 * half / max(width - 1, 1), 2 * half / max(height - 1, 1)]).to(like)
    return _Places(rows, columns, x.flatten().to(like), y.flatten().to(like), half, scale)


def _chosen(plane: Tensor, places: _Places) -> Tensor:
    return plane[0, 0, places.rows][:, places.columns].flatten()


def _descent(plane: Tensor, places: _Places) -> Tensor:
    """(P, 8): how a plane changes with each parameter of a homography."""
    padded = F.pad(plane, (1, 1, 1, 1), mode="replicate")
    slopes = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2], padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1])
    across, down = (_chosen(slope, places) * (places.half / 2) for slope in slopes)
    x, y = places.x, places.y
    inward = -(across * x + down * y)
    return torch.stack([across * x, across * y, across, down * x, down * y, down, inward * x, inward * y], 1)


def _moved(former: Tensor, matrix: Tensor, places: _Places) -> tuple[Tensor, Tensor]:
    """(P,) each: what the former frame shows at the places of the present one, and 1 where it saw them, else 0."""
    points = torch.stack([places.x, places.y, torch.ones_like(places.x)], -1)
    moved = points @ matrix.T.float().to(points)
    grid = moved[:, :2] / moved[:, 2:] * places.scale
    values = F.grid_sample(former, grid[None, None], mode="bilinear", padding_mode="border", align_corners=True)
    return values.flatten(), (grid.abs() <= 1).all(-1).to(former)


def _between(planes: Tensor) -> Tensor:
    """What is left between fine and coarse tones."""
    least = min(planes.shape[-2:])
    return _smooth(planes, min(1, (least - 1) // 2)) - _smooth(planes, min(2, (least - 1) // 2))


def _halved(planes: Tensor) -> Tensor:
    """Half the size by taps of 1, 3, 3 and 1 eighths, which leave little of what is too fine for it."""
    planes = F.pad(planes, (1, 1, 1, 1), mode="replicate")
    return F.avg_pool2d(F.avg_pool2d(F.avg_pool2d(planes, 2, 1), 2, 1), 2)


def _smooth(planes: Tensor, radius: int) -> Tensor:
    side = 2 * radius + 1
    for _ in range(2):
        planes = F.pad(planes, (radius,) * 4, mode="replicate")
        planes = F.avg_pool2d(F.avg_pool2d(planes, (side, 1), 1), (1, side), 1)
    return planes
