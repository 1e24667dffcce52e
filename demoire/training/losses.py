"""Losses between restored and clean images, both (N, 3, H, W) in [0, 1]."""

from collections.abc import Callable, Mapping

import torch.nn.functional as F
from torch import Tensor

SCALES = (1, 2, 4, 8, 16)
OWN_TARGET = 1 / 255
SHOWS = 6 / 255


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


def gate_loss(logits: Tensor, moire: Tensor, clean: Tensor) -> Tensor:
    """Cross entropy of a gate's logits (N, 1, h, w): closed where the input is its own target, open where moire shows.

    Where a capture differs from its target by little, noise or weak moire, the gate is left to the other losses.
    """
    side = moire.shape[-1] // logits.shape[-1]
    own_target = (moire - clean).abs().amax((1, 2, 3), keepdim=True) < OWN_TARGET
    smoothed = F.avg_pool2d((moire - clean).abs(), 2).mean(1, keepdim=True)
    shows = F.avg_pool2d(smoothed, side // 2) > SHOWS
    wanted = shows.to(logits.dtype)
    known = (own_target | shows).to(logits.dtype)
    losses = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none") * known
    return losses.sum() / known.sum().clamp(min=1)


LOSSES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {"l1": l1, "pyramid_l1": pyramid_l1}
