"""Makes logits of detector and discriminator probabilities, on held-out captures."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from demoire.eight_bits import in_eight_bits
from demoire.models.detector import Detector
from demoire.models.discriminator import Discriminator, sides
from demoire.simulate.config import SimulatorConfig
from demoire.training.content import ContentStore
from demoire.training.labels import from_rms, plain, visible
from demoire.training.losses import OWN_TARGET
from demoire.training.pool import VALIDATION_SEED, render_batch
from demoire.training.textures import draw_texture

SIDE = 512
POSITIVE_SHARE = 0.02
"""How much of a picture, or a window, must have plain moire (``labels.plain``) to be a positive of the verdict."""
MOIRE_SHARE = 1 / 3
"""Of the pictures that are asked about, as the probability of moire takes it: of a doubtful one it is better to say
that there is none."""


def scale_and_shift(logits: Tensor, positive: Tensor, share: float = 0.5) -> list[float]:
    """Scales and shift so that sigmoid(scales . logits + shift) is a probability, were ``share`` of all positive.

    Platt, Probabilistic outputs for support vector machines (1999): a logistic regression whose targets are drawn in a
    little, so that classes that can be told apart perfectly do not give an endless scale.

    Args:
        logits, positive: (N, K) float and (N,) bool; both classes must occur.

    Returns:
        K scales, and the shift.
    """
    counts = positive.sum().double(), (~positive).sum().double()
    target = torch.where(positive, (counts[0] + 1) / (counts[0] + 2), 1 / (counts[1] + 2))
    weight = torch.where(positive, share / counts[0], (1 - share) / counts[1])
    found = torch.tensor([1.0] * logits.shape[1] + [0.0], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([found], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        scaled = logits.double() @ found[:-1] + found[-1]
        value = F.binary_cross_entropy_with_logits(scaled, target, weight, reduction="sum")
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    values: list[float] = found.detach().tolist()
    return values


@torch.no_grad()
def calibrate(model: Detector, store: ContentStore, simulator: SimulatorConfig, captures: int = 160) -> None:
    """Fits the verdict to captures of the store's pictures, these themselves, and textures.

    A picture counts by its highest window, as it does later; what is fitted makes a probability at once.
    """
    measures, positive = [], []

    def add(image: Tensor, label: bool) -> None:
        measures.append(model(image)[1])
        positive.append(label)

    for number in range(captures):
        seed = (VALIDATION_SEED, 2, number)
        capture = render_batch(store, simulator, seed, 1, SIDE, torch.device("cpu"), labels=True)
        amplitude = from_rms(capture.amplitude)
        share = float(plain(amplitude).float().mean())
        if share > POSITIVE_SHARE or not visible(amplitude).any():
            add(capture.moire, share > 0)
        rng = np.random.default_rng((*seed, 1))
        add(_tensor(store.crop(rng, SIDE, SIDE)), False)
        if number % 2:
            add(_tensor(draw_texture(rng, SIDE, SIDE)), False)
    fit_verdict(model, torch.cat(measures), torch.tensor(positive))


def fit_verdict(model: Detector, measures: Tensor, positive: Tensor) -> None:
    """Sets the layer of the model's verdict on what its CNN takes so that pictures' highest windows give probabilities.

    Args:
        measures, positive: (N, 7, h, w), as the model gives them, and (N,) bool; both classes must occur.
    """
    model.reset_verdicts()
    highest = model.verdicts(measures)[:, 0].amax((1, 2))
    with torch.enable_grad():
        scale, shift = scale_and_shift(highest.detach()[:, None], positive, MOIRE_SHARE)
    with torch.no_grad():
        model.by_cnn.weight.fill_(scale)
        model.by_cnn.bias.fill_(shift)


@torch.no_grad()
def calibrate_discriminator(
    model: Discriminator,
    store: ContentStore,
    simulator: SimulatorConfig,
    generators: Sequence[nn.Module],
    captures: int = 300,
) -> None:
    """Sets ``model.calibration`` by clean pictures of captures against what the ``generators`` make of these.

    Faint moire leaves results that are as good as clean ones, strong moire does not: logits are scaled differently on
    both sides of zero (Kull et al., Beta calibration, AISTATS 2017), patch by patch.
    """
    model.calibration.copy_(torch.tensor([1.0, 1.0, 0.0]))
    logits, positive = [], []
    for number in range(captures):
        pair = render_batch(store, simulator, (VALIDATION_SEED, 3, number), 1, SIDE // 2, torch.device("cpu"))
        if (pair.moire - pair.clean).abs().max() < OWN_TARGET:
            continue
        restored = generators[number % len(generators)](pair.moire)
        for candidate, label in ((pair.clean, True), (restored, False)):
            # In 8 bits, as a visitor gets them.
            patches = model(in_eight_bits(candidate), pair.moire)
            logits.append(torch.stack([side.mean() for side in sides(patches)]))
            positive.append(label)
    with torch.enable_grad():
        found = scale_and_shift(torch.stack(logits), torch.tensor(positive))
    model.calibration.copy_(torch.tensor(found))


def _tensor(picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Tensor:
    return torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 255
