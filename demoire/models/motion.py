"""How the camera moved between two frames: one homography for the whole frame, and pictures warped by it."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from demoire.homography import in_other_pixels, placed

LONGEST = 1024  # sides are reduced to this; a twentieth of a pixel there remains
SHORTEST = 40  # the coarsest level has a short side of at least half as much
STEPS = 12  # of Gauss and Newton at each level
SETTLED = 0.002  # a step that moves no corner by more pixels ends a level
GRAIN = 64  # corners move by whole parts of so many to a pixel: rounding errors of tiles are to change nothing
LIKE = 0.35  # correlation of what both frames show; below it they show different things, or next to nothing
UNLIKE = 6 / 255  # in coarse tones; what differs by less may be kept where there is nothing to go by
# How far a hand moves a camera between two frames, in halves of the longer side: shift, turn and scale, perspective.
_SHIFT, _LINEAR, _PERSPECTIVE = 0.03, 0.006, 0.002
_HAND = (_LINEAR, _LINEAR, _SHIFT, _LINEAR, _LINEAR, _SHIFT, _PERSPECTIVE, _PERSPECTIVE)
_TOGETHER = 300.0  # so many pixels of a frame differ as one where moire is left
_ROBUST = 1.5  # differences larger than so many times the typical one count less


@dataclass(frozen=True)
class Motion:
    """How two frames of the same thing lie on one another.

    Attributes:
        matrix: (3, 3) float64, from (x, y, 1) of a pixel's centre in the present frame to the same in the former one.
        likeness: -1 to 1: the correlation of what both show, fine and coarse tones apart.
    """

    matrix: Tensor
    likeness: float


@torch.no_grad()
def estimate_motion(former: Tensor, present: Tensor) -> Motion | None:
    """The homography from the present frame to the former one; None where they show different things.

    Inverse compositional alignment (Baker and Matthews, Lucas-Kanade 20 Years On, IJCV 2004) of band-passed luma, from
    coarse to fine, with weights that spare what moves on its own; begun by the shift that phase correlation finds. The
    likeliest motion is taken by what a hand does, not the best fit: where the frames show little, what moire is left
    would be followed.

    Args:
        former, present: (1, 3, H, W) in [0, 1], of one size; moire should be removed from both, since it moves, too.
    """
    levels = _pyramid(former, present)
    height, width = levels[-1][0].shape[-2:]
    matrices = [torch.eye(3, dtype=torch.float64), _shift(*levels[-1])]
    found = [_refine(*levels[-1], matrix, width / former.shape[-1]) for matrix in matrices]
    matrix, likeness = max(found, key=lambda one: one[1])
    for pair in reversed(levels[:-1]):
        new_height, new_width = pair[0].shape[-2:]
        matrix = _resized(matrix, new_width / width, new_height / height)
        height, width = new_height, new_width
        matrix, likeness = _refine(*pair, matrix, width / former.shape[-1])
    coarse = F.avg_pool2d(former - present, min(8, *former.shape[-2:])).abs().mean()
    if (likeness < LIKE and float(coarse) > UNLIKE) or not _plausible(matrix, height, width):
        return None
    matrix = _resized(matrix, former.shape[-1] / width, former.shape[-2] / height)
    return Motion(_grained(matrix, former.shape[-2], former.shape[-1]), likeness)


def corners(height: int, width: int) -> Tensor:
    """(4, 3): (x, y, 1) of a frame's corners."""
    return torch.tensor([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]], dtype=torch.float64)


def _plausible(matrix: Tensor, height: int, width: int) -> bool:
    """Whether a hand can have moved a camera so between two frames: nothing is turned over, or twice as large."""
    frame = corners(height, width)
    depth = (frame @ matrix.T)[:, 2] / float(matrix[2] @ torch.tensor([width / 2, height / 2, 1], dtype=torch.float64))
    area = float(torch.linalg.det(matrix[:2, :2]))
    return bool((depth > 0.7).all() and (depth < 1.4).all()) and 0.5 < area < 2


