"""Scores the detector: on real pairs, on clean pictures, on textures that look like moire, on simulated captures.

The clean picture of a pair is a negative and its photo a positive. How strong the moire of a real pair is tells the
difference between both after the photometric fit, as for `bands`: its RMS where it is visible, as the detector says it.
Where the clean picture has detail of its own the difference is that of edges a little apart, so it does not count.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import mannwhitneyu, spearmanr

from demoire.detect import FULL_STRENGTH, Detection, detect
from demoire.errors import DataError
from demoire.loading import ModelCache
from demoire.metrics import FloatImage, Reference, photometric_fit, to_float
from demoire.pairs import PairFiles, load_picture
from demoire.picture import Picture, Samples
from demoire.simulate.config import SimulatorConfig
from demoire.training.content import ContentStore
from demoire.training.labels import amplitude_label, from_rms, visible
from demoire.training.pool import VALIDATION_SEED, render_batch, to_bytes
from demoire.training.textures import draw_texture

_TEXTURE_SEED = 30_000_001
_DETAILED = 8 / 255
"""Amplitude of the clean picture itself from which on a place has detail; with 6 or 12 correlations differ by .04."""
_ENOUGH = 0.002
"""Share of a picture that differs visibly from its clean one, from which on it is known how strongly."""


@dataclass(frozen=True)
class Scored:
    """One picture: its name, whether it has moire, what the detector says, and the true strength where it is known."""

    name: str
    moire: bool
    detection: Detection
    truth: float | None = None


@dataclass(frozen=True)
class DetectorSummary:
    """Figures over scored pictures; None where there is nothing to measure them on.

    Attributes:
        positives, negatives: how many pictures.
        auc: probability that a positive gets a higher one than a negative.
        accuracy: share of right verdicts at the threshold of 0.5.
        false_alarms: share of negatives that are taken for moire.
        strength_correlation: Spearman's, between the strength and the true one.
        mask_iou: intersection over union of the masks, all pictures together.
    """

    positives: int
    negatives: int
    auc: float | None = None
    accuracy: float | None = None
    false_alarms: float | None = None
    strength_correlation: float | None = None
    mask_iou: float | None = None


def score_pairs(pairs: Iterable[PairFiles], models: ModelCache) -> list[Scored]:
    """Both pictures of every pair."""
    scored = []
    for pair in pairs:
        moire, clean = pair.load()
        fitted = photometric_fit(to_float(moire), Reference(clean))
        truth = true_strength(fitted, to_float(clean))
        scored.append(Scored(f"{pair.key} moire", True, detect(Picture(moire), models), truth))
        scored.append(Scored(f"{pair.key} clean", False, detect(Picture(clean), models)))
    return scored


def true_strength(fitted: FloatImage, clean: FloatImage) -> float | None:
    """RMS amplitude, over ``FULL_STRENGTH``, of a difference where it is visible and the clean picture has no detail.

    Args:
        fitted, clean: (H, W, 3) in [0, 1], the former after the photometric fit.

    Returns:
        None where hardly any of the picture is such.
    """
    photo, truth = (torch.from_numpy(image).permute(2, 0, 1)[None] for image in (fitted, clean))
    difference = amplitude_label(photo, truth, least=0.0)
    own = amplitude_label(truth, torch.zeros_like(truth), least=0.0)
    counted = visible(difference) & (own < _DETAILED)
    if float(counted.float().mean()) < _ENOUGH:
        return None
    return float(difference[counted].square().mean().sqrt()) * 255 / FULL_STRENGTH


def score_clean(paths: Iterable[Path], models: ModelCache) -> list[Scored]:
    """Pictures without moire."""
    return [Scored(path.name, False, detect(Picture(load_picture(path)), models)) for path in paths]


def score_textures(count: int, models: ModelCache, side: int = 512) -> list[Scored]:
    """``count`` drawn textures of ``side`` pixels that could be taken for moire, other ones than were trained on."""
    scored = []
    for number in range(count):
        texture = draw_texture(np.random.default_rng((_TEXTURE_SEED, number)), side, side)
        scored.append(Scored(f"texture {number}", False, detect(Picture(texture), models)))
    return scored


def score_content(content: Path, models: ModelCache, side: int = 1024) -> list[Scored]:
    """The middle, at most ``side`` pixels wide and high, of each validation picture: pages, ground, grass, screens."""
    store, scored = ContentStore(content, "val"), []
    for index, entry in enumerate(store.entries):
        top, left = (max(length - side, 0) // 2 for length in (entry.height, entry.width))
        pixels = np.ascontiguousarray(store.picture(index)[top : top + side, left : left + side])
        scored.append(Scored(entry.name, False, detect(Picture(pixels), models)))
    return scored


@dataclass(frozen=True)
class SimulatedCase:
    """A simulated capture: pixels (H, W, 3), and the true mask and amplitude in 1/255 at 1/4 of its size."""

    name: str
    pixels: Samples
    mask: NDArray[np.bool_]
    amplitude: NDArray[np.float32]


def simulated_cases(content: Path, simulator: SimulatorConfig, count: int, side: int = 384) -> list[SimulatedCase]:
    """Captures of the content's validation pictures."""
    store, cases = ContentStore(content, "val"), []
    for number in range(count):
        seed = (VALIDATION_SEED, 1, number)
        captures = render_batch(store, simulator, seed, 1, side, torch.device("cpu"), labels=True)
        amplitude = from_rms(captures.amplitude)
        pixels = to_bytes(captures.moire)[0]
        cases.append(
            SimulatedCase(
                f"capture {number}", pixels, visible(amplitude)[0, 0].numpy(), (amplitude[0, 0] * 255).numpy()
            )
        )
    return cases


def score_simulated(cases: Sequence[SimulatedCase], models: ModelCache) -> tuple[list[Scored], float | None]:
    """Captures with visible moire on 2 % and more, or on none of the picture; and the mask IoU over all cases."""
    scored, both, either = [], 0, 0
    for case in cases:
        detection = detect(Picture(case.pixels), models)
        both += int((case.mask & detection.mask).sum())
        either += int((case.mask | detection.mask).sum())
        share = float(case.mask.mean())
        if share >= 0.02:
            strength = float(np.sqrt(np.square(case.amplitude[case.mask]).mean())) / FULL_STRENGTH
            scored.append(Scored(case.name, True, detection, strength))
        elif share == 0:
            scored.append(Scored(case.name, False, detection))
    return scored, both / either if either else None


def summarise(scored: Sequence[Scored], mask_iou: float | None = None) -> DetectorSummary:
    """The figures of one set.

    Raises:
        DataError: there is nothing to summarise.
    """
    if not scored:
        raise DataError("There are no pictures to summarise.")
    positives = [s.detection.probability for s in scored if s.moire]
    negatives = [s.detection.probability for s in scored if not s.moire]
    known = [(s.detection.strength, s.truth) for s in scored if s.truth is not None]
    auc = None
    if positives and negatives:
        auc = float(mannwhitneyu(positives, negatives).statistic) / (len(positives) * len(negatives))
    return DetectorSummary(
        positives=len(positives),
        negatives=len(negatives),
        auc=auc,
        accuracy=sum(s.detection.found == s.moire for s in scored) / len(scored),
        false_alarms=sum(p >= 0.5 for p in negatives) / len(negatives) if negatives else None,
        strength_correlation=float(spearmanr(*zip(*known, strict=True)).statistic) if len(known) > 2 else None,
        mask_iou=mask_iou,
    )
