"""Restoring frame by frame: one interface for models that know single pictures and for those that remember."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from demoire.clips.clip import Pixels
from demoire.devices import choose_device, choose_dtype
from demoire.inference import Lane, Setback, WindowDone, infer
from demoire.loading import LoadedModel, ModelCache
from demoire.picture import Notice, Samples
from demoire.restore import Box, RestoreOptions
from demoire.run import SETBACKS, check_restores, plan, to_samples
from demoire.stop import Stop, Watched
from demoire.tiling import Grid, Layer, Window, scaled

Cancelled = Callable[[], bool]
#: The memory of a recurrent network: (1, C, h, w) tensors of the whole padded frame, each at a scale of its own.
State = Sequence[Tensor]


class FrameRestorer(Protocol):
    """Restores the frames of a clip in order.

    Attributes:
        model: model id.
    """

    model: str

    @property
    def device(self) -> str:
        """Where the last frame was computed."""

    @property
    def notices(self) -> list[Notice]:
        """What happened meanwhile (memory ran short)."""

    def reset(self) -> None:
        """Forgets all frames so far: the next one shows something else."""

    def restore(self, frame: Pixels, cancelled: Cancelled | None = None) -> Pixels:
        """The restored frame: (height, width, 3) uint8 like ``frame``. ``cancelled`` is asked often.

        Raises:
            CancelledError: ``cancelled`` said so; MemoryShortError; WeightsError: the model gives nonsense.
        """


class Engine:
    """Runs one network over the windows of frame after frame: loaded once, planned once for each size of frame.

    Where memory runs out, the windows that came out of it are those of the frames to come.
    """

    def __init__(self, loaded: LoadedModel, options: RestoreOptions) -> None:
        check_restores(loaded)
        self.loaded = loaded
        self.notices: list[Notice] = [loaded.notice] if loaded.notice else []
        self._options = options
        # A ZeroGPU Space lends its GPU to one function for a moment, not to a clip.
        self.device = choose_device("cpu" if find_spec("spaces") and options.device == "auto" else options.device)
        self.dtype = torch.float32
        self._cancelled: Cancelled | None = None
        self._stop = Stop(None, lambda: bool(self._cancelled and self._cancelled()))
        self._lanes: list[Lane] = []
        self.windows: list[Window] = []
        self.grid = Grid(0, 0)

    def fit(self, height: int, width: int) -> bool:
        """Plans for frames of this size; whether that was new."""
        if (self.grid.height, self.grid.width) == (height, width):
            return False
        needs = self.loaded.needs
        self.grid = Grid(height, width, needs.size_multiple, needs.halo)
        self.dtype = choose_dtype(self._options.dtype, needs.dtype, self.device)
        options = replace(self._options, first=None)
        lanes, self.windows, notices = plan(self.loaded, options, self.grid, self.device, self.dtype, self._stop)
        self._lanes = [_opened_once(lane) for lane in lanes]
        self._say(notices)
        return True

    def run(self, layers: Sequence[Layer], cancelled: Cancelled | None) -> Iterator[WindowDone]:
        """Computes all windows of one frame."""
        self._cancelled = cancelled
        self._stop.check()
        done: list[Window] = []
        device = self._lanes[0].device
        for event in infer(self._lanes, layers, self.grid, self.windows):
            if isinstance(event, Setback):
                self._say((SETBACKS[event.remedy],))
                continue
            done.append(event.window)
            device = event.device
            yield event
        self.windows, self.device = done, device
        while self._lanes[0].device != device:
            del self._lanes[0]

    def watched(self, cancelled: Cancelled | None) -> Watched:
        """While it is entered, computing ends where ``cancelled`` says so."""
        self._cancelled = cancelled
        return Watched(self._stop)

    def _say(self, notices: Sequence[Notice]) -> None:
        self.notices += [notice for notice in notices if notice not in self.notices]


def _opened_once(lane: Lane) -> Lane:
    """The lane with a network that stays on its device between frames."""
    opened: list[Any] = []

    def open_once() -> Any:
        if not opened:
            opened.append(lane.open())
        return opened[0]

    return replace(lane, open=open_once)


class StillRestorer:
    """Any model that restores single pictures, frame by frame; it remembers nothing."""

    def __init__(self, loaded: LoadedModel, options: RestoreOptions) -> None:
        self.model = loaded.entry.id
        self._engine = Engine(loaded, options)

    @property
    def device(self) -> str:
        """As ``FrameRestorer.device``."""
        return str(self._engine.device)

    @property
    def notices(self) -> list[Notice]:
        """As ``FrameRestorer.notices``."""
        return self._engine.notices

    def reset(self) -> None:
        """As ``FrameRestorer.reset``."""

    def restore(self, frame: Pixels, cancelled: Cancelled | None = None) -> Pixels:
        """As ``FrameRestorer.restore``."""
        self._engine.fit(*frame.shape[:2])
        result = np.empty_like(frame)
        for done in self._engine.run([Layer(frame)], cancelled):
            paste(result, done)
        return result


class Remembering(Protocol):
    """A network with a memory; sizes are the padded frame's, multiples of its ``size_multiple``, its own tensors too.

    Attributes:
        fusing_field: halo of ``fuse`` in pixels.
    """

    fusing_field: int

    def start(self, height: int, width: int) -> State:
        """The memory before the first frame."""

    def align(self, state: State, alone: Tensor) -> State:
        """The memory as the present frame sees it; from its restored picture (1, 3, H, W), whole."""

    def fuse(self, x: Tensor, alone: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """The restored frame and the memory after it; ``alone`` is what the network makes of the frame by itself."""


class RecurrentRestorer:
    """A model with a memory: each frame alone, in tiles; then the memory aligned, whole; then both fused, in tiles.

    Each tile of the last step reads its part of the aligned memory, halo included, and writes its core to a new one,
    which takes the old one's place after the frame; so tiles do not see what their neighbours have just written.

    Attributes:
        looking, fusing: what computes the first and the last step.
        remembered: whether the last frame found something in the memory that shows the same.
    """

    def __init__(self, loaded: LoadedModel, options: RestoreOptions) -> None:
        self.model = loaded.entry.id
        self._network: Remembering = loaded.module  # type: ignore[assignment]
        self.looking = Engine(loaded, options)
        needs = replace(loaded.needs, halo=self._network.fusing_field)
        self.fusing = Engine(replace(loaded, module=_Fusing(loaded.module), needs=needs), options)
        self.remembered = False
        self._state: State | None = None

    @property
    def device(self) -> str:
        """As ``FrameRestorer.device``."""
        return str(self.fusing.device)

    @property
    def notices(self) -> list[Notice]:
        """As ``FrameRestorer.notices``."""
        return list(dict.fromkeys((*self.looking.notices, *self.fusing.notices)))

    def reset(self) -> None:
        """As ``FrameRestorer.reset``."""
        self._state = None

    def fit(self, height: int, width: int) -> None:
        """Plans for frames of this size; another size is forgotten."""
        changed = [engine.fit(height, width) for engine in (self.looking, self.fusing)]
        if self._state is None or any(changed):
            self._state = [level.cpu() for level in self._network.start(*self.looking.grid.padded)]

    def restore(self, frame: Pixels, cancelled: Cancelled | None = None) -> Pixels:
        """As ``FrameRestorer.restore``; a frame that is cancelled leaves the memory as it was."""
        self.fit(*frame.shape[:2])
        alone, result = self.blank(), np.empty_like(frame)
        for _ in self.look(frame, alone, cancelled):
            pass
        for done in self.fuse(frame, alone, cancelled):
            paste(result, done)
        return result

    def memory(self, height: int, width: int) -> int:
        """Bytes that a frame's memory and two frames restored by themselves take; tiles come on top."""
        side = 8 * self.looking.loaded.needs.size_multiple
        levels = sum(level.numel() for level in self._network.start(side, side)) / side**2
        # The memory as it was, as the present frame sees it, and as it will be.
        return round((3 * levels + 2 * 3) * height * width) * torch.float32.itemsize

    def blank(self) -> Tensor:
        """Room for what ``look`` makes of a frame: (1, 3, H, W) of the padded frame."""
        return torch.empty(1, 3, *self.looking.grid.padded)

    def look(self, frame: Samples, alone: Tensor, cancelled: Cancelled | None) -> Iterator[WindowDone]:
        """The first step: fills ``alone`` with what the network makes of a frame by itself."""
        for done in self.looking.run([Layer(frame)], cancelled):
            _put(alone, done, done.outputs[0])
            yield done

    def fuse(self, frame: Samples, alone: Tensor, cancelled: Cancelled | None) -> Iterator[WindowDone]:
        """The other steps: the restored frame, window by window; it is remembered once all are done."""
        grid = self.looking.grid
        with self.looking.watched(cancelled):
            state = self._aligned(self._state or self._network.start(*grid.padded), alone)
        following = [torch.empty_like(level) for level in state]
        layers = [Layer(frame), *(_layer(level, grid) for level in (alone, *state))]
        for done in self.fusing.run(layers, cancelled):
            for level, core in zip(following, done.outputs[1:], strict=True):
                _put(level, done, core)
            yield done
        self._state = following

    @torch.inference_mode()
    def _aligned(self, state: State, alone: Tensor) -> State:
        device = self.looking.device
        moved = self._network.align(tuple(level.to(device) for level in state), alone.to(device))
        self.remembered = any(bool(level.any()) for level in moved)
        return [level.float().cpu() for level in moved]


