"""What a discriminator is shown as fake, and as real."""

import torch
from torch import Tensor

from demoire.eight_bits import in_eight_bits
from demoire.simulate.optics import blur
from demoire.training.losses import OWN_TARGET, weighted_mean

RESULTS, BETWEEN, PHOTOS = 0.5, 0.2, 0.2
"""Shares of fakes that are results, pictures between photo and result, and photos; the rest are blurred truths."""
BLUR = 1.5
NOISE = 3 / 255


def vary(results: Tensor, moire: Tensor, clean: Tensor, rng: torch.Generator) -> Tensor:
    """Fakes of several kinds, so that the number means something beyond the networks that were played against.

    All are (N, 3, H, W) in [0, 1].
    """
    fakes = []
    for number, draw in enumerate(torch.rand(len(moire), generator=rng).tolist()):
        one = slice(number, number + 1)
        if draw < RESULTS:
            fakes.append(results[one])
        elif draw < RESULTS + BETWEEN:
            fakes.append(torch.lerp(moire[one], results[one], (draw - RESULTS) / BETWEEN))
        else:
            fakes.append(moire[one] if draw < RESULTS + BETWEEN + PHOTOS else blur(clean[one], [BLUR]))
    return torch.cat(fakes)


def disguise(real: Tensor, fake: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Both with noise of the same strength, up to ``NOISE``, and rounded to 8 bits.

    What is fainter than that nobody sees, but a network knows another by it: a generator's faint grid, or that its
    results have not been rounded yet (noise as of Sønderby et al., Amortised MAP inference, ICLR 2017).
    """
    strength = NOISE * torch.rand(len(real), 1, 1, 1, generator=rng)

    def noisy(pictures: Tensor) -> Tensor:
        noise = strength * torch.randn(pictures.shape, generator=rng)
        return in_eight_bits(pictures + noise.to(pictures.device))

    return noisy(real), noisy(fake)


def with_moire(moire: Tensor, clean: Tensor) -> Tensor:
    """(N,): 1 for pairs that differ; a picture that is its own target is no fake."""
    return ((moire - clean).abs().amax((1, 2, 3)) >= OWN_TARGET).to(moire.dtype)


def mean_of_pictures(values: Tensor, weights: Tensor) -> Tensor:
    """Mean of (N, 1, h, w) over the pictures that count, (N,)."""
    return weighted_mean(values.mean((1, 2, 3)), weights)
