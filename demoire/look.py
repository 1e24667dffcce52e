"""Networks that look at whole pictures and give maps: the detector's, and the discriminator's."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from demoire.detect import CELL
from demoire.devices import memory_budget
from demoire.errors import WeightsError
from demoire.loading import LoadedModel
from demoire.memory import largest_area
from demoire.models.detector import AMPLITUDE_UNIT, Detector
from demoire.models.discriminator import Discriminator
from demoire.picture import Samples
from demoire.stop import Stop, Watched
from demoire.tiling import Grid, Layer, Window, plan_within, predict, predict_all

_CPU = torch.device("cpu")
MOST_APPRAISED = 5_000_000
"""More pixels than these are appraised by samples: 1.5 s on two cores."""
MOST_LOOKED, LOOKED_SHARE = 5_000_000, 0.5
"""Of more pixels than these such a share is looked at for moire: 2 s on two cores for 12 megapixels."""
_SAMPLE = 256  # pixels of a side; as large as what the discriminator was calibrated on
_LOOKED_SAMPLE = 512  # as what the detector was calibrated on
_BATCH = 4
_LARGEST = 4_000_000
"""Pixels of the largest window; larger ones take more memory and, waiting for it, more time."""


@torch.inference_mode()
def look(
    loaded: LoadedModel, pixels: Samples, stop: Stop
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Runs the detector over (H, W, 3) pixels.

    Returns:
        logits of the verdict, one for each window of the picture (rows, columns); amplitude of the moire in 1/255 and
        the probability that it is visible, both (ceil(H/4), ceil(W/4)). Of more than ``MOST_LOOKED`` pixels half are
        looked at, in evenly spread squares; what lies between is taken to be as the nearest of these.

    Raises:
        WeightsError: the model is no detector.
        CancelledError: ``stop`` said so.
    """
    module = loaded.module
    if not isinstance(module, Detector):
        raise WeightsError(f"The model '{loaded.entry.id}' does not detect moire; choose one of the family 'detector'.")
    rows, columns = (-(-side // CELL) for side in pixels.shape[:2])
    if pixels.shape[0] * pixels.shape[1] > MOST_LOOKED:
        maps, logits = _looked_by_samples(loaded, module, pixels, stop)
    else:
        maps, measures = _maps(loaded, [pixels], stop)
        logits = module.judge(measures[None])[0]
    amplitude, shown = maps[:, :rows, :columns]
    return logits.numpy(), amplitude.numpy() * np.float32(AMPLITUDE_UNIT), torch.sigmoid(shown).numpy()


def _looked_by_samples(loaded: LoadedModel, module: Detector, pixels: Samples, stop: Stop) -> tuple[Tensor, Tensor]:
    """Maps of the padded picture, between the squares those of the nearest one; and the largest logit of each."""
    grid = Grid(pixels.shape[0], pixels.shape[1], loaded.needs.size_multiple)
    squares = list(_squares(grid, _LOOKED_SAMPLE, round(grid.height * grid.width * LOOKED_SHARE)))
    maps = torch.empty((2, grid.padded[0] // CELL, grid.padded[1] // CELL))
    logits = []
    for window, (found, measures) in zip(squares, _predicted(loaded, [pixels], squares, stop), strict=True):
        top, left, bottom, right = (edge // CELL for edge in window.core)
        maps[:, top:bottom, left:right] = found
        logits.append(module.judge(measures[None]).max())
    rows = _nearest({(square.core[0], square.core[2]) for square in squares}, grid.padded[0])
    columns = _nearest({(square.core[1], square.core[3]) for square in squares}, grid.padded[1])
    return maps[:, rows][:, :, columns], torch.stack(logits)[None]


def _nearest(spans: set[tuple[int, int]], size: int) -> Tensor:
    """For each cell along a side the nearest one that lies in one of the spans, which are given in pixels."""
    inside = torch.cat([torch.arange(start // CELL, end // CELL) for start, end in sorted(spans)])
    places = torch.arange(size // CELL)
    after = torch.searchsorted(inside, places).clamp(max=len(inside) - 1)
    before = (after - 1).clamp(min=0)
    return torch.where((inside[after] - places).abs() < (places - inside[before]).abs(), inside[after], inside[before])


@torch.inference_mode()
def appraise(loaded: LoadedModel, restored: Samples, photo: Samples, stop: Stop) -> NDArray[np.float32]:
    """Runs the discriminator over a restored picture beside its photo, both (H, W, 3).

    Returns:
        the logit that it is a clean picture, for each patch of m x m pixels: (ceil(H/m), ceil(W/m)). Of more than
        ``MOST_APPRAISED`` pixels only evenly spread squares are looked at; elsewhere it is NaN.

    Raises:
        WeightsError: the model is no discriminator.
        CancelledError: ``stop`` said so.
    """
    if not isinstance(loaded.module, Discriminator):
        raise WeightsError(
            f"The model '{loaded.entry.id}' does not judge results; choose one of the family 'discriminator'."
        )
    height, width = photo.shape[:2]
    multiple = loaded.needs.size_multiple
    if height * width > MOST_APPRAISED:
        logits = _sampled(loaded, [restored, photo], stop)
    else:
        logits = _maps(loaded, [restored, photo], stop)[0][0]
    return logits[: -(-height // multiple), : -(-width // multiple)].numpy()


def _maps(loaded: LoadedModel, pictures: Sequence[Samples], stop: Stop) -> tuple[Tensor, ...]:
    """Each output (C, h, w) of the network for the whole padded picture, in as few windows as memory allows."""
    module, needs = loaded.module, loaded.needs
    height, width = pictures[0].shape[:2]
    grid = Grid(height, width, needs.size_multiple, needs.halo)
    budget = memory_budget(_CPU, height * width)
    area = largest_area(lambda probe: module(*[probe] * needs.frames), needs.size_multiple, budget)
    windows = plan_within(grid, min(area, _LARGEST))
    with Watched(stop):
        return predict_all(module, [Layer(pixels) for pixels in pictures], grid, windows)


def _sampled(loaded: LoadedModel, pictures: Sequence[Samples], stop: Stop) -> Tensor:
    """The network's one output (h, w) in squares that are spread evenly over the padded picture; elsewhere NaN."""
    multiple = loaded.needs.size_multiple
    grid = Grid(pictures[0].shape[0], pictures[0].shape[1], multiple)
    height, width = grid.padded
    whole = torch.full((height // multiple, width // multiple), torch.nan)
    windows = list(_squares(grid, _SAMPLE, MOST_APPRAISED))
    for window, (logits,) in zip(windows, _predicted(loaded, pictures, windows, stop), strict=True):
        top, left, bottom, right = (edge // multiple for edge in window.core)
        whole[top:bottom, left:right] = logits[0]
    return whole


def _predicted(
    loaded: LoadedModel, pictures: Sequence[Samples], windows: Sequence[Window], stop: Stop
) -> Iterator[tuple[Tensor, ...]]:
    """Each output (C, h, w) of the network for window after window."""
    layers = [Layer(pixels) for pixels in pictures]
    for start in range(0, len(windows), _BATCH):
        with Watched(stop):
            found = predict(loaded.module, layers, windows[start : start + _BATCH], _CPU)
        yield from found


def _squares(grid: Grid, side: int, pixels: int) -> Iterator[Window]:
    """Windows without margins, together at most so many ``pixels``, each in the middle of its share."""
    height, width = (min(side, size) for size in grid.padded)
    most = pixels // (height * width)
    apart = (grid.height * grid.width / most) ** 0.5
    tops = _starts(grid.padded[0], height, min(int(grid.height / apart), most), grid.multiple)
    lefts = _starts(grid.padded[1], width, most // len(tops), grid.multiple)
    for top in tops:
        for left in lefts:
            box = (top, left, top + height, left + width)
            yield Window(box, box)


def _starts(size: int, side: int, count: int, multiple: int) -> list[int]:
    """Where ``count`` pieces of ``side`` begin, on multiples; at least one, and no more than fit side by side."""
    count = min(max(count, 1), size // side)
    return [int((number + 0.5) * size / count - side / 2) // multiple * multiple for number in range(count)]
