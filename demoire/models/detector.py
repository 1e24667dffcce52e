"""A small CNN that says where there is moire, how strong it is, and whether a picture has any."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from demoire.models import periodicity
from demoire.models.base import Needs
from demoire.models.unet import (
    CONTEXT_KERNEL,
    ContextBlock,
    UNet,
    UNetConfig,
    as_unet_config,
    let_through,
    receptive_radius,
)

AMPLITUDE_UNIT = 8.0
"""One unit of the amplitude map, in 1/255."""
_SHOWS, _STEEP = 4.0 / AMPLITUDE_UNIT, 4.0
"""Amplitude from which on moire shows (``training.labels.visible``), and how steeply the logit that it does rises with
the logarithm of its amplitude."""
_HALF = 2
"""How much smaller the picture is in which wide bands are looked for."""
_BAND = 21
"""Side in pixels of the half-size picture of the squares whose mean is taken from it: what is left are bands."""
_MAPS_LEVEL, _MAPS_CELL, _EVIDENCE_CELL = 1, 4, 8
"""Finest level of the CNN whose features make the maps, and sides in pixels of a position of the maps and of the
evidence that they are made of: moire hardly changes from one to the next."""
_FINEST = ("stem.", "encoders.0.", "downs.0.", "ups.0.", "decoders.0.", "head.")
"""Layers of the CNN that read or write its finest level."""
_FINE, _COARSE = 2, 8
"""Squares in pixels over which what would be taken out is averaged before its power is measured: grids, and bands."""
_NEAR, _AROUND, _FAR = 5, 3, 7
"""Sides of the squares over which power is averaged: in positions of the maps, and in those of the evidence, where that
of bands is over both."""
_LEAST_POWER, _LEAST_SHARE, _LEAST_SHOWN = 0.01, 0.003, 0.1
"""In (1/255)^2, of a periodic share, and of how much shows moire: what is added before logarithms are taken."""
_NO_POWER = 1e-6
"""Amplitudes are of at least so much power, in (1/255)^2, so that they can be learnt where there is none."""
_BANDS_SCALE, _EVEN = 3.0, 0.7
"""Weight of the odds of bands, steep so that faint signs of them do not add up to moire, and how much of a window shows
bands of one wave where these odds are even. Were they fitted, one faint band that the maps do not show would flatten
them, and textures, of which some are bands to any eye, would count for more than bands do."""
_WOVEN, _LEAST_OTHER = 3.0, 0.05
"""Weight of how little of a picture itself is periodic, and what is added to that: where a pattern is all there is,
what goes on as a grid does is no sign of moire."""
_SQUARE = 2 * periodicity.STEP
"""Side in pixels of the squares that measures are given for."""
_TOLD = 12
"""Measures that the maps are told."""
_MOST_CORRECTED, _LEAST_BANDS = math.log(2) / 2, 0.5
"""Logarithm of the factor by which the power of what is taken out may be corrected, and how much of the power of what
is periodic in the picture itself counts at least; at most it is one more. Left free, amplitudes become what is usual in
simulated captures, and say little of photos."""


@dataclass(frozen=True)
class DetectorConfig:
    """Widths and depths of ``Detector``.

    Attributes:
        cnn: the restoring network that looks for what is to be taken out.
        evidence: width that the features of all levels from 1/4 of the size on are brought to for the maps.
        evidence_blocks: how often it is looked around then, 24 px farther each time.
        window: side of the windows that are judged, in squares of 64 px; one begins every ``window // 2`` squares.
    """

    cnn: UNetConfig = field(
        default=UNetConfig(
            channels=(16, 48, 96, 128), encoder_blocks=(0, 0, 0, 0), decoder_blocks=(1, 1, 0), context_blocks=2
        )
    )
    evidence: int = 40
    evidence_blocks: int = 3
    window: int = 3

    def __post_init__(self) -> None:
        object.__setattr__(self, "cnn", as_unet_config(self.cnn))
        if not 3 <= len(self.cnn.channels) <= 5:
            raise ValueError("DetectorConfig: its CNN has three to five levels.")


class Detector(nn.Module):
    """A restoring CNN, maps made of its features, and a verdict on what it takes out.

    Moire is what goes on as a grid does among what such a network takes out: its strength and its periodicity together
    tell it from texture, which neither does alone. What a network has learnt in days of restoring holds for photos;
    learning to detect from simulated captures alone it forgets that within minutes, so what it takes out is taught by a
    larger one that restores all the while; the maps teach its features only. Faint wide bands it leaves: of those
    strength and periodicity are measured in the picture at half of its size. The features of all levels are added up
    for the maps (after Lin et al., Feature Pyramid Networks, CVPR 2017) with what was measured at each place, at 1/8 of
    the size, where a wide view costs little. The verdict is given window by window, since moire that covers a corner of
    a large photo would drown in an average over all of it; and by two figures, each in a fully connected layer of its
    own, since more of them learn what holds for simulated captures only: strength and periodicity of what the CNN takes
    out where moire shows, less where the whole picture is one pattern; and how much of the window shows bands that are
    one wave, as woven and printed patterns are not. Amplitudes are what is measured, too: the greater of what the CNN
    takes out and of bands; the maps correct them a little.
    """

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        self.config = config
        self.cnn = UNet(config.cnn)
        evidence = config.evidence
        self.laterals = nn.ModuleList(nn.Conv2d(width, evidence, 1) for width in config.cnn.channels[_MAPS_LEVEL:])
        self.tell = nn.Conv2d(_TOLD, evidence, 1)
        self.context = nn.Sequential(*[ContextBlock(evidence) for _ in range(config.evidence_blocks)])
        self.visibility = nn.Conv2d(evidence, 1, 3, padding=1)
        self.correct = nn.Conv2d(evidence, 2, 1)
        self.by_cnn, self.by_bands = nn.Linear(1, 1), nn.Linear(1, 1)
        self.reset_verdicts()

    def reset_verdicts(self) -> None:
        """Sets them to where fitting begins: two numbers at export, so that probabilities are calibrated."""
        for verdict, weight, bias in (
            (self.by_cnn, 1.0, 0.0),
            (self.by_bands, _BANDS_SCALE, _BANDS_SCALE * math.log(1 / _EVEN - 1)),
        ):
            nn.init.constant_(verdict.weight, weight)
            nn.init.constant_(verdict.bias, bias)
            verdict.requires_grad_(False)

    def begin_with(self, trained: Mapping[str, Tensor]) -> None:
        """Takes the weights of a ``Detector``, or for its CNN those of a ``UNet``, whose finest level may be wider.

        Raises:
            RuntimeError: other widths differ.
        """
        if "visibility.weight" in trained:
            self.load_state_dict(trained)
            return
        own = self.cnn.state_dict()
        fitting = {
            name: value
            for name, value in trained.items()
            if name in own and (own[name].shape == value.shape or not name.startswith(_FINEST))
        }
        self.cnn.begin_with(own | fitting)

    @property
    def needs(self) -> Needs:
        """What the pipeline must give; the halo is the receptive field."""
        multiple = max(self.config.cnn.size_multiple, _HALF * _SQUARE)
        # What the CNN takes is measured around each place, and the maps look on from there.
        seen, periodic = receptive_radius(self.config.cnn), periodicity.periodicity_radius()
        looked = (self.config.evidence_blocks * (CONTEXT_KERNEL // 2) + 1) * _EVIDENCE_CELL
        radius = max(seen + periodic, _HALF * periodic) + looked
        radius = -(-radius // multiple) * multiple
        return Needs(size_multiple=multiple, receptive_field=radius, halo=radius)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Looks at (N, 3, H, W) sRGB in [0, 1], H and W multiples of ``needs.size_multiple``.

        Returns:
            maps (N, 2, H/4, W/4): amplitude of the moire in units of ``AMPLITUDE_UNIT``/255, at least 0, and the logit
            that it is visible; and measures (N, 7, H/64, W/64), by which ``judge`` decides: of what is to be taken out
            the power, in (1/255)^2, and the periodic shares of luma and colour; the shares of one wave in both of the
            picture itself at half of its size; how little of it all is periodic; and how much of the place shows moire.
        """
        features: list[Tensor] = []
        taken, gate = self.cnn.taken(x, features)
        return self.describe(x, taken, gate, features)

    def describe(self, x: Tensor, taken: Tensor, gate: Tensor, features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """What ``forward`` gives, of what its CNN gives (``UNet.taken``), of which only the features learn from it."""
        measured = _measure(x, taken.detach(), gate.detach())
        evidence = self.tell(measured.told(x))
        for lateral, feature in zip(reversed(self.laterals), features, strict=True):
            evidence = evidence + _on_squares(lateral(feature), x, _EVIDENCE_CELL)
        evidence = self.context(evidence)
        size = x.shape[-2] // _MAPS_CELL, x.shape[-1] // _MAPS_CELL
        logit, corrections = (_resized(layer(evidence).float(), size) for layer in (self.visibility, self.correct))
        amplitude = measured.amplitude(x, corrections)
        # What looks like moire, but is too weak to show, is not visible; amplitudes are not bent for the mask's sake.
        visible = torch.minimum(logit, _STEEP * (amplitude.detach() / _SHOWS).log())
        measures = [_on_squares(m, x, _SQUARE) for m in (*measured.judged(), torch.sigmoid(visible))]
        return torch.cat([amplitude, visible], 1), torch.cat(measures, 1)

    def judge(self, measures: Tensor) -> Tensor:
        """The logit that there is moire, for every window of ``forward``'s measures: (N, rows, columns)."""
        # Either of them is enough.
        return torch.logsumexp(self.verdicts(measures), 1)

    def verdicts(self, measures: Tensor) -> Tensor:
        """What is said of every window by what the CNN takes out, and by bands: (N, 2, rows, columns)."""
        pooled = self.windows(measures).permute(0, 2, 3, 1)
        power, taken, own, irregular, shown = torch.split(pooled, [1, 2, 2, 1, 1], -1)
        strength = _logarithm(power, _LEAST_POWER) + _logarithm(taken, _LEAST_SHARE).sum(-1, keepdim=True)
        strength = strength + _logarithm(shown, _LEAST_SHOWN) + _WOVEN * (irregular + _LEAST_OTHER).log()
        bands = torch.logit(shown * own.amax(-1, keepdim=True), _LEAST_SHARE)
        return torch.cat([self.by_cnn(strength), self.by_bands(bands)], -1).permute(0, 3, 1, 2)

    def windows(self, measures: Tensor) -> Tensor:
        """The mean over each window of maps (N, C, H/64, W/64): (N, C, rows, columns)."""
        side = self.config.window
        kernel = (min(side, measures.shape[-2]), min(side, measures.shape[-1]))
        # Rounded up, so that the last rows and columns are judged, too.
        pooled: Tensor = F.avg_pool2d(measures, kernel, max(side // 2, 1), ceil_mode=True)
        return pooled


@dataclass(frozen=True)
class _Measured:
    """What is measured of pictures (N, 3, H, W), and of what their CNN takes out.

    Attributes:
        fine, coarse, softened: power of what is taken out, in (1/255)^2, averaged over small and large squares, and as
            labels see it.
        detail, bands: that of the picture's finest detail, and of what it has of bands at half of its size.
        wave: that of the strongest wave at half of its size.
        shares: how much of what is taken out is periodic, of luma and of colour.
        periodic, waves: the same of the picture at half of its size, and how much of it is one wave.
        irregular: how little of the picture is periodic.
    """

    fine: Tensor
    coarse: Tensor
    softened: Tensor
    detail: Tensor
    bands: Tensor
    wave: Tensor
    shares: list[Tensor]
    periodic: list[Tensor]
    waves: list[Tensor]
    irregular: Tensor

    def told(self, x: Tensor) -> Tensor:
        """Logarithms, for each position of the evidence: (N, 12, H/8, W/8)."""
        size = x.shape[-2] // _EVIDENCE_CELL, x.shape[-1] // _EVIDENCE_CELL
        powers = (self.fine, self.coarse, self.softened, self.detail, self.bands)
        squares = [_on_squares(power, x, _EVIDENCE_CELL) for power in powers]
        near, far = [_mean_around(square, _AROUND) for square in squares], _mean_around(squares[-1], _FAR)
        shares = [_resized(share, size) for share in (*self.shares, *self.periodic)]
        told = (
            _logarithm(torch.cat([*near, far, _resized(self.wave, size)], 1), _LEAST_POWER),
            _logarithm(torch.cat(shares, 1), _LEAST_SHARE),
            _logarithm(_resized(self.irregular, size), _LEAST_OTHER),
        )
        return torch.cat(told, 1)

    def amplitude(self, x: Tensor, corrections: Tensor) -> Tensor:
        """The greater of what is taken out and of bands: (N, 1, H/4, W/4) in units of ``AMPLITUDE_UNIT``/255.

        Args:
            corrections: (N, 2, H/4, W/4), of both, from minus to plus infinity.
        """
        size = (corrections.shape[-2], corrections.shape[-1])
        taken, bands = (_mean_around(_on_squares(p, x, _MAPS_CELL), _NEAR) for p in (self.softened, self.bands))
        correcting, banded = torch.split(corrections, 1, 1)
        # Edges and letters have the power of bands, too, but no wave of that power.
        periodic = bands * torch.maximum(*[_resized(share, size) for share in self.periodic])
        own = torch.minimum(periodic, _resized(self.wave, size)) * (_LEAST_BANDS + torch.sigmoid(banded))
        return _amplitude(torch.maximum(taken * (_MOST_CORRECTED * torch.tanh(correcting)).exp(), own))

    def judged(self) -> list[Tensor]:
        """By what the verdict is given, beside how much shows moire."""
        return [self.fine, *self.shares, *self.waves, self.irregular]


def _measure(x: Tensor, taken: Tensor, gate: Tensor) -> _Measured:
    """Of pictures and ``UNet.taken``."""
    added, half = let_through(taken, gate), F.avg_pool2d(x, _HALF)
    both = [_on_squares(plane, x, _SQUARE) for plane in _shares(half, _HALF, periodicity.wave_shares)]
    return _Measured(
        fine=_power(added, _FINE),
        coarse=_power(added, _COARSE),
        softened=_power(_banded(_softened(added)), 1),
        detail=_detail(x, half),
        bands=_power(_banded(half), 1),
        wave=periodicity.wave_power(half) * 255**2,
        shares=_shares(F.pixel_shuffle(taken, 2), 1, periodicity.periodic_shares),
        periodic=[plane[:, :1] for plane in both],
        waves=[plane[:, 1:] for plane in both],
        irregular=1 - periodicity.regularity(x),
    )


def _power(added: Tensor, side: int) -> Tensor:
    """(N, 1, H / side, W / side): the mean of the colours' power, in (1/255)^2, once averaged over squares."""
    return (F.avg_pool2d(added, side) * 255).square().mean(1, keepdim=True)


def _detail(picture: Tensor, half: Tensor) -> Tensor:
    """Power of all that squares of two pixels have beside their mean, in (1/255)^2: (N, 1, H / 2, W / 2)."""
    variance = F.avg_pool2d(picture.square(), _HALF) - half.square()
    return (variance.clamp(min=0) * 255**2).mean(1, keepdim=True)


def _softened(added: Tensor) -> Tensor:
    """Blurred by about 1 px, as where the labels look for moire (``simulate.capture.local_rms``), and halved."""
    binomial = added.new_tensor([1.0, 3.0, 3.0, 1.0]) / 8
    return _filtered(added, binomial[:, None] * binomial, (1, 1), _HALF)


def _banded(half: Tensor) -> Tensor:
    """A picture at half of its size, less its mean around each place, which is about a blur by 12 px."""
    return half - _mean_around(half, _BAND)


def _amplitude(power: Tensor) -> Tensor:
    """In units of ``AMPLITUDE_UNIT``/255, of a sine of that power in (1/255)^2."""
    return (2 * power.float().clamp(min=_NO_POWER)).sqrt() / AMPLITUDE_UNIT


def _resized(share: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(share, size, mode="bilinear", align_corners=False)


def _shares(picture: Tensor, scale: int, measure: Callable[[Tensor, periodicity.View, int], Tensor]) -> list[Tensor]:
    """What is measured of both planes, about (N, C, H / 64, W / 64): the mean of nine windows that lie side by side.

    Args:
        picture: or what is taken out of it, reduced by ``scale``.
        measure: ``periodicity.periodic_shares`` or ``periodicity.wave_shares``.
    """
    every = _SQUARE // periodicity.STEP // scale
    shares = [measure(picture, view, every) for view in periodicity.VIEWS]
    return [F.avg_pool2d(share, 3, 1, 1, count_include_pad=False) for share in shares]


def _mean_around(values: Tensor, side: int) -> Tensor:
    """Over squares of an odd ``side``, as far as they lie within: down, then across, which costs less than at once."""
    return _mean_along(_mean_along(values, (side, 1)), (1, side))


def _mean_along(values: Tensor, sides: tuple[int, int]) -> Tensor:
    """Means of rows or columns, of which one of the ``sides`` tells how many: four times as fast as pooling."""
    kernel, padding = values.new_ones(sides), (sides[0] // 2, sides[1] // 2)
    lengths = [length if side > 1 else 1 for length, side in zip(values.shape[-2:], sides, strict=True)]
    within = _filtered(values.new_ones(1, 1, *lengths), kernel, padding)
    return _filtered(values, kernel, padding) / within


def _filtered(values: Tensor, kernel: Tensor, padding: tuple[int, int], stride: int = 1) -> Tensor:
    """Each channel by the same ``kernel``; never in bfloat16, whose rounding would be taken for bands."""
    channels = values.shape[1]
    packed = values.contiguous(memory_format=torch.channels_last)  # ten times as fast
    with torch.autocast(values.device.type, enabled=False):
        return F.conv2d(packed, kernel.expand(channels, 1, *kernel.shape), None, stride, padding, 1, channels)


def _on_squares(values: Tensor, picture: Tensor, side: int) -> Tensor:
    """Maps of a picture, averaged over or repeated on squares of ``side`` of its pixels."""
    squares: Tensor = F.adaptive_avg_pool2d(values, (picture.shape[-2] // side, picture.shape[-1] // side))
    return squares


def _logarithm(values: Tensor, least: float) -> Tensor:
    """Half of it for powers, so that of an amplitude; steps of about 1."""
    return (values + least).log() / 2
