"""Does a restored picture look like a clean photo? A frozen answer from the discriminator."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from demoire.picture import Picture

if TYPE_CHECKING:
    from demoire.loading import ModelCache

DISCRIMINATOR = "discriminator"


@dataclass(frozen=True)
class Judgement:
    """What the discriminator says of a result.

    Attributes:
        probability: that it is a clean picture and no restored one, calibrated on simulated captures, 0 to 1. It knows
            what restored pictures look like, not what the screen showed: an invented letter may pass.
        patches: the same for each patch of ``cell`` x ``cell`` pixels: (ceil(H/cell), ceil(W/cell)) float32; NaN where
            it was not looked at, since of more than five megapixels only evenly spread squares are.
        cell: side of a patch in pixels; it sees four of them around it, too.
        seconds: from start to end, loading included.
    """

    probability: float
    patches: NDArray[np.float32]
    cell: int
    seconds: float


def judge(
    restored: Picture,
    photo: Picture,
    models: "ModelCache | None" = None,
    cancelled: Callable[[], bool] | None = None,
) -> Judgement:
    """Judges a result beside the photo that it was made from, both of one size, at their own scale, on the CPU.

    ``cancelled`` is asked often.

    Raises:
        UnknownNameError, WeightsError: as ``load_model``.
        CancelledError: ``cancelled`` said so.
    """
    from demoire.loading import ModelCache
    from demoire.look import appraise
    from demoire.stop import Stop

    started = time.monotonic()
    with (models or ModelCache()).using(DISCRIMINATOR) as loaded:
        logits = appraise(loaded, restored.pixels, photo.pixels, Stop(cancelled=cancelled))
        cell = loaded.needs.size_multiple
    return Judgement(
        probability=float(1 / (1 + np.exp(-np.nanmean(logits)))),
        patches=np.divide(1, 1 + np.exp(-logits), dtype=np.float32),
        cell=cell,
        seconds=time.monotonic() - started,
    )
