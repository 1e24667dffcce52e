"""Where a clip cuts to something else, so that a memory of former frames must go; and where its frame has moved to."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from demoire.clips.clip import Pixels

Plane = NDArray[np.float32]

#: Frames are compared at about this many pixels on their longer side: bands and a hand's tremor vanish there.
_SIDE = 64
#: and so smooth (sigma in pixels there) that a page of text moved by half a pixel is still like itself.
_SMOOTH = 0.7
#: How far, at that size, a frame may have moved from its predecessor.
_REACH = 2
#: Two frames show different things if their likeness (correlation after the best shift) is below the first number and
#: their mean difference (of 255) above the second: bands on an even page differ little, a hand's frames are alike.
#: Of nine simulated clips from a hand no frame is then a cut; without smoothing three of the sample's were.
_CUTS = ((0.6, 6.0), (0.82, 10.0))
#: and in any case if their mean colours differ by so much: light goes on or off, or a page follows a picture.
_COLOUR = 50.0


class CutDetector:
    """Tells for each frame whether it shows something else than the one before."""

    def __init__(self) -> None:
        self._last: Plane | None = None

    def add(self, frame: Pixels) -> bool:
        """Whether a scene begins with this (height, width, 3) uint8 frame; the first one begins none."""
        small, last = reduced(frame, _SIDE), self._last
        self._last = small
        if last is None:
            return False
        if last.shape != small.shape:
            return True
        colours = np.abs(last.mean((0, 1)) - small.mean((0, 1))).max()
        if colours > _COLOUR:
            return True
        likeness, difference = _best(*(gaussian_filter(frame.mean(2), _SMOOTH) for frame in (last, small)))
        return any(likeness < alike and difference > apart for alike, apart in _CUTS)


def reduced(frame: Pixels, side: int) -> Plane:
    """The frame averaged down to ``side`` pixels on its longer side, never up; (h, w, 3) float32, 0 to 255."""
    factor = min(side / max(frame.shape[:2]), 1.0)
    height, width = (max(round(size * factor), 1) for size in frame.shape[:2])
    image = Image.fromarray(frame).resize((width, height), Image.Resampling.BOX)
    return np.asarray(image, np.float32)


def _best(last: Plane, now: Plane) -> tuple[float, float]:
    """The highest correlation over small shifts, and the smallest mean difference."""
    reach = min(_REACH, (min(last.shape) - 1) // 3)
    likeness, difference = -1.0, np.inf
    height, width = last.shape
    for down in range(-reach, reach + 1):
        for right in range(-reach, reach + 1):
            a = last[max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)]
            b = now[max(-down, 0) : height + min(-down, 0), max(-right, 0) : width + min(-right, 0)]
            a, b = a - a.mean(), b - b.mean()
            spread = float(np.sqrt((a * a).mean() * (b * b).mean()))
            likeness = max(likeness, float((a * b).mean()) / spread if spread > 1e-3 else 0.0)
            difference = min(difference, float(np.abs(a - b).mean()))
    return likeness, difference
