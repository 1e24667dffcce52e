"""Is there moire in a picture at all? Networks that can tell are asked before they restore it."""

from collections.abc import Callable, Generator

import torch
from torch import Tensor

from demoire.models.base import Doubting
from demoire.picture import Picture
from demoire.restore import LookedOver
from demoire.stop import Stop, Watched
from demoire.tiling import Grid, Layer, Predictor, batch_of, nearest_first, plan_square

LOOK = 512
"""Side in pixels of the squares that are looked at one by one."""


def find_evidence(
    network: Doubting, picture: Picture, multiple: int, device: torch.device, stop: Stop
) -> Generator[LookedOver, None, float]:
    """The largest evidence, 0 to 1, in squares that cover the picture; the middle first, and no more once it is 1.

    It tells how far it is, and returns the evidence.

    Raises:
        CancelledError: it is to stop.
    """
    grid, layer = Grid(picture.height, picture.width, multiple), Layer(picture.pixels)
    middle = (picture.height // 2, picture.width // 2)
    largest = 0.0
    windows = nearest_first(plan_square(grid, LOOK), (*middle, *middle))
    for done, window in enumerate(windows, 1):
        with torch.inference_mode(), Watched(stop):
            largest = max(largest, float(network.evidence(batch_of(layer, [window], device))))
        if largest == 1:
            break
        yield LookedOver(done / len(windows))
    return largest


def in_doubt(open_network: Callable[[], Predictor], evidence: float) -> Callable[[], Predictor]:
    """Opens a network that changes pictures by ``evidence`` of what it would; without any it is not even opened."""

    def opened() -> Predictor:
        if evidence == 0:
            return lambda image: image
        predictor = open_network()

        def tempered(image: Tensor) -> Tensor:
            restored = predictor(image)
            assert isinstance(restored, Tensor)
            return torch.lerp(image, restored, evidence)

        return tempered

    return opened
