"""A small CNN that says where there is moire, how strong it is, and whether a picture has any."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from demoire.models import periodicity
from demoire.models.base import Needs
from demoire.models.unet import UNet, UNetConfig, as_unet_config, let_through, receptive_radius

AMPLITUDE_UNIT = 8.0
"""One unit of the amplitude map, in 1/255."""
WIDE = 2
"""How much smaller the picture is in which wide bands are looked for."""
_MAPS_CELL = 4
"""Side in pixels of one position of the maps."""
LEAK = 0.1
"""Slope below zero of the new layers: plain rectifiers died in training."""
_FINE, _COARSE = 2, 8
"""Squares in pixels over which what would be taken out is averaged before its power is measured: grids, and bands."""
_NEAR, _FAR = 5, 15
"""Sides of the squares, in positions of the maps, over which power is averaged: of what either network takes out, and
of wide bands."""
_LEAST_POWER, _LEAST_SHARE = 0.01, 0.003
"""In (1/255)^2, and of a periodic share: what is added before logarithms are taken."""
_SQUARE = 2 * periodicity.STEP
"""Side in pixels of the squares that measures are given for."""
_MEASURES = 3
"""Of each network: power, and the periodic shares of luma and colour."""
_STRONGEST = 256 / AMPLITUDE_UNIT


@dataclass(frozen=True)
class DetectorConfig:
    """Widths and depths of ``Detector``.

    Attributes:
        cnn: the restoring network that looks for what is to be taken out.
        wide: the detector's own, smaller one, which looks at half of the size for wide bands.
        evidence: width that the features of all levels from 1/4 of the size on are brought to for the maps.
        window: side of the windows that are judged, in squares of 64 px; they overlap by half.
    """

    cnn: UNetConfig = field(default=UNetConfig(encoder_blocks=(0, 0, 0, 1), decoder_blocks=(1, 1, 0)))
    wide: UNetConfig = field(
        default=UNetConfig(channels=(16, 32, 48, 64), encoder_blocks=(0, 0, 0, 0), decoder_blocks=(1, 1, 0), leak=LEAK)
    )
    evidence: int = 32
    window: int = 2

    def __post_init__(self) -> None:
        for name in ("cnn", "wide"):
            object.__setattr__(self, name, as_unet_config(getattr(self, name)))
            if not 3 <= len(getattr(self, name).channels) <= 5:
                raise ValueError("DetectorConfig: its CNNs have three to five levels.")


class Findings(NamedTuple):
    """What ``Detector.look`` gives.

    Attributes:
        maps, measures: see ``Detector.forward``.
        added: (N, 3, H/2, W/2), what the network for wide bands would add to the picture at half of its size.
        gate: (N, 1, h, w), logits of that network's gate.
    """

    maps: Tensor
    measures: Tensor
    added: Tensor
    gate: Tensor


class Detector(nn.Module):
    """Two restoring CNNs, maps made of their features, and a verdict on what they take out.

    Moire is what goes on as a grid does among what such a network takes out: its strength and its periodicity together
    tell it from texture, which neither does alone. What the first network has learnt in days of restoring holds for
    photos; learning to detect from simulated captures it forgets that within minutes, so it stays as it is. Faint wide
    bands it leaves: those a smaller network learns to take out of the picture at half of its size. The features of both
    are added up for the maps (after Lin et al., Feature Pyramid Networks, CVPR 2017). The verdict is given window by
    window, since moire that covers a corner of a large photo would drown in an average over all of it; and by few
    measures in one fully connected layer for either network, since more of any of these learn what holds for simulated
    captures only.
    """

    calibration: Tensor

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        self.config = config
        self.cnn, self.wide = UNet(config.cnn), UNet(config.wide)
        self.cnn.requires_grad_(False)
        evidence = config.evidence
        widths = (*config.cnn.channels[:0:-1], *config.wide.channels[:0:-1])
        self.laterals = nn.ModuleList(nn.Conv2d(width, evidence, 1) for width in widths)
        self.tell = nn.Conv2d(4, evidence, 1)
        self.smooth = nn.Conv2d(evidence, evidence, 3, padding=1)
        self.maps = nn.Conv2d(evidence, 2, 3, padding=1)
        # Of either network its measures, and how much of the place shows moire.
        self.by_cnn, self.by_wide = nn.Linear(_MEASURES + 1, 1), nn.Linear(_MEASURES + 1, 1)
        # Scale and shift of the verdict's logit, set at export so that probabilities are calibrated.
        self.register_buffer("calibration", torch.tensor([1.0, 0.0]))

    def begin_with(self, trained: Mapping[str, Tensor]) -> None:
        """Takes the weights of a ``Detector``, or for its CNN those of a ``UNet`` of the same widths.

        Raises:
            RuntimeError: the widths differ.
        """
        if "maps.weight" in trained:
            self.load_state_dict(trained)
        else:
            self.cnn.begin_with(trained)

    @property
    def needs(self) -> Needs:
        """What the pipeline must give; the halo is the receptive field."""
        multiple = max(self.config.cnn.size_multiple, WIDE * self.config.wide.size_multiple, WIDE * _SQUARE)
        # What the CNNs take is measured around each place, and the maps look on from there.
        radius = max(receptive_radius(self.config.cnn), WIDE * receptive_radius(self.config.wide))
        radius += WIDE * periodicity.periodicity_radius()
        radius = -(-radius // multiple) * multiple
        return Needs(size_multiple=multiple, receptive_field=radius, halo=radius)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Looks at (N, 3, H, W) sRGB in [0, 1], H and W multiples of ``needs.size_multiple``.

        Returns:
            maps (N, 2, H/4, W/4): amplitude of the moire in units of ``AMPLITUDE_UNIT``/255, at least 0, and the logit
            that it is visible; and measures (N, 7, H/64, W/64), by which ``judge`` decides: of the CNN and of the
            network for wide bands the power of what is to be taken out, in (1/255)^2, and the periodic shares of both
            its planes; and how much of the place shows moire.
        """
        found = self.look(x)
        return found.maps, found.measures

    def look(self, x: Tensor) -> Findings:
        """As ``forward``, and what the network for wide bands makes of the picture."""
        features: list[Tensor] = []
        with torch.no_grad():
            taken, gate = self.cnn.taken(x, features)
            added = let_through(taken, gate)
        wide_taken, wide_gate = self.wide.taken(F.avg_pool2d(x, WIDE), features)
        wide_added = let_through(wide_taken, wide_gate)
        fine, coarse, bands = _power(added, _FINE), _power(added, _COARSE), _power(wide_added.detach(), _FINE // WIDE)
        near, far = (_mean_around(_on_squares(bands, x, _MAPS_CELL), side) for side in (_NEAR, _FAR))
        powers = [*(_mean_around(_on_squares(power, x, _MAPS_CELL), _NEAR) for power in (fine, coarse)), near, far]
        evidence = self._evidence(features) + self.tell(_logarithm(torch.cat(powers, 1), _LEAST_POWER))
        maps = self.maps(_activated(self.smooth(_activated(evidence)))).float()
        amplitude, logit = maps[:, :1].clamp(max=math.log(_STRONGEST)).exp(), maps[:, 1:]
        # The verdict teaches neither what is visible nor what to take out.
        measures = [fine, *_shares(taken, 1), bands, *_shares(wide_taken.detach(), WIDE), torch.sigmoid(logit.detach())]
        measured = torch.cat([_on_squares(measure, x, _SQUARE) for measure in measures], 1)
        return Findings(torch.cat([amplitude, logit], 1), measured, wide_added, wide_gate)

    def _evidence(self, features: list[Tensor]) -> Tensor:
        """The features, brought to one width, added up from the coarsest to the finest: (N, C, H/4, W/4)."""
        levels: dict[int, Tensor] = {}
        for lateral, feature in zip(self.laterals, features, strict=True):
            height, value = feature.shape[-2], lateral(feature)
            levels[height] = levels[height] + value if height in levels else value
        coarsest, *finer = (levels[height] for height in sorted(levels))
        evidence: Tensor = coarsest
        for level in finer:
            evidence = F.interpolate(evidence, (level.shape[-2], level.shape[-1]), mode="nearest") + level
        return evidence

    def judge(self, measures: Tensor) -> Tensor:
        """The calibrated logit that there is moire, for every window of ``forward``'s measures: (N, rows, columns)."""
        return torch.logsumexp(self.verdicts(measures), 1) * self.calibration[0] + self.calibration[1]

    def verdicts(self, measures: Tensor) -> Tensor:
        """What each network's measures say of every window, not calibrated: (N, 2, rows, columns)."""
        pooled = self.windows(measures)
        logits = []
        for number, verdict in enumerate((self.by_cnn, self.by_wide)):
            own = pooled[:, number * _MEASURES : (number + 1) * _MEASURES]
            inputs = [_logarithm(own[:, :1], _LEAST_POWER), _logarithm(own[:, 1:], _LEAST_SHARE), pooled[:, -1:]]
            logits.append(verdict(torch.cat(inputs, 1).permute(0, 2, 3, 1))[..., 0])
        return torch.stack(logits, 1)

    def windows(self, measures: Tensor) -> Tensor:
        """The mean over each window of maps (N, C, H/64, W/64): (N, C, rows, columns)."""
        side = self.config.window
        kernel = (min(side, measures.shape[-2]), min(side, measures.shape[-1]))
        # Rounded up, so that the last rows and columns are judged, too.
        pooled: Tensor = F.avg_pool2d(measures, kernel, max(side // 2, 1), ceil_mode=True)
        return pooled


def _activated(feature: Tensor) -> Tensor:
    return F.leaky_relu(feature, LEAK)


def _power(added: Tensor, side: int) -> Tensor:
    """(N, 1, H / side, W / side): the mean of the colours' power, in (1/255)^2, once averaged over squares."""
    return (F.avg_pool2d(added, side) * 255).square().mean(1, keepdim=True)


def _shares(taken: Tensor, scale: int) -> list[Tensor]:
    """Of both planes, about (N, 1, H / 64, W / 64), each the mean of nine windows that lie side by side.

    Args:
        taken: ``UNet.taken`` of a picture that was reduced by ``scale``.
    """
    every = _SQUARE // periodicity.STEP // scale
    shares = [periodicity.periodic_shares(F.pixel_shuffle(taken, 2), view, every) for view in periodicity.VIEWS]
    return [F.avg_pool2d(share, 3, 1, 1, count_include_pad=False) for share in shares]


def _mean_around(values: Tensor, side: int) -> Tensor:
    return F.avg_pool2d(values, side, 1, side // 2, count_include_pad=False)


def _on_squares(values: Tensor, picture: Tensor, side: int) -> Tensor:
    """Maps of a picture, averaged over or repeated on squares of ``side`` of its pixels."""
    squares: Tensor = F.adaptive_avg_pool2d(values, (picture.shape[-2] // side, picture.shape[-1] // side))
    return squares


def _logarithm(values: Tensor, least: float) -> Tensor:
    """Half of it for powers, so that of an amplitude; steps of about 1."""
    return (values + least).log() / 2
