"""Scores the discriminator: whether moire photo, restored and clean picture rank as they should, and how far its
probabilities can be taken at their word.

The clean picture of a real pair is brought to the photo's tone first, so that colour does not give it away.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from demoire.errors import DataError
from demoire.evaluate import Predict
from demoire.judge import judge
from demoire.loading import ModelCache
from demoire.metrics import ByteImage, Reference, photometric_fit, to_float
from demoire.pairs import PairFiles
from demoire.picture import Picture
from demoire.simulate.config import SimulatorConfig
from demoire.training.content import ContentStore
from demoire.training.losses import OWN_TARGET
from demoire.training.pool import VALIDATION_SEED, render_batch, to_bytes

MOIRE, CLEAN = "moire", "clean"
_BINS = 10


@dataclass(frozen=True)
class DiscriminatorSummary:
    """Figures over pairs.

    Attributes:
        pairs: how many.
        means: candidate ("moire", each model's id, "clean") -> mean probability.
        clean_over_moire: share of pairs whose clean picture gets a higher probability than the photo.
        clean_over_restored: share of pairs and models whose clean picture gets a higher one than the restored one.
        calibration_error: expected calibration error (Guo et al., ICML 2017) over clean and restored pictures, both
            counted alike, in ten bins. Of 85 pairs that of perfect probabilities would be .05, of 280 about .026.
    """

    pairs: int
    means: Mapping[str, float]
    clean_over_moire: float
    clean_over_restored: float
    calibration_error: float


def score_real(
    pairs: Iterable[PairFiles], generators: Mapping[str, Predict], models: ModelCache
) -> list[dict[str, float]]:
    """Probabilities of every candidate of each pair; the clean one in the photo's tone."""
    scored = []
    for pair in pairs:
        moire, clean = pair.load()
        fitted = photometric_fit(to_float(clean), Reference(moire))
        truth = (fitted * 255 + 0.5).astype(np.uint8)
        scored.append(_score(moire, truth, generators, models))
    return scored


def score_simulated(
    content: Path,
    simulator: SimulatorConfig,
    count: int,
    generators: Mapping[str, Predict],
    models: ModelCache,
    side: int = 256,
) -> list[dict[str, float]]:
    """As ``score_real``, on captures of the content's validation pictures that were not calibrated on."""
    store, scored = ContentStore(content, "val"), []
    for number in range(count):
        capture = render_batch(store, simulator, (VALIDATION_SEED, 5, number), 1, side, torch.device("cpu"))
        if (capture.moire - capture.clean).abs().max() >= OWN_TARGET:
            scored.append(_score(to_bytes(capture.moire)[0], to_bytes(capture.clean)[0], generators, models))
    return scored


def _score(
    moire: ByteImage, clean: ByteImage, generators: Mapping[str, Predict], models: ModelCache
) -> dict[str, float]:
    candidates = {MOIRE: moire, **{name: predict(moire) for name, predict in generators.items()}, CLEAN: clean}
    photo = Picture(moire)
    return {name: judge(Picture(pixels), photo, models).probability for name, pixels in candidates.items()}


def summarise(scored: Sequence[Mapping[str, float]]) -> DiscriminatorSummary:
    """The figures of one set.

    Raises:
        DataError: there is nothing to summarise.
    """
    if not scored:
        raise DataError("There are no pairs to summarise.")
    names = list(scored[0])
    restored = [name for name in names if name not in (MOIRE, CLEAN)]
    over = [one[CLEAN] > one[name] for one in scored for name in restored]
    return DiscriminatorSummary(
        pairs=len(scored),
        means={name: float(np.mean([one[name] for one in scored])) for name in names},
        clean_over_moire=float(np.mean([one[CLEAN] > one[MOIRE] for one in scored])),
        clean_over_restored=float(np.mean(over)) if over else float("nan"),
        calibration_error=calibration_error(
            [one[CLEAN] for one in scored], [one[name] for one in scored for name in restored or [MOIRE]]
        ),
    )


def calibration_error(positives: Sequence[float], negatives: Sequence[float]) -> float:
    """Expected calibration error, were positives and negatives equally frequent."""
    probability = np.array([*positives, *negatives])
    label = np.array([1.0] * len(positives) + [0.0] * len(negatives))
    weight = np.where(label > 0, 0.5 / len(positives), 0.5 / len(negatives))
    bins = np.minimum((probability * _BINS).astype(int), _BINS - 1)
    gaps = [abs(float((weight * (probability - label))[bins == number].sum())) for number in range(_BINS)]
    return sum(gaps)
