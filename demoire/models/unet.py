"""A multi-scale residual CNN that predicts what to add to a moire image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from demoire.models import periodicity, texture
from demoire.models.base import Needs, from_json
from demoire.models.coring import SIZE_MULTIPLE, core, coring_radius

CONTEXT_KERNEL = 7


@dataclass(frozen=True)
class UNetConfig:
    """Widths and depths of ``UNet``; level i works at 1/2^(i+1) of the picture's size.

    Attributes:
        channels: width of each level, the finest first.
        encoder_blocks: residual blocks of each level on the way down; those of the last level are the bottom.
        decoder_blocks: residual blocks of each level but the last on the way up.
        context_blocks: blocks with a 7x7 depthwise convolution at the bottom: wide bands need a wide view.
        coring_luma, coring_chroma: thresholds in 1/255 of the coring (``models.coring``) of what was restored; 0 for
            none. It has no weights and is not trained through.
        coring_shift: added to the logits of the gate, above 0 to open it wider for the coring, which takes little.
        doubt: subtracted from the logits of the gate where nothing of what would be taken out is periodic
            (``models.periodicity``), but not for the coring; 0: nobody asks. Like the coring it has no weights.
        given_back: in [0, 1], how much of what would be taken out, but does not repeat, is given back
            (``models.texture``), before the coring; 0 for none. It has no weights either.
    """

    channels: tuple[int, ...] = (24, 48, 96, 128)
    encoder_blocks: tuple[int, ...] = (0, 1, 1, 3)
    decoder_blocks: tuple[int, ...] = (1, 1, 1)
    context_blocks: int = 3
    coring_luma: float = 0.0
    coring_chroma: float = 0.0
    coring_shift: float = 0.0
    doubt: float = 0.0
    given_back: float = 0.0

    def __post_init__(self) -> None:
        levels = len(self.channels)
        if levels < 2 or len(self.encoder_blocks) != levels or len(self.decoder_blocks) != levels - 1:
            raise ValueError("UNetConfig: one encoder depth for each width, one decoder depth for each but the last.")
        if min(self.coring_luma, self.coring_chroma) < 0 or (self.coring_luma > 0) != (self.coring_chroma > 0):
            raise ValueError("UNetConfig: thresholds of the coring are both above 0, or both 0 for none.")
        if not 0 <= self.given_back <= 1:
            raise ValueError("UNetConfig: what is given back is a share, from 0 to 1.")

    @property
    def cores(self) -> bool:
        """Whether what was restored is cored."""
        return self.coring_luma > 0

    @property
    def size_multiple(self) -> int:
        """What the sides of a picture must be multiples of."""
        multiple: int = 2 ** len(self.channels)
        if self.cores:
            multiple = max(multiple, SIZE_MULTIPLE)
        if self.given_back:
            multiple = max(multiple, texture.SIZE_MULTIPLE)
        return max(multiple, periodicity.SIZE_MULTIPLE) if self.doubt else multiple


def as_unet_config(given: "UNetConfig | dict[str, Any]") -> UNetConfig:
    """A configuration that stands within another one, which may have been read from JSON."""
    if isinstance(given, UNetConfig):
        return given
    return UNetConfig(**from_json(given))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions; the second starts small, since there is no normalisation to tame a deep sum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        with torch.no_grad():
            self.second.weight.mul_(0.3)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.second(F.relu_(self.first(x)))
        return result.add_(x)


class ContextBlock(nn.Module):
    """A 7x7 depthwise convolution, then 1x1 ones (after Liu et al., ConvNeXt, CVPR 2022; no normalisation)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.spread = nn.Conv2d(channels, channels, CONTEXT_KERNEL, padding=CONTEXT_KERNEL // 2, groups=channels)
        self.widen = nn.Conv2d(channels, 2 * channels, 1)
        self.narrow = nn.Conv2d(2 * channels, channels, 1)
        with torch.no_grad():
            self.narrow.weight.mul_(0.3)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.narrow(F.relu_(self.widen(self.spread(x))))
        return result.add_(x)


def _blocks(count: int, channels: int) -> nn.Sequential:
    return nn.Sequential(*[ResidualBlock(channels) for _ in range(count)])


class Up(nn.Module):
    """The four pixels that each one becomes, as channels: a 1x1 convolution."""

    def __init__(self, below: int, channels: int) -> None:
        super().__init__()
        self.expand = nn.Conv2d(below, channels * 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.expand(x)
        return result


class UNet(nn.Module):
    """Pixel-unshuffle, a U-Net of residual blocks, pixel-shuffle; the gated result is added to the input in float32.

    The gate, one number for each position of the coarsest decoder level, says whether there is moire at all: where it
    closes, a clean picture passes untouched. The last layer starts at zero, so an untrained network is the identity,
    unless its configuration asks for coring, the last step.
    """

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.channels
        self.stem = nn.Conv2d(12, channels[0], 3, padding=1)
        self.encoders = nn.ModuleList(_blocks(n, c) for n, c in zip(config.encoder_blocks, channels, strict=True))
        self.downs = nn.ModuleList(nn.Conv2d(a, b, 3, stride=2, padding=1) for a, b in pairwise(channels))
        self.context = nn.Sequential(*[ContextBlock(channels[-1]) for _ in range(config.context_blocks)])
        self.ups = nn.ModuleList(Up(b, a) for a, b in pairwise(channels))
        self.decoders = nn.ModuleList(_blocks(n, c) for n, c in zip(config.decoder_blocks, channels, strict=False))
        self.gate = nn.Conv2d(channels[-2], 1, 1)
        self.head = nn.Conv2d(channels[0], 12, 3, padding=1)
        for last in (self.gate, self.head):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)  # type: ignore[arg-type]

    def begin_with(self, trained: Mapping[str, Tensor]) -> None:
        """Takes the weights of a trained ``UNet`` of the same widths; of a deeper one those of the blocks it has, too.

        Raises:
            RuntimeError: the widths differ, or it is shallower.
        """
        own = self.state_dict()
        self.load_state_dict({name: value for name, value in trained.items() if name in own})

    @property
    def needs(self) -> Needs:
        """What the pipeline must give; the halo is the whole receptive field until a smaller one is measured."""
        radius = receptive_radius(self.config)
        return Needs(size_multiple=self.config.size_multiple, receptive_field=radius, halo=radius)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) sRGB in [0, 1], H and W multiples of ``needs.size_multiple``, to the same shape, not clipped."""
        restored, logits = self.restore_and_judge(x, self.config.doubt, self.config.given_back)
        if not self.config.cores:
            return restored
        thresholds = (self.config.coring_luma, self.config.coring_chroma)
        return core(restored, torch.sigmoid(logits + self.config.coring_shift), thresholds)

    def restore_and_judge(self, x: Tensor, doubt: float = 0.0, given_back: float = 0.0) -> tuple[Tensor, Tensor]:
        """What was restored, before any coring, and the logits of the gate, (N, 1, h, w) at the coarsest decoder level.

        Without a doubt and what is given back this is what is trained. A doubt lowers what the gate lets through, but
        not the logits returned.
        """
        taken, logits = self.taken(x)
        certain = logits
        if doubt:
            certain = logits - doubt * (1 - periodicity.certainty(F.pixel_shuffle(taken, 2), logits))
        added = let_through(taken, certain)
        return x + (texture.repeating(added, given_back) if given_back else added), logits

    def evidence(self, x: Tensor) -> Tensor:
        """(N,) in [0, 1]: whether any region of pictures (N, 3, H, W) shows what only moire does; 1 if nobody asks."""
        if not self.config.doubt:
            return x.new_ones(len(x))
        return periodicity.evidence(F.pixel_shuffle(self.taken(x)[0], 2))

    def taken(self, x: Tensor, features: list[Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """What is to be added, (N, 12, H / 2, W / 2) for 2x2 pixels each, before the gate; and the gate's logits.

        Args:
            features: takes what each level but the finest makes, the coarsest first; else that is freed on the way.
        """
        feature = self.stem(F.pixel_unshuffle(x, 2))
        skips: list[Tensor] = []
        for level, encoder in enumerate(self.encoders):
            feature = encoder(feature)
            if level < len(self.downs):
                skips.append(feature)
                feature = F.relu_(self.downs[level](feature))
        feature = self.context(feature)
        coarsest = len(self.ups) - 1
        for level in reversed(range(len(self.ups))):
            if features is not None:
                features.append(feature)
            feature = self.ups[level](feature)
            feature = F.pixel_shuffle(feature, 2).add_(skips.pop())  # what was below is freed by now
            feature = self.decoders[level](feature)
            if level == coarsest:
                logits = self.gate(feature).float()
        return self.head(feature).float(), logits


def let_through(taken: Tensor, logits: Tensor) -> Tensor:
    """What a gate leaves of ``UNet.taken``, as a picture (N, 3, H, W) to be added."""
    gate = F.interpolate(torch.sigmoid(logits), taken.shape[-2:], mode="bilinear", align_corners=False)
    return F.pixel_shuffle(taken * gate, 2)


def receptive_radius(config: UNetConfig) -> int:
    """How far in pixels an output of ``UNet`` can see on each side, rounded up to the size multiple."""
    radius = 0
    for level, blocks in enumerate(config.encoder_blocks):
        pixel = 2 ** (level + 1)
        convolutions = 2 * (blocks + (config.decoder_blocks[level] if level < len(config.decoder_blocks) else 0))
        # Pixel-shuffle adds less than a pixel of its level, stem, head and the strided convolution one each.
        radius += pixel * (convolutions + (2 if level == 0 else 1) + 1)
    radius += config.context_blocks * (CONTEXT_KERNEL // 2) * 2 ** len(config.channels)
    radius += coring_radius() if config.cores else 0
    radius += periodicity.periodicity_radius() if config.doubt else 0
    radius += texture.texture_radius() if config.given_back else 0
    rounded: int = -(-radius // config.size_multiple) * config.size_multiple
    return rounded


def macs_per_pixel(model: nn.Module, sizes: Sequence[int] = (128, 128), inputs: int = 1) -> float:
    """Multiply-accumulates of all convolutions and linear layers for one pixel, counted in a forward pass.

    Of a recurrent network (one that has ``first_frame``), those of a frame of a clip.

    Args:
        inputs: how many pictures (1, 3, *sizes) the model takes.
    """
    total = 0

    def count(module: nn.Module, _: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d):
            taps = module.kernel_size[0] * module.kernel_size[1] * module.in_channels // module.groups
            total += output.shape[1:].numel() * taps
        elif isinstance(module, nn.Linear):
            total += output.shape[1:].numel() * module.in_features

    hooks = [m.register_forward_hook(count) for m in model.modules()]
    device = next(model.parameters()).device
    with torch.no_grad():
        run = getattr(model, "first_frame", model)
        run(*[torch.zeros(1, 3, *sizes, device=device)] * inputs)
    for hook in hooks:
        hook.remove()
    return total / (sizes[0] * sizes[1])