class _Fusing(torch.nn.Module):
    """The last step of a recurrent network as a network of its own."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, frame: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        if not rest:  # to measure how much memory it takes
            state = self.network.start(*frame.shape[-2:])  # type: ignore[operator]
            rest = (frame, *(level.to(frame.device) for level in state))
        fused: tuple[Tensor, ...] = self.network.fuse(frame, *rest)  # type: ignore[operator]
        return fused


def _layer(level: Tensor, grid: Grid) -> Layer:
    """A (1, C, h, w) tensor of the padded frame, at its scale, for the tiles."""
    return Layer(level[0].permute(1, 2, 0).numpy(), Fraction(level.shape[-2], grid.padded[0]))


def _put(level: Tensor, done: WindowDone, core: Tensor) -> None:
    """Writes the core of a tile into a tensor of the padded frame."""
    tall = done.window.core[2] - done.window.core[0]
    top, left, bottom, right = scaled(done.window.core, Fraction(core.shape[-2], tall))
    level[0, :, top:bottom, left:right] = core.float().cpu()


def paste(result: Samples, done: WindowDone, grey: bool = False) -> Box:
    """Puts the core of a window's first output into the frame; where it is, what was added to fit the grid left out."""
    top, left, bottom, right = done.window.core
    place = result[top:bottom, left:right]
    place[...] = to_samples(done.outputs[0], result.dtype, grey)[: place.shape[0], : place.shape[1]]
    return top, left, top + place.shape[0], left + place.shape[1]


@contextmanager
def open_restorer(models: ModelCache, options: RestoreOptions) -> Iterator[FrameRestorer]:
    """A restorer by the model that ``options`` names, whose files are at hand; it stays loaded meanwhile.

    Raises:
        As ``load_model``.
    """
    with models.using(options.model) as loaded:
        yield (RecurrentRestorer if loaded.entry.remembers else StillRestorer)(loaded, options)
