"""How the camera moved between two frames: one homography for the whole frame, and pictures warped by it."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from demoire.eight_bits import in_eight_bits
from demoire.homography import in_other_pixels, placed
from demoire.models.lucas_kanade import Level, pyramid, refine, unlikelihood

LONGEST = 1024  # sides are reduced to this; a twentieth of a pixel there remains
STEPS = 4  # of Gauss and Newton at each level
GRAIN = 64  # corners move by whole parts of so many to a pixel: rounding errors of tiles are to change nothing
SHARP = 0.8  # correlation at half size from which on what is finer is content, too, not only noise and moire
LIKE = 0.35  # correlation of what both frames show; below it they show different things, or next to nothing
UNLIKE = 6 / 255  # in coarse tones; what differs by less may be kept where there is nothing to go by
_SURPRISE = 10.0  # in units of ``unlikelihood``: a camera that moves farther than a hand does
_MULTIPLE = 8  # sides are cut to a multiple of it, so that each level has half the pixels of the one before


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

    Alignment from coarse to fine (``lucas_kanade``), begun by the shift that phase correlation finds if that is
    likelier. The likeliest motion is taken by what a hand does, not the best fit: where the frames show little, what
    moire is left would be followed.

    Args:
        former, present: (1, 3, H, W) in [0, 1], of one size; moire should be removed from both, since it moves, too.
    """
    reduced, across, down = _reduced(torch.cat([former, present]))
    height, width = reduced.shape[-2:]
    levels = pyramid(reduced)
    found, around = _begun(levels)
    for level in reversed(levels[1:-1]):
        found = refine(level, found, STEPS, around)
    likeness = _likeness(levels[1].evened(), found)
    if likeness > SHARP:
        found = refine(levels[0], found, STEPS, around)
    matrix = in_other_pixels(found, torch.linalg.inv(_halves(height, width)))
    coarse = F.avg_pool2d(former - present, min(8, *former.shape[-2:])).abs().mean()
    if (likeness < LIKE and float(coarse) > UNLIKE) or not _plausible(matrix, height, width):
        return None
    return Motion(_grained(_resized(matrix, 1 / across, 1 / down), former.shape[-2], former.shape[-1]), likeness)


def _begun(levels: list[Level]) -> tuple[Tensor, Tensor]:
    """The motion at the coarsest level, and what it is near: none, or the shift that phase correlation finds."""
    planes = levels[-2].evened()
    shift = in_other_pixels(_shift(planes), _halves(*planes.shape[-2:]))
    tried = []
    for around, price in ((torch.eye(3, dtype=torch.float64), 0.0), (shift, _SURPRISE)):
        found = refine(levels[-1], around, STEPS, around)
        tried.append((unlikelihood(levels[-1], found, around) + price, found, around))
    _, found, around = min(tried, key=lambda one: one[0])
    return found, around


def _halves(height: int, width: int) -> Tensor:
    """From places in halves of the longer side, about the middle, to pixels."""
    half = max(height, width) / 2
    return placed((width - 1) / 2, (height - 1) / 2, half, half)


def _reduced(frames: Tensor) -> tuple[Tensor, float, float]:
    """Frames of at most ``LONGEST`` pixels, cut to the multiple, and by how much they were reduced across and down."""
    # As 8-bit values, so that what differs by rounding errors is the same.
    reduced = in_eight_bits(frames)
    height, width = frames.shape[-2:]
    if max(height, width) > LONGEST:
        reduced = F.interpolate(reduced, scale_factor=LONGEST / max(height, width), mode="area")
    tall, wide = reduced.shape[-2:]
    if min(tall, wide) < _MULTIPLE:
        reduced = F.pad(reduced, (0, max(_MULTIPLE - wide, 0), 0, max(_MULTIPLE - tall, 0)), mode="replicate")
    cut = reduced[..., : max(tall, _MULTIPLE) // _MULTIPLE * _MULTIPLE, : max(wide, _MULTIPLE) // _MULTIPLE * _MULTIPLE]
    return cut, wide / width, tall / height


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


def _shift(planes: Tensor) -> Tensor:
    """The shift that phase correlation finds between (2, 1, h, w), as a homography from the second to the first."""
    height, width = planes.shape[-2:]
    window = torch.hann_window(height)[:, None] * torch.hann_window(width)
    one, other = torch.fft.rfft2(planes[:, 0] * window.to(planes))
    cross = one * other.conj()
    peak = torch.fft.irfft2(cross / (cross.abs() + 1e-6), s=(height, width)).flatten().argmax()
    y, x = divmod(int(peak), width)
    return placed(x - width if x > width // 2 else x, y - height if y > height // 2 else y)


def _likeness(planes: Tensor, found: Tensor) -> float:
    """The correlation of (2, 1, h, w) where both were seen; ``found`` leads from the second to the first."""
    height, width = planes.shape[-2:]
    matrix = in_other_pixels(found, torch.linalg.inv(_halves(height, width)))[None]
    former, present = planes[:1], planes[1:]
    seen = seen_before(matrix, height, width, present) > 0
    if float(seen.float().mean()) < 0.1:
        return -1.0
    one, other = (values - values.mean() for values in (warp(former, matrix, "bilinear")[seen], present[seen]))
    return float((one * other).sum() / (one.norm() * other.norm()).clamp(min=1e-9))
