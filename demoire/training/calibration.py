"""Makes logits of detector and discriminator probabilities, on held-out captures."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from demoire.eight_bits import in_eight_bits
from demoire.models.detector import AMPLITUDE_UNIT, Detector
from demoire.models.discriminator import Discriminator, sides
from demoire.simulate.config import SimulatorConfig
from demoire.training.content import ContentStore
from demoire.training.labels import add_bands, amplitude_label, from_rms, plain, visible
from demoire.training.losses import OWN_TARGET
from demoire.training.pool import VALIDATION_SEED, render_batch
from demoire.training.textures import draw_texture

SIDE = 512
POSITIVE_SHARE = 0.02
"""How much of a picture, or a window, must have plain moire (``labels.plain``) to be a positive of the verdict."""
SEEN = 0.5
"""Intersection over union from which on a mask tells where bands are."""
FLAT_EVERY = 9
"""For so many captures there is one picture of bands on flat ground."""


def scale_and_shift(logits: Tensor, positive: Tensor) -> list[float]:
    """Scales and shift so that sigmoid(scales . logits + shift) is a probability, were both classes equally frequent.

    Platt, Probabilistic outputs for support vector machines (1999): a logistic regression whose targets are drawn in a
    little, so that classes that can be told apart perfectly do not give an endless scale.

    Args:
        logits, positive: (N, K) float and (N,) bool; both classes must occur.

    Returns:
        K scales, and the shift.
    """
    target, weight = _targets(positive)
    found = torch.tensor([1.0] * logits.shape[1] + [0.0], dtype=torch.float64, requires_grad=True)

    def loss() -> Tensor:
        scaled = logits.double() @ found[:-1] + found[-1]
        return F.binary_cross_entropy_with_logits(scaled, target, weight, reduction="sum")

    _minimise(loss, [found])
    values: list[float] = found.detach().tolist()
    return values


def _targets(positive: Tensor) -> tuple[Tensor, Tensor]:
    """What to come near to for each, and how much each counts: both classes alike."""
    counts = positive.sum().double(), (~positive).sum().double()
    target = torch.where(positive, (counts[0] + 1) / (counts[0] + 2), 1 / (counts[1] + 2))
    return target, torch.where(positive, 0.5 / counts[0], 0.5 / counts[1])


def _minimise(loss: Callable[[], Tensor], parameters: list[Tensor]) -> None:
    optimizer = torch.optim.LBFGS(parameters, max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(closure)  # type: ignore[no-untyped-call]


@torch.no_grad()
def calibrate(model: Detector, store: ContentStore, simulator: SimulatorConfig, captures: int = 160) -> None:
    """Scales amplitudes, and fits verdicts to captures of the store's pictures, these themselves, textures, and bands.

    Bands are on flat ground only: those over busy pictures would have it take any faint sign of bands for moire. A
    picture counts by its highest window, as it does later; what is fitted makes a probability at once.
    """
    scale_amplitudes(model)
    measures, positive = [], []

    def add(image: Tensor, label: bool) -> None:
        measures.append(model(image)[1])
        positive.append(label)

    def add_measured(image: Tensor, amplitude: Tensor) -> None:
        share = float(plain(amplitude).float().mean())
        if share > POSITIVE_SHARE or not visible(amplitude).any():
            add(image, share > 0)

    for number in range(captures):
        seed = (VALIDATION_SEED, 2, number)
        capture = render_batch(store, simulator, seed, 1, SIDE, torch.device("cpu"), labels=True)
        add_measured(capture.moire, from_rms(capture.amplitude))
        rng = np.random.default_rng((*seed, 1))
        picture = _tensor(store.crop(rng, SIDE, SIDE))
        add(picture, False)
        if number % 2:
            add(_tensor(draw_texture(rng, SIDE, SIDE)), False)
        if number % FLAT_EVERY == 0:
            add_measured(*_banded(picture.mean((2, 3), keepdim=True).expand_as(picture), number))
    fit_verdicts(model, torch.cat(measures), torch.tensor(positive))


@torch.no_grad()
def scale_amplitudes(model: Detector, pictures: int = 96) -> None:
    """Makes the strength of bands on flat ground right in the geometric mean over pictures whose bands are seen."""
    apart = []
    for number in range(pictures):
        grey = 0.25 + 0.5 * torch.rand(1, 3, 1, 1, generator=torch.Generator().manual_seed(number))
        image, true = _banded(grey.expand(1, 3, SIDE // 2, SIDE // 2), number)
        maps = model(image)[0]
        shown, found = visible(true), maps[:, 1:] > 0
        if int((shown & found).sum()) > SEEN * int((shown | found).sum()):
            strengths = [m.square().mean().log() / 2 for m in (true[shown], maps[:, :1][found] * AMPLITUDE_UNIT / 255)]
            apart.append(strengths[0] - strengths[1])
    if apart:
        # Amplitudes come out as logarithms.
        model.maps.bias[0] += torch.stack(apart).mean()  # type: ignore[index]


def _banded(flat: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Flat ground with bands on it, and their amplitude."""
    image = in_eight_bits(add_bands(flat, torch.Generator().manual_seed(seed)))
    return image, amplitude_label(image, flat, least=0.0)


@torch.enable_grad()
def fit_verdicts(model: Detector, measures: Tensor, positive: Tensor) -> None:
    """Sets the layers of the model's verdicts so that pictures' highest windows give probabilities; that of bands keeps
    its weight.

    Args:
        measures, positive: (N, 6, h, w), as the model gives them, and (N,) bool; both classes must occur.
    """
    model.reset_verdicts()
    layers = nn.ParameterList([model.by_cnn.weight, model.by_cnn.bias, model.by_bands.bias]).requires_grad_(True)
    target, weight = _targets(positive)

    def loss() -> Tensor:
        highest = model.judge(measures).amax((1, 2)).double()
        return F.binary_cross_entropy_with_logits(highest, target, weight, reduction="sum")

    _minimise(loss, list(layers.parameters()))
    layers.requires_grad_(False)


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
