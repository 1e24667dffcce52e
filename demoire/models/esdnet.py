"""ESDNet, the field's network for large photos, compatible with the official checkpoints.

Reference: Yu et al., Towards Efficient and Scale-Robust Ultra-High-Definition Image Demoireing, ECCV 2022,
doi:10.1007/978-3-031-19797-0_37. Written from the paper; the attribute names are those of the official state dict.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from demoire.models.base import Needs

_LEVELS = 3
_RESIDUAL_DILATIONS = (1, 2, 1)
_ALIGNED_DILATIONS = (1, 2, 3, 2, 1)
_BOTTLENECK = 4
_SIZE_MULTIPLE = 32  # three levels after the pixel-unshuffle, and a quarter of the size within each


@dataclass(frozen=True)
class ESDNetConfig:
    """Widths of ``ESDNet``.

    Attributes:
        encoder_channels: of the finest encoder level; each further level has twice as many.
        decoder_channels: of every decoder level.
        growth: channels that a dense layer adds.
        alignments: scale-aware modules at each level: 1 in ESDNet, 2 in ESDNet-L.
    """

    encoder_channels: int = 48
    decoder_channels: int = 64
    growth: int = 32
    alignments: int = 1

    def __post_init__(self) -> None:
        if min(self.encoder_channels, self.decoder_channels, self.growth, self.alignments) < 1:
            raise ValueError("ESDNetConfig: every width and depth is at least 1.")
        if 3 * min(self.encoder_channels, self.decoder_channels) < _BOTTLENECK:
            raise ValueError(f"ESDNetConfig: three times each width must be at least {_BOTTLENECK}.")


class Convolution(nn.Module):
    """A convolution that keeps the size, with its ReLU where ``relu``."""

    def __init__(self, source: int, target: int, kernel: int, dilation: int = 1, relu: bool = True) -> None:
        super().__init__()
        conv = nn.Conv2d(source, target, kernel, padding=dilation * (kernel // 2), dilation=dilation)
        self.conv = nn.Sequential(conv, nn.ReLU()) if relu else conv

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.conv(x)
        return result


class DenseBlock(nn.Module):
    """Dilated convolutions that each see all features before them, fused by a 1x1 convolution."""

    def __init__(self, channels: int, growth: int, dilations: Sequence[int]) -> None:
        super().__init__()
        widths = [channels + growth * index for index in range(len(dilations) + 1)]
        self.conv_layers = nn.ModuleList(
            Convolution(width, growth, 3, dilation) for width, dilation in zip(widths, dilations, strict=False)
        )
        self.conv_post = Convolution(widths[-1], channels, 1, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.conv_layers:
            x = torch.cat((layer(x), x), 1)
        result: Tensor = self.conv_post(x)
        return result


class ScaleFusion(nn.Module):
    """Weighs three pictures of one scene by what their global averages say."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = channels // _BOTTLENECK
        self.compress1 = nn.Conv2d(channels, narrow, 1)
        self.compress2 = nn.Conv2d(narrow, narrow, 1)
        self.excitation = nn.Conv2d(narrow, channels, 1)

    def forward(self, scales: Sequence[Tensor]) -> Tensor:
        averages = torch.cat([scale.mean((2, 3), keepdim=True) for scale in scales], 1)
        hidden = F.relu(self.compress2(F.relu(self.compress1(averages))))
        weights = torch.sigmoid(self.excitation(hidden)).chunk(len(scales), 1)
        fused = scales[0] * weights[0]
        for scale, weight in zip(scales[1:], weights[1:], strict=True):
            fused = fused + scale * weight
        return fused


class AlignedScales(nn.Module):
    """The semantic-aligned scale-aware module: dense blocks at 1, 1/2, 1/4 of the size, fused and added."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.basic_block = DenseBlock(channels, growth, _ALIGNED_DILATIONS)
        self.basic_block_2 = DenseBlock(channels, growth, _ALIGNED_DILATIONS)
        self.basic_block_4 = DenseBlock(channels, growth, _ALIGNED_DILATIONS)
        self.fusion = ScaleFusion(3 * channels)

    def forward(self, x: Tensor) -> Tensor:
        scales = [self.basic_block(x)]
        for factor, block in ((2, self.basic_block_2), (4, self.basic_block_4)):
            scales.append(_resize(block(_resize(x, 1 / factor)), factor))
        result: Tensor = x + self.fusion(scales)
        return result


class Level(nn.Module):
    """A residual dense block and the scale-aware modules after it."""

    def __init__(self, channels: int, config: ESDNetConfig) -> None:
        super().__init__()
        self.rdb = DenseBlock(channels, config.growth, _RESIDUAL_DILATIONS)
        self.sam_blocks = nn.ModuleList(AlignedScales(channels, config.growth) for _ in range(config.alignments))

    def refine(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape, H and W multiples of 4."""
        x = x + self.rdb(x)
        for block in self.sam_blocks:
            x = block(x)
        return x


