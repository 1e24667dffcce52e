"""Scores models on whole photos of simulated displays, shared at their own size, at half and at a third of it.

Moire that is fine where the photo was taken is coarse or gone where it is shared: does a model help at each?
"""

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from demoire.errors import DataError
from demoire.evaluate import Predict
from demoire.evaluate_clips import decibels
from demoire.metrics import ByteImage
from demoire.pairs import load_picture
from demoire.simulate.capture import MARGIN, VISIBLE, Captures, local_rms, render
from demoire.simulate.config import CaptureParameters, DeliveryParameters, SimulatorConfig
from demoire.simulate.drawing import draw_capture, draw_scale
from demoire.simulate.geometry import linear_part
from demoire.simulate.picture import picture_of
from demoire.training.content import random_crop
from demoire.training.presets import find_preset

REDUCTIONS = (1, 2, 3)
QUALITY = 92
TILE = (600, 800)
"""Height and width of a picture's place on the display, in display pixels."""
VISIBLE_SHARE = 0.3
"""How much of the photo's middle must show moire."""
MOST_DRAWS = 24

CAPTURES = SimulatorConfig(
    # A photo of 12 megapixels that is 4000 wide shows displays 1250 to 2860 pixels wide, as most are; those that are
    # wider need more memory to render and show little moire.
    scale=(1.4, 3.2),
    resonances=(1.5, 2.0, 3.0),
    resonant_share=0.8,
    photo_share=0.0,
    untouched_share=0.0,
    # The truth that restoring networks are trained for.
    target_sharpening=find_preset("cnn").simulator.target_sharpening,
    # The one pass of JPEG is that of sharing, so that the three reductions differ in nothing else.
    jpeg_passes=((0, 1.0),),
    # A display that stands on its corner needs more memory than a photo of one has to tell.
    free_rotation_share=0.0,
)


@dataclass(frozen=True)
class WholePhoto:
    """A photo as it was taken, before it is shared, and the truth; both (H, W, 3) uint8."""

    name: str
    moire: ByteImage
    clean: ByteImage
    parameters: CaptureParameters


@dataclass(frozen=True)
class SharedScore:
    """PSNR in dB to the truth of one photo, shared at one size: as it is, and restored, by model."""

    photo: str
    reduction: int
    before: float
    after: Mapping[str, float]


@dataclass(frozen=True)
class SharedSummary:
    """Means over the photos, of one model at one reduction, in dB.

    Attributes:
        share_of_best: the gain by the best of the model's gains; None where it has none above 0.
    """

    reduction: int
    before: float
    after: float
    gain: float
    share_of_best: float | None


def photo_size(megapixels: float) -> tuple[int, int]:
    """Height and width, 3:4."""
    width = math.sqrt(megapixels * 1e6 * 4 / 3)
    return round(width * 3 / 4), round(width)


def desktop(pictures: Sequence[Path], rng: np.random.Generator, height: int, width: int) -> ByteImage:
    """A display full of pictures at their own pixels, in random order, mirrored where one is smaller than its place.

    Raises:
        DataError: a picture cannot be read.
    """
    rows, columns = (math.ceil(side / step) for side, step in zip((height, width), TILE, strict=True))
    shown = np.empty((rows * TILE[0], columns * TILE[1], 3), np.uint8)
    order: list[Path] = []
    for place in range(rows * columns):
        order = order or [pictures[i] for i in rng.permutation(len(pictures))]
        top, left = place // columns * TILE[0], place % columns * TILE[1]
        shown[top : top + TILE[0], left : left + TILE[1]] = random_crop(load_picture(order.pop()), rng, *TILE)
    return _middle(shown, height, width)


def draw_parameters(rng: np.random.Generator, width: int) -> CaptureParameters:
    """Draws the capture of a whole photo, whose middle is that of the frame."""
    config = replace(CAPTURES, frame=(width, width))
    drawn = draw_capture(config, rng, draw_scale(config, rng))
    return replace(drawn, geometry=replace(drawn.geometry, centre=(0.0, 0.0)))


