"""A CNN that says how much a restored picture looks like a real clean one, patch by patch."""

from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from demoire.models.base import Needs

SMALL = 10.0
"""What bands and fine detail are multiplied by: they are a tenth as strong as the picture, and would be learnt last."""


@dataclass(frozen=True)
class DiscriminatorConfig:
    """Widths of ``Discriminator``; level i works at 1/2^(i+1) of the picture's size.

    Attributes:
        channels: width of each level, the finest first.
        hidden: width of the fully connected layer that sees one position of the coarsest level.
    """

    channels: tuple[int, ...] = (32, 64, 128, 192)
    hidden: int = 128

    def __post_init__(self) -> None:
        if len(self.channels) < 2:
            raise ValueError("DiscriminatorConfig: at least two levels.")


class Discriminator(nn.Module):
    """Judges a picture beside the moire photo that it was made from; one logit for each patch.

    Patches after Isola et al., Image-to-Image Translation with Conditional Adversarial Networks (CVPR 2017). The moire
    photo tells what the content is, so that a plausible picture of something else does not pass.
    """

    calibration: Tensor

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.channels
        self.stem = nn.Conv2d(36, channels[0], 3, padding=1)
        self.downs = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairwise(channels))
        self.levels = nn.ModuleList(nn.Conv2d(c, c, 3, padding=1) for c in channels[1:])
        # Fully connected, at each position on its own.
        self.hidden = nn.Conv2d(channels[-1], config.hidden, 1)
        self.verdict = nn.Conv2d(config.hidden, 1, 1)
        # Scale of the logit below and above zero, and shift, set at export so that probabilities are calibrated.
        self.register_buffer("calibration", torch.tensor([1.0, 1.0, 0.0]))

    @property
    def needs(self) -> Needs:
        """What the pipeline must give: two pictures at once; the halo is the receptive field."""
        radius = receptive_radius(self.config)
        return Needs(size_multiple=2 ** len(self.config.channels), receptive_field=radius, halo=radius, frames=2)

    def forward(self, candidate: Tensor, moire: Tensor) -> Tensor:
        """Calibrated logits (N, 1, H/m, W/m) that each patch is of a clean picture.

        Args:
            candidate, moire: (N, 3, H, W) sRGB in [0, 1], H and W multiples of ``needs.size_multiple``.
        """
        views = [2 * candidate - 1, SMALL * (candidate - moire), SMALL * fine_detail(candidate)]
        feature = F.pixel_unshuffle(torch.cat(views, 1), 2)
        feature = F.leaky_relu(self.stem(feature), 0.2)
        for down, level in zip(self.downs, self.levels, strict=True):
            feature = F.leaky_relu(down(feature), 0.2)
            feature = feature + F.leaky_relu(level(feature), 0.2)
        logits: Tensor = self.verdict(F.leaky_relu(self.hidden(feature), 0.2)).float()
        (below, above), (low, high, shift) = sides(logits), self.calibration
        calibrated: Tensor = low * below + high * above + shift
        return calibrated


def sides(logits: Tensor) -> tuple[Tensor, Tensor]:
    """The parts of a logit below and above zero, smoothly: the logarithms of p and of 1 / (1 - p); it is their sum.

    What beta calibration scales (Kull et al., AISTATS 2017).
    """
    return -F.softplus(-logits), F.softplus(logits)


def fine_detail(pictures: Tensor) -> Tensor:
    """What means over 3x3 pixels do not have, (N, C, H, W)."""
    return pictures - F.avg_pool2d(pictures, 3, 1, 1, count_include_pad=False)


def probability(logits: Tensor) -> Tensor:
    """(N,): that whole pictures are clean ones, from the mean of their patches' logits (N, 1, h, w)."""
    return torch.sigmoid(logits.mean((1, 2, 3)))


def receptive_radius(config: DiscriminatorConfig) -> int:
    """How far in pixels a patch's logit can see on each side, rounded up to the size multiple."""
    radius = 2 * 2
    for level in range(1, len(config.channels)):
        radius += 2 ** (level + 1) * 2
    multiple: int = 2 ** len(config.channels)
    rounded: int = -(-radius // multiple) * multiple
    return rounded
