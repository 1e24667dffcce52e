"""Lucas and Kanade's alignment by a homography, on features in place of brightness, with a prior of what a hand does.

Homographies here are (N, 3, 3) in float64, from (x, y, 1) of a place in the present frame to the same in the former
one, in halves of the longer side about the middle: then they are the same at each level of a pyramid.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

LEVELS = 3  # at 1/2, 1/4 and 1/8 of the frame's size
TOGETHER = 300.0  # so many pixels of a frame differ as one where moire is left
POINTS = 65_536  # of a level's pixels so many are looked at, evenly spread
# How far a hand moves a camera between two frames, in halves of the longer side: shift, turn and scale, perspective.
_SHIFT, _LINEAR, _PERSPECTIVE = 0.03, 0.006, 0.002
_HAND = (_LINEAR, _LINEAR, _SHIFT, _LINEAR, _LINEAR, _SHIFT, _PERSPECTIVE, _PERSPECTIVE)
_FAINT = 0.1  # squared differences of evened contrasts that count as none
_UNTOUCHED = 2 / 255  # contrasts below it are not brought up to those of others


@dataclass(frozen=True)
class Level:
    """Frames as they are compared at one size.

    Attributes:
        banded: (N, 1, h, w) luma between fine and coarse tones, contrasts evened out.
        features: (N, C, h, w), what is compared.
        trust: (N, 1, h, w): half the logarithm of how much a pixel counts, as long as it differs like most.
    """

    banded: Tensor
    features: Tensor
    trust: Tensor

    def part(self, frames: slice) -> "Level":
        """Some of the frames."""
        return Level(self.banded[frames], self.features[frames], self.trust[frames])


def plain_levels(frames: Tensor) -> list[Level]:
    """Frames (N, C, H, W), the first three channels in [0, 1], as brightness shows them, finest level first.

    H and W are multiples of 8.
    """
    luma = frames.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    plane, levels = (frames[:, :3] * luma).sum(1, keepdim=True), []
    for number in range(1, LEVELS + 1):
        plane = _halved(plane)
        banded = _banded(plane)
        levels.append(Level(banded, banded, torch.full_like(banded, 0.5 * math.log(4**number / TOGETHER))))
    return levels


def refine(former: Level, present: Level, matrices: Tensor, steps: int, around: Tensor | None = None) -> list[Tensor]:
    """The homographies after each step of Gauss and Newton towards the likeliest ones, by what a hand does.

    ``around``: (N, 3, 3), what motion is expected to be near; None: none.

    Inverse compositional (Baker and Matthews, Lucas-Kanade 20 Years On, IJCV 2004); pixels that differ more than most
    count less, since they moved on their own. Gradients flow into the features and the trust, as in Lv et al., Taking a
    Deeper Look at the Inverse Compositional Algorithm, CVPR 2019, but not from step to step.
    """
    places = _places(present.features)
    descent = _descent(present.features, places)
    there, here = (torch.cat([level.features, level.trust], 1) for level in (former, present))
    here = here[..., places.rows, :][..., places.columns]
    rare = _rare(matrices)
    one = torch.eye(3, dtype=torch.float64, device=matrices.device)
    around = one if around is None else around
    after = []
    for _ in range(steps):
        matrices = matrices.detach()
        error, weight = _compared(there, here, matrices, places)
        weighted = descent * weight[..., None]
        normal = (weighted.flatten(1, 2).mT @ descent.flatten(1, 2)).double() + torch.diag(rare)
        slope = (weighted.flatten(1, 2).mT @ error.flatten(1)[..., None]).double()[..., 0]
        step = torch.linalg.solve(normal, slope + rare * (matrices - around).flatten(1)[:, :8])
        change = one + F.pad(step, (0, 1)).view(-1, 3, 3)
        matrices = matrices @ torch.linalg.inv(change)
        matrices = matrices / matrices[:, 2:, 2:]
        after.append(matrices)
    return after


def unlikelihood(former: Level, present: Level, matrix: Tensor, around: Tensor) -> float:
    """How unlikely a homography (1, 3, 3) of one pair of frames is, by what differs then and by what a hand does."""
    places = _places(present.features)
    there, here = (torch.cat([level.features, level.trust], 1) for level in (former, present))
    here = here[..., places.rows, :][..., places.columns]
    moved, inside = _moved(there, matrix, places)
    square = (moved[:, :-1] - here[:, :-1].flatten(2)).square().sum(1)
    weight = _trusted(moved, here)
    seen = weight * inside
    # What was not seen before counts like what was.
    differing = (seen * torch.log1p(square / _FAINT)).sum() * weight.sum() / seen.sum().clamp(min=1e-9)
    return float(differing) + float((_rare(matrix) * (matrix - around).flatten(1)[:, :8].square()).sum())


def _rare(like: Tensor) -> Tensor:
    return torch.tensor(_HAND, dtype=torch.float64, device=like.device).square().reciprocal()


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


def _descent(features: Tensor, places: _Places) -> Tensor:
    """(N, C, P, 8): how features change with each parameter of a homography."""
    padded = F.pad(features, (1, 1, 1, 1), mode="replicate")
    slopes = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2], padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1])
    across, down = (s[..., places.rows, :][..., places.columns].flatten(2) * (places.half / 2) for s in slopes)
    x, y = places.x, places.y
    inward = -(across * x + down * y)
    columns = [across * x, across * y, across, down * x, down * y, down, inward * x, inward * y]
    return torch.stack(columns, -1)


def _moved(there: Tensor, matrices: Tensor, places: _Places) -> tuple[Tensor, Tensor]:
    """(N, C, P): what the former frames show at the places of the present ones; (N, P): whether they saw them."""
    points = torch.stack([places.x, places.y, torch.ones_like(places.x)], -1)
    moved = points @ matrices.mT.to(points)
    grid = moved[..., :2] / moved[..., 2:] * places.scale
    values = F.grid_sample(there, grid[:, None], mode="bilinear", padding_mode="border", align_corners=True)
    return values[:, :, 0], (grid.abs() <= 1).all(-1).to(there)


def _trusted(moved: Tensor, here: Tensor) -> Tensor:
    """(N, P): what both frames' trust makes of a pixel."""
    return torch.exp(moved[:, -1] + here[:, -1].flatten(1))


def _compared(there: Tensor, here: Tensor, matrices: Tensor, places: _Places) -> tuple[Tensor, Tensor]:
    """(N, C, P) how features differ; (N, 1, P) how much each pixel counts."""
    moved, inside = _moved(there, matrices, places)
    error = moved[:, :-1] - here[:, :-1].flatten(2)
    square = error.detach().square().sum(1)
    typical = 2 * square.median(1, keepdim=True).values + _FAINT
    weight = _trusted(moved, here) * inside / (typical + square)
    return error, weight[:, None]


def _banded(planes: Tensor) -> Tensor:
    """What is left between fine and coarse tones, contrasts evened out."""
    least = min(planes.shape[-2:])
    difference = _smooth(planes, min(1, (least - 1) // 2)) - _smooth(planes, min(2, (least - 1) // 2))
    return difference / (_smooth(difference.abs(), min(8, (least - 1) // 2)) + _UNTOUCHED)


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