def take_photo(pictures: Sequence[Path], number: int, megapixels: float, seed: int) -> WholePhoto:
    """Takes one of the photos; the first drawn that shows moire. Same seed, same photos.

    Raises:
        DataError: a picture cannot be read, or no moire is seen in any of ``MOST_DRAWS``.
    """
    rng, size = np.random.default_rng((seed, number)), photo_size(megapixels)
    for _ in range(MOST_DRAWS):
        parameters = draw_parameters(rng, size[1])
        shown = desktop(pictures, rng, *seen_size(parameters, size))
        if visible_share(shown, parameters, (size[0] // 2, size[1] // 2)) >= VISIBLE_SHARE:
            taken = _render(shown, parameters, size)
            return WholePhoto(f"{number:02d}", picture_of(taken.moire), picture_of(taken.clean), parameters)
    raise DataError(f"None of {MOST_DRAWS} photos drawn showed moire: give --content with lighter pictures.")


def seen_size(parameters: CaptureParameters, size: tuple[int, int]) -> tuple[int, int]:
    """Display pixels (height, width) that a photo of ``size`` looks at; even, so that its middle has the same middle.

    ``capture.content_size`` is never less than the photo's own size, which plain pictures need; here it would take
    three times the memory.
    """
    (height, width), ((ux, uy), (vx, vy)) = size, linear_part(parameters.geometry)
    seen = (abs(vx) * width + abs(vy) * height, abs(ux) * width + abs(uy) * height)
    return 2 * math.ceil(seen[0] / 2 * MARGIN + 8), 2 * math.ceil(seen[1] / 2 * MARGIN + 8)


def visible_share(shown: ByteImage, parameters: CaptureParameters, size: tuple[int, int]) -> float:
    """How much of the photo's middle shows moire: its difference to one of a display without visible pixels.

    The middle alone is a quarter of the work. The difference to the target would not do: it counts edges of text.
    """
    masked, plain = (_render(shown, p, size).moire for p in (parameters, replace(parameters, kind="unmasked")))
    return float((local_rms(masked - plain) > VISIBLE).float().mean())


def _render(shown: ByteImage, parameters: CaptureParameters, size: tuple[int, int]) -> Captures:
    """One capture of as much of the display as it sees."""
    seen = _middle(shown, *seen_size(parameters, size))
    content = torch.from_numpy(seen.copy()).permute(2, 0, 1)[None].float() / 255
    return render(content, [parameters], DeliveryParameters(), size)


def _middle(picture: ByteImage, height: int, width: int) -> ByteImage:
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    return picture[top : top + height, left : left + width]


def reduced(picture: ByteImage, reduction: int) -> ByteImage:
    """The picture at one ``reduction``-th of its size, filtered first, as gallery apps do; itself at 1."""
    size = (round(picture.shape[1] / reduction), round(picture.shape[0] / reduction))
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))


def compressed(picture: ByteImage) -> ByteImage:
    """What JPEG leaves of it."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=QUALITY)
    return np.asarray(Image.open(file))


def score_photo(photo: WholePhoto, models: Mapping[str, Predict]) -> list[SharedScore]:
    """Shares a photo at each reduction and restores what arrives.

    Raises:
        DataError: a model returned another size.
    """
    scores = []
    for reduction in REDUCTIONS:
        # The truth is no photo: it is reduced alike, but not compressed.
        shared, clean = compressed(reduced(photo.moire, reduction)), reduced(photo.clean, reduction)
        after = {}
        for name, predict in models.items():
            restored = predict(shared)
            if restored.shape != shared.shape:
                raise DataError(f"{name} returned a picture of shape {restored.shape} for one of {shared.shape}.")
            after[name] = decibels(restored, clean)
        scores.append(SharedScore(photo.name, reduction, decibels(shared, clean), after))
    return scores


def summarise_photos(scores: Sequence[SharedScore], model: str) -> list[SharedSummary]:
    """Means over photos at each reduction.

    Raises:
        DataError: there are no scores.
    """
    if not scores:
        raise DataError("There are no photos to summarise.")
    found = []
    for reduction in REDUCTIONS:
        chosen = [score for score in scores if score.reduction == reduction]
        before = float(np.mean([score.before for score in chosen]))
        after = float(np.mean([score.after[model] for score in chosen]))
        found.append(SharedSummary(reduction, before, after, after - before, None))
    best = max(summary.gain for summary in found)
    return [replace(summary, share_of_best=summary.gain / best if best > 0 else None) for summary in found]
