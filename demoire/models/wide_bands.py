"""Takes wide, faint bands away, for which a network that sees the picture as it is learns next to nothing.

A wave of 20 px and 2/255 is drowned by pixel grids and edges ten times as strong. Averaged over squares of 4 px, less
what is wider than about 64 px and times 16, it is the strongest signal there is.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

DILATIONS = (1, 2, 4, 1, 2, 4, 1, 2)
SQUARE, CELL = 4, 8
"""Sides in pixels of what is averaged, and of what a position of the network stands for."""
WIDE_KERNEL = 9
"""Squares along each side of the two means that are subtracted: a triangle of 64 px."""
CONTRAST, GRID_CONTRAST = 16.0, 10.0


class _DilatedBlock(nn.Module):
    """A dilated 3x3 convolution and a 1x1 one, which starts at zero, beside the identity."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.spread = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.narrow = nn.Conv2d(channels, channels, 1)
        nn.init.zeros_(self.narrow.weight)
        nn.init.zeros_(self.narrow.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.narrow(F.relu_(self.spread(F.relu(x))))
        return result.add_(x)


class WideBands(nn.Module):
    """From a capture and what is restored of it to what to add: smooth, since it is found for squares of 4 px.

    The last layer starts at zero, so an untrained one adds nothing.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3 * 3 * (CELL // SQUARE) ** 2, channels, 3, padding=1)
        self.blocks = nn.Sequential(*[_DilatedBlock(channels, dilation) for dilation in DILATIONS])
        self.head = nn.Conv2d(channels, 3 * (CELL // SQUARE) ** 2, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]

    def forward(self, moire: Tensor, restored: Tensor) -> Tensor:
        """(N, 3, H, W) twice, H and W multiples of ``CELL``, to (N, 3, H, W) in float32."""
        means = F.avg_pool2d(restored.float(), SQUARE)
        bands = torch.tanh(CONTRAST * (means - _smooth(means)))
        finest = moire - F.interpolate(F.avg_pool2d(moire, 2), scale_factor=2.0, mode="nearest")
        grids = GRID_CONTRAST * F.avg_pool2d(finest.abs(), SQUARE)
        seen = torch.cat([F.pixel_unshuffle(part, CELL // SQUARE) for part in (bands, means - 0.5, grids)], 1)
        found = F.pixel_shuffle(self.head(self.blocks(self.stem(seen))).float(), CELL // SQUARE) / CONTRAST
        return F.interpolate(found, scale_factor=float(SQUARE), mode="bilinear", align_corners=False)


def _smooth(means: Tensor) -> Tensor:
    """Two means over squares of squares, borders left out of them."""
    for _ in range(2):
        means = F.avg_pool2d(means, WIDE_KERNEL, stride=1, padding=WIDE_KERNEL // 2, count_include_pad=False)
    return means


def sight() -> int:
    """How far in pixels an output can see on each side."""
    return CELL * (1 + sum(DILATIONS)) + SQUARE * 2 * (WIDE_KERNEL // 2) + 2 * SQUARE
