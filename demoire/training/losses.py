"""Losses between restored and clean images, both (N, 3, H, W) in [0, 1]."""

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from demoire.models.discriminator import fine_detail
from demoire.models.unet import let_through

SCALES = (1, 2, 4, 8, 16)
OWN_TARGET = 1 / 255
BANDS_SHOW, GRIDS_SHOW = 1.5 / 255, 5 / 255
FULL_HARM = 6 / 255
LEAST_SQUARE = 1e-3
"""Added to mean squares of amplitudes, in units of the detector's, before logarithms are taken."""


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


def psnr(restored: Tensor, clean: Tensor) -> Tensor:
    """Minus a tenth of the mean PSNR in dB: each image counts by what it gains, however hard it is; none beyond 40 dB.

    As in Chen et al., Simple Baselines for Image Restoration (ECCV 2022). Without that limit clips without any moire,
    where leaving all as it is gains most, would outweigh all others.
    """
    return torch.log10((restored - clean).square().mean((1, 2, 3)) + 1e-4).mean()


def gate_loss(logits: Tensor, moire: Tensor, clean: Tensor) -> Tensor:
    """Cross entropy of a gate's logits (N, 1, h, w): open where moire shows, closed where it would do harm.

    Moire shows where capture and target differ by more than noise, once averaged over 4 px for wide bands or over 2 px
    for grids. Harm is done to pictures that are their own target, the more the more contrast they have; flat areas, on
    which an open gate changes nothing, are left to the other losses, and so are captures with moire too weak to see.
    """
    size = (logits.shape[-2], logits.shape[-1])
    difference = moire - clean
    bands, grids = (F.avg_pool2d(difference, p).abs().mean(1, keepdim=True) for p in (4, 2))
    shows = (F.adaptive_avg_pool2d(bands, size) > BANDS_SHOW) | (F.adaptive_avg_pool2d(grids, size) > GRIDS_SHOW)
    own_target = difference.abs().amax((1, 2, 3), keepdim=True) < OWN_TARGET
    fine = fine_detail(moire).abs().mean(1, keepdim=True)
    harm = (F.adaptive_avg_pool2d(fine, size) / FULL_HARM).clamp(max=1) * own_target
    opening = weighted_mean(F.softplus(-logits), (shows & ~own_target).to(logits.dtype))
    closing = weighted_mean(F.softplus(logits), harm)
    return opening + closing


def imitation_loss(own: tuple[Tensor, Tensor], wanted: tuple[Tensor, Tensor]) -> Tensor:
    """L1 in 1/255 between what two networks take out, before and behind their gates, and cross entropy of the gates.

    Args:
        own, wanted: what ``UNet.taken`` gives, of the one that learns and of its teacher.
    """
    pairs = (own[0], wanted[0]), (let_through(*own), let_through(*wanted))
    apart = sum(((a - b).abs().mean() for a, b in pairs), own[0].new_zeros(()))
    return apart * 255 + F.binary_cross_entropy_with_logits(own[1], torch.sigmoid(wanted[1]))


def strength_loss(found: Tensor, true: Tensor, mask: Tensor) -> Tensor:
    """How far the strengths of pictures, as RMS of their amplitudes over a mask, are apart: L1 of their logarithms.

    Args:
        found, true, mask: (N, 1, h, w) amplitudes of at least 0, and 1 where they count; pictures without that count
            for nothing.
    """
    squares = [(amplitude.square() * mask).sum((1, 2, 3)) for amplitude in (found, true)]
    shown = mask.sum((1, 2, 3))
    logarithms = [(total / shown.clamp(min=1) + LEAST_SQUARE).log() / 2 for total in squares]
    return weighted_mean((logarithms[0] - logarithms[1]).abs(), (shown > 0).to(found.dtype))


def dice_loss(logits: Tensor, mask: Tensor) -> Tensor:
    """One minus the overlap of a mask's logits and the true mask, over the whole batch.

    Milletari et al., V-Net (3DV 2016): cells that are sought count, however many others there are; 1 in both sums keeps
    batches without any finite.
    """
    found = torch.sigmoid(logits)
    return 1 - (2 * (found * mask).sum() + 1) / (found.sum() + mask.sum() + 1)


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Mean by weights of the same shape, which count as at least 1 in all: where all are 0, so is the mean."""
    return (values * weights).sum() / weights.sum().clamp(min=1)


LOSSES: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {"l1": l1, "pyramid_l1": pyramid_l1, "psnr": psnr}
