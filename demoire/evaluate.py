"""Scores restored photos of screens against ground truth, beside the baselines; and clean pictures against themselves.

What is scored is the 8-bit picture that a user would get. A pair's clean picture is analysed once, whatever the number
of restored pictures compared with it.
"""

import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np

from demoire.baselines import BASELINES
from demoire.catalog import WEIGHTS, find_model
from demoire.errors import DataError
from demoire.metrics import (
    METRICS,
    ByteImage,
    Comparison,
    FloatImage,
    Metric,
    Reference,
    bands_removed,
    peak_signal_to_noise,
    to_float,
)
from demoire.pairs import PairFiles, by_number, load_picture

Predict = Callable[[ByteImage], ByteImage]
Scores = Mapping[str, float]

UNPROCESSED = "no processing"


@dataclass(frozen=True)
class Pair:
    """A moire photo and its clean picture in memory.

    Attributes:
        key: what matched them, the number in their names.
        moire: (H, W, 3) uint8.
        reference: the clean picture, ready for the metrics.
    """

    key: str
    moire: ByteImage
    reference: Reference

    @classmethod
    def load(cls, files: PairFiles) -> "Pair":
        """Reads a pair.

        Raises:
            DataError: a picture is broken, or their sizes differ.
        """
        moire, clean = files.load()
        return cls(files.key, moire, Reference(clean))

    @cached_property
    def before(self) -> Scores:
        """The unprocessed photo's scores, without LPIPS; computed once."""
        return score_pair(self.moire, self.reference)


@dataclass(frozen=True)
class Candidate:
    """Something that restores pictures: a baseline, a model, or a folder of its outputs.

    Attributes:
        name: as the report shows it.
        restore: from the photo (H, W, 3) uint8 and its key to the restored picture; None where there is none for it.
    """

    name: str
    restore: Callable[[ByteImage, str], ByteImage | None]


@dataclass(frozen=True)
class Summary:
    """Means over pairs; ``bands`` and what follows from it count only pairs with flat areas.

    Attributes:
        pairs: how many were scored.
        raw, fitted: PSNR in dB.
        ssim: after the photometric fit.
        bands: mean drop in dB of the moire left in flat areas, against no processing; nan without such pairs.
        bands_pairs: how many pairs ``bands`` counts.
        improved: share of those pairs whose moire dropped, 0 to 1.
        worst: the smallest drop in dB.
        blur: mean blur effect, 0 (sharp) to 1, where it was asked for.
        lpips: mean distance after the fit, where it was asked for.
        lpips_change: relative change of that mean against no processing, in percent; negative is better.
    """

    pairs: int
    raw: float
    fitted: float
    ssim: float
    bands: float
    bands_pairs: int
    improved: float
    worst: float
    blur: float | None = None
    lpips: float | None = None
    lpips_change: float | None = None


@dataclass(frozen=True)
class CleanSummary:
    """PSNR in dB of restored clean pictures to their inputs, infinite where nothing changed."""

    pictures: int
    minimum: float
    median: float


@dataclass(frozen=True)
class PairScores:
    """One pair's scores: of the photo as it is, and of each candidate that has a picture for it."""

    key: str
    before: Scores
    after: Mapping[str, Scores]


def score_pair(restored: ByteImage, clean: ByteImage | Reference, metrics: Mapping[str, Metric] = METRICS) -> Scores:
    """All metrics of one restored picture.

    Args:
        restored: (H, W, 3) uint8.
        clean: the same size; a `Reference` where several pictures are compared with it.
        metrics: those to compute.

    Raises:
        DataError: the sizes differ.
    """
    reference = clean if isinstance(clean, Reference) else Reference(clean)
    comparison = Comparison(restored, reference)
    return {name: metric.function(comparison) for name, metric in metrics.items()}


def summarise(before: Sequence[Scores], after: Sequence[Scores]) -> Summary:
    """Means of ``after``, and the drop of its moire against ``before``, pair by pair.

    Raises:
        DataError: there is nothing to summarise.
    """
    if not after:
        raise DataError("There are no scores to summarise.")
    drops = [bands_removed(b["bands_left"], a["bands_left"]) for b, a in zip(before, after, strict=True)]
    drops = [drop for drop in drops if math.isfinite(drop)]
    lpips = change = None
    if "lpips" in after[0]:
        lpips, unprocessed = _mean(after, "lpips"), _mean(before, "lpips")
        change = 100 * (lpips / unprocessed - 1) if unprocessed > 0 else math.nan
    return Summary(
        pairs=len(after),
        raw=_mean(after, "raw"),
        fitted=_mean(after, "fitted"),
        ssim=_mean(after, "ssim"),
        bands=sum(drops) / len(drops) if drops else math.nan,
        bands_pairs=len(drops),
        improved=sum(drop > 0 for drop in drops) / len(drops) if drops else math.nan,
        worst=min(drops, default=math.nan),
        blur=_mean(after, "blur") if "blur" in after[0] else None,
        lpips=lpips,
        lpips_change=change,
    )


def evaluate_model(predict: Predict, pairs: Iterable[Pair]) -> Summary:
    """Restores and scores pairs in this process: for a look during training.

    Args:
        predict: (H, W, 3) uint8 to the same.
        pairs: kept in memory between calls, their own scores are computed only once.

    Raises:
        DataError: no pairs, or a restored picture of another size.
    """
    before, after = [], []
    for pair in pairs:
        before.append(pair.before)
        after.append(score_pair(predict(pair.moire), pair.reference))
    return summarise(before, after)


