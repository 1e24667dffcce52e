"""Coring: what is faint in every octave of an image, as the last of wide bands is, is taken out; the rest stays.

After Rossi, Digital techniques for reducing television noise (SMPTE Journal 87, 1978), and Simoncelli and Adelson,
Noise removal via Bayesian wavelet coring (ICIP 1996): content of natural images is sparse, so an octave is strong
where it shows content, and faint where it shows next to none. What a network leaves of wide bands is faint
everywhere around. Energy decides here, not single values: the edges of a wave that is strong enough stay whole.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

LEVELS = 4
"""Octaves, those of a Laplacian pyramid (Burt and Adelson, 1983); bands of about 60 px and more are beyond them."""
SIZE_MULTIPLE: int = 2**LEVELS
"""What an image's sides must be multiples of."""
_STEEPNESS = 2.0
_FINE_LEVELS, _WIDE_CHROMA = 2, 0.3
"""From the third octave on the threshold of chroma is that share of itself: faint wide differences of colour are
content more often than moire, which is mostly grey there."""


def core(image: Tensor, share: Tensor, thresholds: tuple[float, float]) -> Tensor:
    """Takes what is fainter than the thresholds out of an image.

    Args:
        image: (N, 3, H, W) in [0, 1], beyond which nothing is looked at; H and W multiples of ``SIZE_MULTIPLE``.
        share: (N, 1, h, w) in [0, 1], how much of it is taken out where; h and w are those of the image divided by a
            power of two.
        thresholds: RMS in 1/255 at which half of an octave is taken out, of luma and of chroma; of chroma in wide
            octaves it is lower.

    Returns:
        (N, 3, H, W).
    """
    with torch.autocast(image.device.type, enabled=False):
        finer, share, faint = image.float().clamp(0, 1).contiguous(), share.float(), []
        for level in range(LEVELS):
            coarser = F.avg_pool2d(_blur(finer), 2)
            octave = finer.sub_(_resized(coarser, finer))
            chroma = thresholds[1] * (1 if level < _FINE_LEVELS else _WIDE_CHROMA)
            faint.append(_faint_part(octave, share, (thresholds[0], chroma)))
            finer = coarser
        return image - _sum_of_octaves(faint)


def _faint_part(octave: Tensor, share: Tensor, thresholds: tuple[float, float]) -> Tensor:
    """What is to be taken out of an octave (N, 3, h, w): 1 / (1 + (RMS / threshold)^4) of it where all of it may be.

    It stands where the octave stood, which is gone then: at full size each copy counts.
    """
    luma = octave.mean(1, keepdim=True)
    chroma = octave.sub_(luma)
    # The luma stands for three equal channels.
    power = torch.cat([luma.square(), chroma.square().mean(1, keepdim=True)], 1)
    limits = power.new_tensor(thresholds).div(255).square().view(1, 2, 1, 1)
    relative = _blur(F.avg_pool2d(power, 2)).div_(limits)
    weight = _resized(_resized(share, relative) / (1 + relative**_STEEPNESS), octave)
    return chroma.mul_(weight[:, 1:]).add_(luma.mul_(weight[:, :1]))


def _sum_of_octaves(octaves: Sequence[Tensor]) -> Tensor:
    """Their sum at the size of the first, the finest."""
    total = octaves[-1]
    for finer in reversed(octaves[:-1]):
        total = finer + _resized(total, finer)
    return total


def _blur(image: Tensor) -> Tensor:
    """Means of 3x3 pixels, twice; borders are repeated. Sums of shifted images, which no convolution is as fast as."""
    image = F.pad(image, (2, 2, 2, 2), "replicate")
    for _ in range(2):
        image = (image[..., :-2, :] + image[..., 1:-1, :]).add_(image[..., 2:, :])
    for _ in range(2):
        image = (image[..., :-2] + image[..., 1:-1]).add_(image[..., 2:])
    return image.mul_(1 / 81)


def _resized(image: Tensor, like: Tensor) -> Tensor:
    """At the size of ``like``: means of what is larger, what is smaller interpolated."""
    size = (like.shape[-2], like.shape[-1])
    if image.shape[-1] > size[1]:
        return F.adaptive_avg_pool2d(image, size)
    return F.interpolate(image, size, mode="bilinear", align_corners=False)


def coring_radius() -> int:
    """How far in pixels an output of ``core`` can see on each side."""
    # In an octave's own pixels: its blur, that it is halved and grows again; then the same of its power at half size.
    octave, power = 2 + 1 + 2, 2 * 2 + 1 + 2
    # Octaves' pixels are 1, 2, 4, ... of the image's; the widest octave's power is seen last.
    return octave * (SIZE_MULTIPLE - 1) + power * SIZE_MULTIPLE // 2
