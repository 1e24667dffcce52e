"""Is there moire in a picture, how strong, and where? A frozen answer from the detector."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from demoire.picture import Picture

if TYPE_CHECKING:
    from demoire.loading import ModelCache

DETECTOR = "detector"
#: Side in pixels of a position of ``Detection.mask``.
CELL = 4
#: Amplitude, in 1/255, from which on the strength is 1.
FULL_STRENGTH = 32.0
_LEVELS = ((0.4, "strong"), (0.15, "medium"), (0.0, "weak"))
#: What a picture's moire may be called.
LEVELS = ("none", *(name for _, name in reversed(_LEVELS)))


@dataclass(frozen=True)
class Moire:
    """How much moire a photo has: what ``Detection`` says but for where, as JSON and labels carry it.

    Attributes:
        probability, strength, area: as ``Detection``'s, rounded to 4 digits.
        level: one of ``LEVELS``.
    """

    probability: float
    strength: float
    area: float
    level: str


@dataclass(frozen=True)
class Detection:
    """What the detector says of a picture.

    Attributes:
        probability: that there is moire anywhere, calibrated on simulated captures, 0 to 1; the verdict is at 0.5.
        strength: amplitude of the moire where it is visible, over ``FULL_STRENGTH``/255, 0 to 1: that of a sine with
            the same RMS, each place counted by the probability that it is visible there.
        area: share of the picture where it is visible, 0 to 1.
        mask: (ceil(H/4), ceil(W/4)) bool: where it is visible.
        seconds: from start to end, loading included.
    """

    probability: float
    strength: float
    area: float
    mask: NDArray[np.bool_]
    seconds: float

    @property
    def found(self) -> bool:
        """Whether there is moire."""
        return self.probability >= 0.5

    @property
    def level(self) -> str:
        """One of ``LEVELS``."""
        if not self.found:
            return "none"
        return next(name for least, name in _LEVELS if self.strength >= least)

    @property
    def moire(self) -> Moire:
        """The figures."""
        return Moire(round(self.probability, 4), round(self.strength, 4), round(self.area, 4), self.level)


def detect(
    picture: Picture, models: "ModelCache | None" = None, cancelled: Callable[[], bool] | None = None
) -> Detection:
    """Looks for moire at the picture's own scale, on the CPU; large pictures in windows. ``cancelled`` is asked often.

    Raises:
        UnknownNameError, WeightsError: as ``load_model``.
        CancelledError: ``cancelled`` said so.
    """
    from demoire.loading import ModelCache
    from demoire.look import look
    from demoire.stop import Stop

    started = time.monotonic()
    with (models or ModelCache()).using(DETECTOR) as loaded:
        logits, amplitude, visible = look(loaded, picture.pixels, Stop(cancelled=cancelled))
    return conclude(logits, amplitude, visible, time.monotonic() - started)


def conclude(
    logits: NDArray[np.float32], amplitude: NDArray[np.float32], visible: NDArray[np.float32], seconds: float
) -> Detection:
    """From the maps that ``look`` gives to the answer; the window with the most moire counts.

    For the strength each place counts as far as moire is visible there: of places just below the mask's threshold some
    have moire, too.
    """
    mask, weight = visible > 0.5, float(visible.sum())
    power = float((np.square(amplitude) * visible).sum()) / weight if weight else 0.0
    return Detection(
        probability=float(1 / (1 + np.exp(-logits.max()))),
        strength=min(power**0.5 / FULL_STRENGTH, 1.0),
        area=float(mask.mean()),
        mask=mask,
        seconds=seconds,
    )
