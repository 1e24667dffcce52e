"""Losses between restored and clean images, both (N, 3, H, W) in [0, 1]."""

from collections.abc import Callable, Mapping

import torch.nn.functional as F
from torch import Tensor

SCALES = (1, 2, 4, 8, 16)


def l1(restored: Tensor, clean: Tensor) -> Tensor:
    """Mean absolute difference."""
    return (restored - clean).abs().mean()


def pyramid_l1(restored: Tensor, clean: Tensor) -> Tensor:
    """Sum of the mean absolute differences of both images averaged over squares of 1, 2, 4, 8 and 16 px.

    Noise and misplaced edges average out, bands do not: each coarser term weighs what is seen as moire more.
    """
    difference = restored - clean
    total = difference.abs().mean()
    for side in SCALES[1:]:
        total = total + F.avg_pool2d(difference, side).abs().mean()
    return total


LOSSES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {"l1": l1, "pyramid_l1": pyramid_l1}
