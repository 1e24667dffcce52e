"""Homographies: (3, 3) matrices that map a pixel (x, y, 1) of one picture to its place in another.

Centres of pixels are whole numbers, that of the first pixel is (0, 0).
"""

import torch
from torch import Tensor


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
    return in_other_pixels(homographies, placed(left, top))


def turned(homographies: Tensor, which: int, side: int) -> Tensor:
    """Of square frames (..., 3, 3) to those of frames turned ``which`` % 4 quarters to the left, as ``numpy.rot90``
    turns (H, W), and then, from 4 on, mirrored from left to right."""
    quarter = torch.tensor([[0, -1, side - 1], [1, 0, 0], [0, 0, 1]], dtype=torch.float64)
    mirror = placed(side - 1, 0, scale_x=-1)
    place = torch.linalg.matrix_power(quarter, which % 4)
    return in_other_pixels(homographies, place @ mirror if which >= 4 else place)


def placed(x: float, y: float, scale_x: float = 1.0, scale_y: float = 1.0) -> Tensor:
    """(3, 3) float64: scales, then moves."""
    return torch.tensor([[scale_x, 0, x], [0, scale_y, y], [0, 0, 1]], dtype=torch.float64)


def in_other_pixels(homographies: Tensor, place: Tensor) -> Tensor:
    """The same homographies (..., 3, 3) for other frames; ``place`` maps a pixel of these to one of the old ones."""
    place = place.to(homographies.device)
    moved: Tensor = torch.linalg.inv(place) @ homographies.double() @ place
    return (moved / moved[..., 2:, 2:]).to(homographies.dtype)