class EncoderLevel(Level):
    """Gives its feature; ``down`` halves the size and doubles the channels for the next level."""

    def __init__(self, channels: int, config: ESDNetConfig, last: bool) -> None:
        super().__init__(channels, config)
        if not last:
            self.down = nn.Sequential(nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1), nn.ReLU())


class DecoderLevel(Level):
    """Gives its feature; ``conv`` makes a picture of it, at twice the size."""

    def __init__(self, channels: int, config: ESDNetConfig) -> None:
        super().__init__(channels, config)
        self.conv = Convolution(channels, 12, 3, relu=False)


class Encoder(nn.Module):
    """From the picture to a feature of each level, the finest first."""

    def __init__(self, config: ESDNetConfig) -> None:
        super().__init__()
        width = config.encoder_channels
        self.conv_first = nn.Sequential(nn.Conv2d(12, width, 5, padding=2), nn.ReLU())
        self.encoder_1 = EncoderLevel(width, config, last=False)
        self.encoder_2 = EncoderLevel(2 * width, config, last=False)
        self.encoder_3 = EncoderLevel(4 * width, config, last=True)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        first = self.encoder_1.refine(self.conv_first(F.pixel_unshuffle(x, 2)))
        second = self.encoder_2.refine(self.encoder_1.down(first))
        return first, second, self.encoder_3.refine(self.encoder_2.down(second))


class Decoder(nn.Module):
    """From the features to a picture of each level, the largest first."""

    def __init__(self, config: ESDNetConfig) -> None:
        super().__init__()
        source, width = config.encoder_channels, config.decoder_channels
        self.preconv_3 = Convolution(4 * source, width, 3)
        self.decoder_3 = DecoderLevel(width, config)
        self.preconv_2 = Convolution(2 * source + width, width, 3)
        self.decoder_2 = DecoderLevel(width, config)
        self.preconv_1 = Convolution(source + width, width, 3)
        self.decoder_1 = DecoderLevel(width, config)

    def forward(self, first: Tensor, second: Tensor, third: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        third = self.decoder_3.refine(self.preconv_3(third))
        second = self.decoder_2.refine(self.preconv_2(torch.cat((second, _resize(third, 2)), 1)))
        first = self.decoder_1.refine(self.preconv_1(torch.cat((first, _resize(second, 2)), 1)))
        return (
            F.pixel_shuffle(self.decoder_1.conv(first), 2),
            F.pixel_shuffle(self.decoder_2.conv(second), 2),
            F.pixel_shuffle(self.decoder_3.conv(third), 2),
        )


class ESDNet(nn.Module):
    """Three encoder and three decoder levels of dense blocks at aligned scales; gives the clean picture itself.

    Its scale weights come from averages over all it sees, so a tile is not restored exactly as it is in the whole.
    """

    def __init__(self, config: ESDNetConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)

    @property
    def needs(self) -> Needs:
        """What the pipeline must give; the radii leave the global averages out, which no halo can bring back."""
        radius = local_radius(self.config)
        return Needs(size_multiple=_SIZE_MULTIPLE, receptive_field=radius, halo=radius, tiling=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) sRGB in [0, 1] to the same shape, not clipped; any size, as ``scales``."""
        return self.scales(x)[0]

    def scales(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The restored picture at 1, 1/2 and 1/4 of the size (rounded up), each (N, 3, h, w), not clipped.

        Args:
            x: (N, 3, H, W) sRGB in [0, 1]; sizes that are no multiple of 32 are continued by their last row and column.
        """
        height, width = x.shape[-2:]
        padding = (0, -width % _SIZE_MULTIPLE, 0, -height % _SIZE_MULTIPLE)
        padded = F.pad(x, padding, mode="replicate") if any(padding) else x
        full, half, quarter = self.decoder(*self.encoder(padded))
        return (
            full[..., :height, :width],
            half[..., : -(-height // 2), : -(-width // 2)],
            quarter[..., : -(-height // 4), : -(-width // 4)],
        )


def local_radius(config: ESDNetConfig) -> int:
    """How far in pixels an output can see on each side, apart from the global averages; a multiple of 32."""
    # The widest path through a scale-aware module: a quarter of the size, down and up by bilinear interpolation.
    aligned = 4 * (sum(_ALIGNED_DILATIONS) + 2)
    refine = sum(_RESIDUAL_DILATIONS) + config.alignments * aligned
    # Twice refined at every level; stem, strided, first and last convolutions and the way up add under 5 pixels each.
    radius = sum(2 ** (level + 1) * (2 * refine + 5) for level in range(_LEVELS))
    rounded: int = -(-radius // _SIZE_MULTIPLE) * _SIZE_MULTIPLE
    return rounded


def _resize(x: Tensor, factor: float) -> Tensor:
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)
