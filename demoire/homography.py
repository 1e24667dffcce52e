"""Homographies: (3, 3) matrices that map a pixel (x, y, 1) of one picture to its place in another.

Centres of pixels are whole numbers, that of the first pixel is (0, 0).
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def warp(images: Tensor, homographies: Tensor, mode: str = "bilinear") -> tuple[Tensor, Tensor]:
    """Looks at pictures through homographies: pixel p of the result shows what they have at H p.

    Args:
        images: (N, C, H, W).
        homographies: (N, 3, 3), from pixels of the result to pixels of ``images``.
        mode: ``bilinear`` or ``bicubic``.

    Returns:
        (N, C, H, W), edge pixels repeated outside, and (N, 1, H, W) bool: where the place lies inside ``images``.
    """
    height, width = images.shape[-2:]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    pixels = torch.stack((x, y, torch.ones_like(x))).reshape(3, -1).to(images.device, torch.float32)
    at_x, at_y, depth = (homographies.to(pixels) @ pixels).reshape(-1, 3, height, width).unbind(1)
    at_x, at_y = at_x / depth, at_y / depth
    inside = (at_x >= 0) & (at_x <= width - 1) & (at_y >= 0) & (at_y <= height - 1) & (depth > 0)
    grid = torch.stack(((2 * at_x + 1) / width - 1, (2 * at_y + 1) / height - 1), -1).to(images.dtype)
    warped = F.grid_sample(images, grid, mode=mode, padding_mode="border", align_corners=False)
    return warped, inside[:, None]


def between(to_content: Tensor) -> Tensor:
    """From each frame to the one before it.

    Args:
        to_content: (T, 3, 3), from the pixels of each frame to the places of one content.

    Returns:
        (T, 3, 3) of the same type, the lower right element 1; the first is the identity.
    """
    steps = torch.linalg.solve(to_content[:-1], to_content[1:])
    first = torch.eye(3, dtype=to_content.dtype, device=to_content.device)[None]
    return torch.cat((first, steps / steps[:, 2:, 2:]))


def cropped(homographies: Tensor, top: int, left: int) -> Tensor:
    """Of frames (..., 3, 3) to those of crops that all begin at the same ``top`` and ``left``."""
    return _in_other_pixels(homographies, _affine([[1, 0, left], [0, 1, top]]))


def turned(homographies: Tensor, which: int, side: int) -> Tensor:
    """Of square frames (..., 3, 3) to those of frames turned ``which`` % 4 quarters to the left, as ``numpy.rot90``
    turns (H, W), and then, from 4 on, mirrored from left to right."""
    quarter = _affine([[0, -1, side - 1], [1, 0, 0]])
    mirror = _affine([[-1, 0, side - 1], [0, 1, 0]])
    place = torch.linalg.matrix_power(quarter, which % 4)
    return _in_other_pixels(homographies, place @ mirror if which >= 4 else place)


def _affine(rows: list[list[int]]) -> Tensor:
    return torch.tensor([*rows, [0, 0, 1]], dtype=torch.float64)


def _in_other_pixels(homographies: Tensor, place: Tensor) -> Tensor:
    """``place`` maps a pixel of the new frame to its pixel of the old one."""
    moved: Tensor = torch.linalg.inv(place) @ homographies.double() @ place
    return (moved / moved[..., 2:, 2:]).to(homographies.dtype)
