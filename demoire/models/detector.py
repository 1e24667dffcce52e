"""A small CNN that says where there is moire, how strong it is, and whether a picture has any."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from demoire.models.base import Needs
from demoire.models.unet import CONTEXT_KERNEL, ContextBlock, ResidualBlock

#: Slope below zero of the new layers: plain rectifiers died in training.
_LEAK = 0.1
#: One unit of the amplitude map, in 1/255.
AMPLITUDE_UNIT = 8.0


@dataclass(frozen=True)
class DetectorConfig:
    """Widths and depths of ``Detector``; level i works at 1/2^(i+1) of the picture's size.

    Attributes:
        channels: width of each level, the finest first; as those of the restoring ``UNet``, whose weights it can begin
            with.
        blocks, context_blocks: residual blocks, and ones with a wide view, of the coarsest level.
        evidence: width of the features that all levels from 1/4 on are brought to before they are added for the maps.
        hidden: width of the fully connected layer.
        window: side of the windows that are judged, in positions of the coarsest level; they overlap by half.
    """

    channels: tuple[int, ...] = (24, 48, 96, 128)
    blocks: int = 1
    context_blocks: int = 2
    evidence: int = 24
    hidden: int = 64
    window: int = 16

    def __post_init__(self) -> None:
        if len(self.channels) < 3:
            raise ValueError("DetectorConfig: at least three levels.")


class Detector(nn.Module):
    """Convolutions down to a coarse level, a pyramid up to 1/4 for the maps, pooling and full connections for verdicts.

    After Lin et al., Feature Pyramid Networks (CVPR 2017) for the maps. The verdict is given window by window, since
    moire that covers a corner of a large photo would drown in an average over all of it.
    """

    calibration: Tensor

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        self.config = config
        channels, evidence = config.channels, config.evidence
        self.stem = nn.Conv2d(12, channels[0], 3, padding=1)
        self.downs = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairwise(channels))
        self.bottom = nn.Sequential(*[ResidualBlock(channels[-1]) for _ in range(config.blocks)])
        self.context = nn.Sequential(*[ContextBlock(channels[-1]) for _ in range(config.context_blocks)])
        self.laterals = nn.ModuleList(nn.Conv2d(c, evidence, 1) for c in channels[1:])
        self.smooth = nn.Conv2d(evidence, evidence, 3, padding=1)
        self.maps = nn.Conv2d(evidence, 2, 3, padding=1)
        self.hidden = nn.Linear(2 * (channels[-1] + 2), config.hidden)
        self.verdict = nn.Linear(config.hidden, 1)
        # Scale and shift of the verdict's logit, set at export so that probabilities are calibrated.
        self.register_buffer("calibration", torch.tensor([1.0, 0.0]))

    def begin_with(self, trained: Mapping[str, Tensor]) -> None:
        """Takes the weights of a ``Detector``, or the way down of a ``UNet`` of the same widths, which knows moire.

        Raises:
            RuntimeError: the widths differ.
        """
        if "verdict.weight" in trained:
            self.load_state_dict(trained)
            return
        coarsest = f"encoders.{len(self.config.channels) - 1}."
        own = self.state_dict()
        for name, value in trained.items():
            mine = name.replace(coarsest, "bottom.")
            if mine.startswith(("stem.", "downs.", "bottom.", "context.")) and mine in own:
                own[mine] = value
        self.load_state_dict(own)

    @property
    def needs(self) -> Needs:
        """What the pipeline must give; the halo is the receptive field."""
        radius = receptive_radius(self.config)
        return Needs(size_multiple=2 ** len(self.config.channels), receptive_field=radius, halo=radius)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Looks at (N, 3, H, W) sRGB in [0, 1], H and W multiples of ``needs.size_multiple``.

        Returns:
            maps (N, 2, H/4, W/4): amplitude of the moire in units of ``AMPLITUDE_UNIT``/255, at least 0, and the logit
            that it is visible; and the features (N, C, H/m, W/m) of the coarsest level, for ``judge``, the last two of
            which are means of amplitude and visibility: what each place has been taught tells most of the whole.
        """
        feature = self.stem(F.pixel_unshuffle(x, 2))
        features: list[Tensor] = []
        for down in self.downs:
            feature = F.relu(down(feature))
            features.append(feature)
        features[-1] = feature = self.context(self.bottom(feature))
        evidence: Tensor = self.laterals[-1](feature)
        for lateral, skip in zip(reversed(self.laterals[:-1]), reversed(features[:-1]), strict=True):
            evidence = F.interpolate(evidence, scale_factor=2, mode="nearest") + lateral(skip)
        maps = self.maps(_activated(self.smooth(_activated(evidence)))).float()
        amplitude, logit = F.softplus(maps[:, :1]), maps[:, 1:]
        told = F.avg_pool2d(torch.cat([amplitude, torch.sigmoid(logit)], 1), maps.shape[-1] // feature.shape[-1])
        return torch.cat([amplitude, logit], 1), torch.cat([feature.float(), told], 1)

    def judge(self, features: Tensor) -> Tensor:
        """The calibrated logit that there is moire, for every window of ``forward``'s features: (N, rows, columns)."""
        pooled = torch.cat([self.windows(features), self.windows(features, largest=True)], 1).permute(0, 2, 3, 1)
        logits: Tensor = self.verdict(_activated(self.hidden(pooled)))[..., 0]
        return logits * self.calibration[0] + self.calibration[1]

    def windows(self, features: Tensor, largest: bool = False) -> Tensor:
        """Mean (or maximum) over each window of maps (N, C, H/m, W/m) at the coarsest level: (N, C, rows, columns)."""
        side = self.config.window
        kernel = (min(side, features.shape[-2]), min(side, features.shape[-1]))
        pool = F.max_pool2d if largest else F.avg_pool2d
        # Rounded up, so that the last rows and columns are judged, too.
        pooled: Tensor = pool(features, kernel, max(side // 2, 1), ceil_mode=True)
        return pooled


def _activated(feature: Tensor) -> Tensor:
    return F.leaky_relu(feature, _LEAK)


def receptive_radius(config: DetectorConfig) -> int:
    """How far in pixels an output of ``Detector.forward`` can see on each side, rounded up to the size multiple."""
    radius = 2 + 4 * 2  # stem; smoothing and the maps' convolution
    for level in range(1, len(config.channels)):
        # A strided convolution reaches one pixel of the level above; nearest-neighbour enlargement less than one.
        radius += 2**level + 2 ** (level + 1)
    coarsest = 2 ** len(config.channels)
    radius += coarsest * (2 * config.blocks + CONTEXT_KERNEL // 2 * config.context_blocks)
    rounded: int = -(-radius // coarsest) * coarsest
    return rounded