def compare(
    pairs: Iterable[PairFiles], candidates: Sequence[Candidate], metrics: Mapping[str, Metric] = METRICS
) -> Iterator[PairScores]:
    """Scores every candidate on every pair, one pair in memory at a time.

    Raises:
        DataError: a picture is broken or of another size.
    """
    for files in pairs:
        pair = Pair.load(files)
        after = {}
        for candidate in candidates:
            restored = candidate.restore(pair.moire, pair.key)
            if restored is not None:
                after[candidate.name] = _scored(candidate.name, restored, pair, metrics)
        yield PairScores(pair.key, _scored(UNPROCESSED, pair.moire, pair, metrics), after)


def summaries(scores: Sequence[PairScores], candidates: Iterable[str]) -> dict[str, Summary]:
    """No processing and every candidate, by name, each over the pairs that it has pictures for."""
    unprocessed = [score.before for score in scores]
    found = {UNPROCESSED: summarise(unprocessed, unprocessed)}
    for name in candidates:
        having = [score for score in scores if name in score.after]
        found[name] = summarise([score.before for score in having], [score.after[name] for score in having])
    return found


def compare_clean(paths: Iterable[Path], candidates: Sequence[Candidate]) -> Iterator[tuple[Path, Scores]]:
    """What every candidate changes in pictures that have no moire: the name of each with the PSNR to the input.

    Raises:
        DataError: a picture is broken, or came back in another size.
    """
    for path in paths:
        picture = load_picture(path)
        restored = {candidate.name: candidate.restore(picture, path.stem) for candidate in candidates}
        yield path, {name: faithfulness(result, picture) for name, result in restored.items() if result is not None}


def summarise_clean(scores: Sequence[Scores]) -> dict[str, CleanSummary]:
    """The least and the median PSNR of each candidate over all pictures."""
    found = {}
    for name in scores[0] if scores else ():
        values = [score[name] for score in scores]
        found[name] = CleanSummary(len(values), min(values), statistics.median(values))
    return found


def baseline_candidates() -> list[Candidate]:
    """The baselines of `demoire.baselines`."""
    return [predictor_candidate(name, predict) for name, predict in BASELINES.items()]


def predictor_candidate(name: str, predict: Predict) -> Candidate:
    """A candidate that sees the photo alone."""
    return Candidate(name, lambda photo, key: predict(photo))


def folder_candidate(name: str, folder: Path, pairs: Sequence[PairFiles]) -> Candidate:
    """A candidate whose restored pictures lie in a folder, matched by number.

    Raises:
        DataError: there is none for any pair.
    """
    files = by_number(folder)
    if not any(pair.key in files for pair in pairs):
        raise DataError(f"No picture in {folder} has the number of a pair; name the folder of restored pictures.")
    return Candidate(name, lambda photo, key: load_picture(files[key]) if key in files else None)


def model_predict(model_id: str, device: str = "auto", weights: Path = WEIGHTS) -> Predict:
    """The catalogue's model, run as for a user: through the restoring pipeline, tiled where memory asks for it.

    Args:
        model_id: in the catalogue.
        device: as of `demoire.restore.RestoreOptions`.
        weights: the folder of the catalogue and the models.

    Raises:
        UnknownNameError: there is no such model.
        WeightsError: the catalogue is broken. Loading the weights, at the first picture, raises the same.
    """
    from demoire.loading import ModelCache
    from demoire.picture import Picture
    from demoire.restore import Restored, RestoreOptions, restore

    find_model(model_id, weights)
    options = RestoreOptions(model=model_id, device=device)
    models = ModelCache(weights=weights)

    def predict(picture: ByteImage) -> ByteImage:
        for event in restore(Picture(picture), options, models):
            if isinstance(event, Restored):
                return event.picture.pixels.astype(np.uint8, copy=False)
        raise RuntimeError("restore() ended without a result")

    return predict


def lpips_metric(folder: Path) -> Metric:
    """LPIPS (alex) between the picture after the photometric fit and the clean one, 0 and up, lower is better.

    Args:
        folder: of the converted features, see `demoire.perceptual`.

    Raises:
        WeightsError: they are missing or broken.
    """
    import torch

    from demoire.perceptual import load_lpips

    network = load_lpips(folder)
    described: WeakKeyDictionary[Reference, list[torch.Tensor]] = WeakKeyDictionary()

    def describe(image: FloatImage) -> list[torch.Tensor]:
        return network.describe(torch.from_numpy(image).permute(2, 0, 1)[None])

    def distance(comparison: Comparison) -> float:
        reference = comparison.reference
        with torch.inference_mode():
            if reference not in described:
                described[reference] = describe(reference.clean)
            return float(network.distance(describe(comparison.fitted), described[reference]))

    return Metric(distance, "", higher_is_better=False)


def faithfulness(restored: ByteImage, picture: ByteImage) -> float:
    """PSNR in dB of a restored picture to the input it was made from, infinite where not a pixel changed.

    Raises:
        DataError: the restored picture has another size.
    """
    if restored.shape != picture.shape:
        raise DataError(f"A picture of shape {picture.shape} came back as {restored.shape}.")
    return peak_signal_to_noise(to_float(restored), to_float(picture))


def _scored(name: str, restored: ByteImage, pair: Pair, metrics: Mapping[str, Metric]) -> Scores:
    try:
        return score_pair(restored, pair.reference, metrics)
    except DataError as error:
        raise DataError(f"Pair {pair.key}, {name}: {error}") from error


def _mean(scores: Sequence[Scores], name: str) -> float:
    return sum(score[name] for score in scores) / len(scores)
