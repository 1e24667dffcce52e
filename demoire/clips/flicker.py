"""How much a clip flickers: what changes between frames beside motion.

For two consecutive frames that show the same, their luma is averaged down to 256 pixels on the longer side (bands stay,
noise mostly goes). The translation between them is found on the restored frames by phase correlation, to a fraction of
a pixel, and undone in both clips alike. Flicker is then the mean absolute difference, in levels of 255, over the flat
parts of the restored frame (no step from pixel to pixel within 3 pixels is above 12 levels), after the median change
(exposure) was taken out. Edges, which a small misalignment would light up, do not count. The measure of a clip is the
mean over its pairs of frames.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter, shift

from demoire.clips.clip import Pixels
from demoire.clips.cuts import Plane, reduced

_SIDE = 256
_EDGE = 12.0
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
#: Fewer flat pixels than this share tell nothing.
_ENOUGH = 0.01


@dataclass(frozen=True)
class Flicker:
    """Mean change between frames, in levels of 255, ``before`` and ``after``; nan where no pair could be measured."""

    before: float
    after: float


class FlickerMeter:
    """Measures while frames come by; keeps two small ones."""

    def __init__(self) -> None:
        self._last: tuple[Plane, Plane] | None = None
        self._sums = [0.0, 0.0]
        self._pairs = 0

    def add(self, before: Pixels, after: Pixels, cut: bool) -> None:
        """Takes a frame and its restored one; with ``cut`` it is not compared to the one before."""
        now = (reduced(before, _SIDE) @ _LUMA, reduced(after, _SIDE) @ _LUMA)
        last, self._last = self._last, now
        if last is None or cut or last[0].shape != now[0].shape:
            return
        moved = translation(last[1], now[1])
        flat = _flat(now[1]) & _inside(now[1].shape, moved)
        if flat.mean() < _ENOUGH:
            return
        for index in range(2):
            change = now[index] - shift(last[index], moved, order=1, mode="nearest")
            self._sums[index] += float(np.abs(change[flat] - np.median(change[flat])).mean())
        self._pairs += 1

    def result(self) -> Flicker:
        """The means so far."""
        if not self._pairs:
            return Flicker(math.nan, math.nan)
        return Flicker(self._sums[0] / self._pairs, self._sums[1] / self._pairs)


def translation(last: Plane, now: Plane) -> tuple[float, float]:
    """(down, right) in pixels by which the content moved from ``last`` to ``now``: the peak of phase correlation."""
    window = np.outer(np.hanning(last.shape[0] + 2)[1:-1], np.hanning(last.shape[1] + 2)[1:-1])
    spectra = [np.fft.rfft2((plane - plane.mean()) * window) for plane in (last, now)]
    cross = spectra[1] * np.conj(spectra[0])
    level = np.abs(cross)
    if level.max() < 1e-6:
        return 0.0, 0.0
    surface = np.fft.irfft2(cross / np.maximum(level, level.max() * 1e-6), s=last.shape)
    peak = divmod(int(surface.argmax()), surface.shape[1])
    down, right = (_refined(surface, peak, axis) for axis in (0, 1))
    reach = [size / 4 for size in last.shape]
    return (down, right) if abs(down) <= reach[0] and abs(right) <= reach[1] else (0.0, 0.0)


def _refined(surface: NDArray[np.floating], peak: tuple[int, ...], axis: int) -> float:
    """The peak's place along an axis, to a fraction of a pixel: a parabola through its neighbours."""
    size = surface.shape[axis]
    values = []
    for step in (-1, 0, 1):
        place = list(peak)
        place[axis] = (place[axis] + step) % size
        values.append(float(surface[tuple(place)]))
    bend = values[0] - 2 * values[1] + values[2]
    offset = 0.0 if bend >= 0 else 0.5 * (values[0] - values[2]) / bend
    whole = peak[axis]
    return (whole - size if whole > size // 2 else whole) + offset


def _flat(plane: Plane) -> NDArray[np.bool_]:
    """Where there are no edges near."""
    steps = np.zeros_like(plane)
    for axis in (0, 1):
        difference = np.abs(np.diff(plane, axis=axis, append=plane.take([-1], axis)))
        steps = np.maximum(steps, difference)
    near: NDArray[np.bool_] = maximum_filter(steps, 7) < _EDGE
    return near


def _inside(shape: tuple[int, ...], moved: tuple[float, float]) -> NDArray[np.bool_]:
    """What of the frame was in the one before, too."""
    inside = np.zeros(shape, bool)
    down, right = (math.ceil(abs(value)) + 4 for value in moved)
    inside[down : shape[0] - down, right : shape[1] - right] = True
    return inside
