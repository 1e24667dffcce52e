"""Labels for the detector, from pairs of captures and targets; and bands of known strength."""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from demoire.detect import CELL
from demoire.simulate.capture import VISIBLE, local_rms
from demoire.training.textures import draw_texture

NOISY = VISIBLE
"""Local RMS below which the difference of a capture and the same without moire counts as noise and JPEG: the mask then
agrees best with the one that is rendered without them (intersection over union .96 on 50 captures; .95 at 2/255, .74 at
3.5/255)."""
PEAK = math.sqrt(2 / (0.82 * 0.96))
"""Of a sine, over its RMS as it is measured: the band that is looked at passes .82 to .96 of periods of 10 to 40 px."""
SPARSE_SHARE = 0.5
"""Of the pairs that ``look_closer`` sees."""
TEXTURED_SHARE = 0.6
"""Of the pictures that ``texture_some`` sees."""
FLAT_SHARE = 0.5
"""Of the pictures that ``flatten_some`` sees."""


def amplitude_label(moire: Tensor, clean: Tensor, least: float = NOISY) -> Tensor:
    """Amplitude of the visible moire, in [0, 1] of the range of values, (N, 1, H/4, W/4): that of a sine of its RMS.

    Args:
        least: local RMS below which a difference counts as none; 0 for pairs without noise.
    """
    # Not in bfloat16: the labels would be rounded to steps of 1/256 of the largest.
    with torch.autocast(moire.device.type, enabled=False):
        rms = local_rms(moire - clean)
        return from_rms(rms * (rms > least))


def from_rms(rms: Tensor) -> Tensor:
    """Local RMS (N, 1, H, W), as ``simulate`` measures it, to the amplitude of a sine, averaged over cells of 4 px."""
    return F.avg_pool2d(rms, CELL) * PEAK


def visible(amplitude: Tensor) -> Tensor:
    """Where an amplitude shows: bool, same shape."""
    return amplitude > VISIBLE * PEAK


def plain(amplitude: Tensor) -> Tensor:
    """Where an amplitude is plain to see, twice as strong as what just shows: bool, same shape."""
    return amplitude > 2 * VISIBLE * PEAK


def look_closer(moire: Tensor, clean: Tensor, side: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Windows of ``side`` of pairs (N, C, H, W); half of them sampled sparsely without a filter.

    So pictures are often reduced for data sets and chats: edges, fur and wood are jagged then, with moire and without.
    """
    height, width = moire.shape[-2:]
    if min(height, width) <= side:
        return moire, clean
    windows = []
    for pair in torch.stack([moire, clean], 1):
        sparsely = float(torch.rand((), generator=generator)) < SPARSE_SHARE
        places = []
        for length in (height, width):
            stride = 1 + (length / side - 1) * float(torch.rand((), generator=generator)) * sparsely
            start = (length - 1 - (side - 1) * stride) * float(torch.rand((), generator=generator))
            places.append((start + torch.arange(side) * stride).round().long().to(moire.device))
        windows.append(pair[..., places[0][:, None], places[1]])
    both = torch.stack(windows)
    return both[:, 0], both[:, 1]


def flatten_some(clean: Tensor, generator: torch.Generator) -> Tensor:
    """Some of pictures (N, C, H, W) become flat ground of their mean colour: there nothing but bands can be seen."""
    flat = torch.rand(len(clean), 1, 1, 1, generator=generator).to(clean.device) < FLAT_SHARE
    return torch.where(flat, clean.mean((2, 3), keepdim=True), clean)


def texture_some(clean: Tensor, generator: torch.Generator) -> Tensor:
    """Some of pictures (N, C, H, W) become textures: of a whole batch of captures few pictures have such."""
    pictures = []
    for picture in clean:
        if float(torch.rand((), generator=generator)) < TEXTURED_SHARE:
            rng = np.random.default_rng(int(torch.randint(2**31, (1,), generator=generator)))
            texture = torch.from_numpy(draw_texture(rng, picture.shape[-2], picture.shape[-1])).to(picture)
            picture = texture.permute(2, 0, 1) / 255
        pictures.append(picture)
    return torch.stack(pictures) if pictures else clean


def add_bands(clean: Tensor, generator: torch.Generator) -> Tensor:
    """Sines of random period (6-90 px), direction, colour and amplitude (up to 40/255) over a random half-plane.

    Three of five periods are shorter than 16 px, and three of four bands stronger than 20/255: short, strong ones are
    most easily taken for texture.
    """
    count, _, height, width = clean.shape
    y, x = torch.meshgrid(torch.arange(height).float(), torch.arange(width).float(), indexing="ij")

    def draw(low: float, high: float) -> Tensor:
        return (low + (high - low) * torch.rand(count, 1, 1, 1, generator=generator)).to(clean.device)

    def along(angle: Tensor) -> Tensor:
        return x.to(clean.device) * angle.cos() + y.to(clean.device) * angle.sin()

    period = 6 * (90 / 6) ** draw(0, 1).square()
    wave = torch.sin(2 * math.pi * (along(draw(0, math.pi)) / period + draw(0, 1)))
    colour = 0.3 + 0.7 * torch.rand(count, 3, 1, 1, generator=generator).to(clean.device)
    colour = colour / colour.square().mean(1, keepdim=True).sqrt()
    edge, offset = draw(0, 2 * math.pi), draw(-0.6, 0.6) * max(height, width)
    centred = along(edge) - (edge.cos() * width + edge.sin() * height) / 2
    return (clean + 40 / 255 * draw(0, 1).sqrt() * colour * wave * (centred > offset)).clamp(0, 1)