def _grained(matrix: Tensor, height: int, width: int) -> Tensor:
    """The homography that moves the corners as this one does, to the next of ``GRAIN`` parts of a pixel."""
    frame = corners(height, width)
    moved = frame @ matrix.T
    moved = torch.round(moved[:, :2] / moved[:, 2:] * GRAIN) / GRAIN
    zero = torch.zeros_like(frame)
    rows = [
        torch.cat([frame, zero, -moved[:, :1] * frame[:, :2]], 1),
        torch.cat([zero, frame, -moved[:, 1:] * frame[:, :2]], 1),
    ]
    eight = torch.linalg.solve(torch.cat(rows), torch.cat([moved[:, 0], moved[:, 1]]))
    return torch.cat([eight, eight.new_ones(1)]).view(3, 3)


def warp(picture: Tensor, matrices: Tensor, mode: str = "bicubic") -> Tensor:
    """Pictures (N, C, H, W) of former frames as the present ones see them; beyond their edge these are repeated.

    Args:
        matrices: (N, 3, 3), from pixels of the present frame to those of the former one.
        mode: of ``grid_sample``: "bilinear" or "bicubic".
    """
    grid, _ = _grid(matrices, picture.shape[-2], picture.shape[-1], picture)
    return F.grid_sample(picture, grid, mode=mode, padding_mode="border", align_corners=True)


def seen_before(matrices: Tensor, height: int, width: int, like: Tensor) -> Tensor:
    """(N, 1, H, W) of 1 and 0: the pixels of the present frames that the former ones looked at."""
    return _grid(matrices, height, width, like)[1]


def at_half_size(matrices: Tensor) -> Tensor:
    """The same homographies for pictures of half the size, each pixel the mean of four."""
    return _resized(matrices, 0.5, 0.5)


