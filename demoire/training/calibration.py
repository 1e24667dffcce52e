"""Makes logits of detector and discriminator probabilities: Platt scaling on held-out captures."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from demoire.models.detector import Detector
from demoire.models.discriminator import Discriminator
from demoire.simulate.config import SimulatorConfig
from demoire.training.content import ContentStore
from demoire.training.labels import from_rms, plain, visible
from demoire.training.losses import OWN_TARGET
from demoire.training.pool import VALIDATION_SEED, render_batch
from demoire.training.textures import draw_texture

SIDE = 512
POSITIVE_SHARE = 0.02
"""How much of a picture, or a window, must have plain moire (``labels.plain``) to be a positive of the verdict."""


def platt_scaling(logits: Tensor, positive: Tensor) -> tuple[float, float]:
    """Scale and shift with which sigmoid(scale * logit + shift) is a probability, were both classes equally frequent.

    Platt, Probabilistic outputs for support vector machines (1999): a logistic regression whose targets are drawn in a
    little, so that classes that can be told apart perfectly do not give an endless scale.

    Args:
        logits, positive: (N,) float and bool; both classes must occur.
    """
    counts = positive.sum().double(), (~positive).sum().double()
    target = torch.where(positive, (counts[0] + 1) / (counts[0] + 2), 1 / (counts[1] + 2))
    weight = torch.where(positive, 0.5 / counts[0], 0.5 / counts[1])
    both = torch.tensor([1.0, 0.0], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([both], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        scaled = logits.double() * both[0] + both[1]
        loss = F.binary_cross_entropy_with_logits(scaled, target, weight, reduction="sum")
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    scale, shift = both.detach().tolist()
    return scale, shift


@torch.no_grad()
def calibrate(model: Detector, store: ContentStore, simulator: SimulatorConfig, captures: int = 120) -> None:
    """Sets ``model.calibration`` by captures of the store's pictures, as many of these pictures, and textures."""
    model.calibration.copy_(torch.tensor([1.0, 0.0]))
    logits, positive = [], []

    def add(image: Tensor, label: bool) -> None:
        logits.append(model.judge(model(image)[1]).max())
        positive.append(label)

    for number in range(captures):
        seed = (VALIDATION_SEED, 2, number)
        capture = render_batch(store, simulator, seed, 1, SIDE, torch.device("cpu"), labels=True)
        amplitude = from_rms(capture.amplitude)
        positive_share = float(plain(amplitude).float().mean())
        if positive_share > POSITIVE_SHARE or not visible(amplitude).any():
            add(capture.moire, positive_share > 0)
        rng = np.random.default_rng((*seed, 1))
        add(_tensor(store.crop(rng, SIDE, SIDE)), False)
        if number % 2:
            add(_tensor(draw_texture(rng, SIDE, SIDE)), False)
    _set_calibration(model, logits, positive)


@torch.no_grad()
def calibrate_discriminator(
    model: Discriminator,
    store: ContentStore,
    simulator: SimulatorConfig,
    generators: Sequence[nn.Module],
    captures: int = 120,
) -> None:
    """Sets ``model.calibration`` by clean pictures of captures against what the ``generators`` make of these."""
    model.calibration.copy_(torch.tensor([1.0, 0.0]))
    logits, positive = [], []
    for number in range(captures):
        pair = render_batch(store, simulator, (VALIDATION_SEED, 3, number), 1, SIDE // 2, torch.device("cpu"))
        if (pair.moire - pair.clean).abs().max() < OWN_TARGET:
            continue
        restored = generators[number % len(generators)](pair.moire).clamp(0, 1)
        for candidate, label in ((pair.clean, True), (restored, False)):
            logits.append(model(candidate, pair.moire).mean())
            positive.append(label)
    _set_calibration(model, logits, positive)


def _set_calibration(model: Detector | Discriminator, logits: list[Tensor], positive: list[bool]) -> None:
    with torch.enable_grad():
        scale, shift = platt_scaling(torch.stack(logits), torch.tensor(positive))
    model.calibration.copy_(torch.tensor([scale, shift]))


def _tensor(picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Tensor:
    return torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].float() / 255
