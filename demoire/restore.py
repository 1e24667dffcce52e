"""Restoring: frozen options in, an event per tile out, a frozen result at the end."""

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from demoire.hub import Fetching
from demoire.picture import Notice, Picture, Samples

if TYPE_CHECKING:
    from demoire.loading import ModelCache
    from demoire.stop import Stop

#: (top, left, bottom, right) in pixels of the picture; bottom and right are exclusive.
Box = tuple[int, int, int, int]


@dataclass(frozen=True)
class RestoreOptions:
    """How to restore.

    Attributes:
        model: model id of the catalogue.
        device: "auto" (cuda, else mps, else cpu), "cpu", "cuda", "cuda:1", "mps".
        dtype: "auto" (what the model prefers where the device is fast at it), "float32", "bfloat16", "float16".
        tile: side in pixels of the square that the network sees at once, halo included; None: as memory allows.
        memory_budget: bytes that the network's activations may take; None: measured.
        deadline: seconds after which to give up; None: none.
        first: a box of the picture that is computed first (what the visitor looks at); None: from the top.
        sure: there is moire; else networks that can tell leave pictures without any as they are.
    """

    model: str = "cnn"
    device: str = "auto"
    dtype: str = "auto"
    tile: int | None = None
    memory_budget: int | None = None
    deadline: float | None = None
    first: Box | None = None
    sure: bool = False


@dataclass(frozen=True)
class LookedOver:
    """Nothing is restored yet: no moire was found so far.

    Attributes:
        share: how much of the picture was looked over, 0 to 1.
    """

    share: float


@dataclass(frozen=True)
class TileDone:
    """One tile is finished.

    Attributes:
        index: how many tiles are done, this one included (from 1).
        total: how many there will be; grows when memory runs out and tiles are divided.
        box: the tile's place in the picture, halo excluded. The boxes of a run cover the picture exactly once, but for
            a small first one (``RestoreOptions.first``), which is part of a larger one later; a burst's see
            ``demoire.burst.restore_burst``.
        pixels: (h, w, 3) restored RGB of that box in the picture's dtype; a read-only view of the result.
        megapixels_per_second: so far.
        seconds_left: estimate.
        share: how much of the work is done, 0 to 1.
    """

    index: int
    total: int
    box: Box
    pixels: Samples
    megapixels_per_second: float
    seconds_left: float
    share: float


@dataclass(frozen=True)
class Restored:
    """The result; the last event of ``restore``.

    Attributes:
        picture: as the input, with restored ``pixels``.
        model: model id.
        origin: where the weights came from: "cache", "bundled", "hub" (fetched just now), "local".
        device: where the last tile was computed.
        dtype: the floating type used.
        tiles: how many tiles were computed.
        computed: pixels that the network computed, overlaps of the tiles included.
        seconds: from start to end, loading included.
        notices: the input's, then what happened while restoring (fallbacks).
        photos: how many photos of the same it was made of, this one included; None for a model that sees one at a time.
    """

    picture: Picture
    model: str
    origin: str
    device: str
    dtype: str
    tiles: int
    computed: int
    seconds: float
    notices: tuple[Notice, ...]
    photos: int | None = None


#: What restoring tells.
Event = Fetching | LookedOver | TileDone | Restored


def register_on_zero_gpu() -> None:
    """On a ZeroGPU Space, which must know before it starts what will ask for a GPU, imports that; else does nothing."""
    if find_spec("spaces"):
        import_module("spaces")  # before torch
        import_module("demoire.run")


def restore(
    picture: Picture,
    options: RestoreOptions,
    models: "ModelCache | None" = None,
    cancelled: Callable[[], bool] | None = None,
) -> Generator[Event, None, None]:
    """Restores ``picture`` tile by tile; the last item is ``Restored``. Closing the generator cancels and frees memory.

    While the model's files come from the Hub, it tells how far that is.

    ``models`` keeps loaded models between calls. ``cancelled`` is asked often, within tiles too. Nothing is loaded
    before the first item is asked for.

    Raises:
        UnknownNameError, WeightsError: as ``load_model``.
        DeviceError: the device does not exist here; MemoryShortError: not even the smallest tile fits the CPU's memory.
        CancelledError: the deadline passed, or ``cancelled`` said so.
    """
    from demoire.loading import ModelCache
    from demoire.run import run
    from demoire.stop import Stop

    models = models or ModelCache()
    stop = Stop(options.deadline, cancelled)
    yield from fetched(models, options.model, stop)
    yield from run(picture, options, models, stop)


def fetched(models: "ModelCache", model_id: str, stop: "Stop") -> Generator[Fetching, None, None]:
    """As ``models.fetch``, unless it is to stop."""
    with closing(models.fetch(model_id)) as events:
        for event in events:
            stop.check()
            yield event