def _grid(matrices: Tensor, height: int, width: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Places (N, H, W, 2) for ``grid_sample``, and which of them lie inside."""
    y, x = (torch.arange(side, dtype=torch.float64) for side in (height, width))
    points = torch.stack([x.expand(height, width), y[:, None].expand(height, width), torch.ones(height, width)], -1)
    moved = points.double() @ matrices.double().cpu().transpose(1, 2)[:, None]
    moved = moved[..., :2] / moved[..., 2:]
    scale = torch.tensor([2 / max(width - 1, 1), 2 / max(height - 1, 1)], dtype=torch.float64)
    grid = (moved * scale - 1).to(like)
    slack = 1 + 1e-4
    return grid, (grid.abs() <= slack).all(-1).unsqueeze(1).to(like)


def _resized(matrix: Tensor, across: float, down: float) -> Tensor:
    """The same homography, in float64, for pictures enlarged by these factors; pixel centres lie at whole numbers."""
    return in_other_pixels(matrix.double(), placed((1 / across - 1) / 2, (1 / down - 1) / 2, 1 / across, 1 / down))


def _pyramid(former: Tensor, present: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Band-passed luma of both (1, 1, h, w), finest first, each level half of the one before."""
    luma = former.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    # As 8-bit values, so that what differs by rounding errors is the same.
    eight = [(picture.clamp(0, 1) * 255).round() / 255 for picture in (former, present)]
    both = torch.cat([(picture * luma).sum(1, keepdim=True) for picture in eight])
    scale = min(1.0, LONGEST / max(both.shape[-2:]))
    if scale < 1:
        both = F.interpolate(both, scale_factor=scale, mode="area")
    levels = []
    while True:
        banded = _banded(both)
        levels.append((banded[:1], banded[1:]))
        if min(both.shape[-2:]) < SHORTEST:
            return levels
        both = F.avg_pool2d(both, 2)


def _banded(pictures: Tensor) -> Tensor:
    """What is left between fine and coarse tones, brightness evened out."""

    def smooth(values: Tensor, radius: int) -> Tensor:
        for _ in range(2):
            padded = F.pad(values, (radius,) * 4, mode="replicate")
            values = F.avg_pool2d(padded, 2 * radius + 1, 1)
        return values

    least = min(pictures.shape[-2:])
    fine, coarse = smooth(pictures, 1), smooth(pictures, min(2, (least - 1) // 2))
    difference = fine - coarse
    return difference / (smooth(difference.abs(), min(8, (least - 1) // 2)) + 2 / 255)


def _shift(former: Tensor, present: Tensor) -> Tensor:
    """The shift that phase correlation finds, as a homography from ``present`` to ``former``."""
    height, width = former.shape[-2:]
    window = torch.hann_window(height)[:, None] * torch.hann_window(width)
    one, other = (torch.fft.rfft2(picture[0, 0] * window.to(picture)) for picture in (former, present))
    cross = one * other.conj()
    peak = torch.fft.irfft2(cross / (cross.abs() + 1e-6), s=(height, width)).flatten().argmax()
    y, x = divmod(int(peak), width)
    matrix = torch.eye(3, dtype=torch.float64)
    matrix[0, 2] = x - width if x > width // 2 else x
    matrix[1, 2] = y - height if y > height // 2 else y
    return matrix


def _refine(former: Tensor, present: Tensor, matrix: Tensor, scale: float) -> tuple[Tensor, float]:
    """Moves ``matrix`` to the likeliest one, and the correlation then; ``scale``: of these pictures to the frames."""
    height, width = present.shape[-2:]
    descent = _steepest(present)
    frame = corners(height, width)
    rare = max(1.0, _TOGETHER * scale**2) / torch.tensor(_HAND, dtype=torch.float64).square()
    half = max(height, width) / 2
    to_pixels = placed((width - 1) / 2, (height - 1) / 2, half, half)  # from coordinates of about -1 to 1
    to_halves = torch.linalg.inv(to_pixels)
    for _ in range(STEPS):
        matrices = matrix[None]
        seen = seen_before(matrices, height, width, present)
        error = (warp(former, matrices, "bilinear") - present) * seen
        size = error.abs()[seen > 0].median() if seen.any() else error.new_tensor(1.0)
        weight = (seen / (1 + (error / (_ROBUST * size + 1e-3)).square())).flatten()
        weighted = descent * weight[:, None]
        held = rare * float(1.48 * size + 1e-3) ** 2
        normal = (weighted.T @ descent).double().cpu() + torch.diag(held)
        parameters = (in_other_pixels(matrix, to_pixels) - torch.eye(3)).flatten()[:8]
        step = torch.linalg.solve(normal, (weighted.T @ error.flatten()).double().cpu() + held * parameters)
        change = in_other_pixels(torch.eye(3) + torch.cat([step, step.new_zeros(1)]).view(3, 3), to_halves)
        matrix = matrix @ torch.linalg.inv(change)
        matrix = matrix / matrix[2, 2]
        moved = frame @ change.T
        if float((moved[:, :2] / moved[:, 2:] - frame[:, :2]).abs().max()) < SETTLED:
            break
    return matrix, _likeness(former, present, matrix)


def _steepest(picture: Tensor) -> Tensor:
    """(H*W, 8): how the picture changes with each parameter of a homography in coordinates of about -1 to 1."""
    height, width = picture.shape[-2:]
    padded = F.pad(picture, (1, 1, 1, 1), mode="replicate")
    half = max(height, width) / 2
    across = (padded[0, 0, 1:-1, 2:] - padded[0, 0, 1:-1, :-2]).flatten() / 2 * half
    down = (padded[0, 0, 2:, 1:-1] - padded[0, 0, :-2, 1:-1]).flatten() / 2 * half
    y, x = torch.meshgrid(
        (torch.arange(height, device=picture.device) - (height - 1) / 2) / half,
        (torch.arange(width, device=picture.device) - (width - 1) / 2) / half,
        indexing="ij",
    )
    x, y = x.flatten().to(picture), y.flatten().to(picture)
    inward = -(across * x + down * y)
    columns = [across * x, across * y, across, down * x, down * y, down, inward * x, inward * y]
    return torch.stack(columns, 1)


def _likeness(former: Tensor, present: Tensor, matrix: Tensor) -> float:
    height, width = present.shape[-2:]
    seen = seen_before(matrix[None], height, width, present) > 0
    if float(seen.float().mean()) < 0.1:
        return -1.0
    both: Sequence[Tensor] = (warp(former, matrix[None], "bilinear")[seen], present[seen])
    one, other = (values - values.mean() for values in both)
    return float((one * other).sum() / (one.norm() * other.norm()).clamp(min=1e-9))
