"""How much memory a network takes, measured on a small input rather than known beforehand."""

import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from demoire.allocator import keeps_memory

_PROBE_SIDE = 256  # of smaller inputs what is held row by row counts for more than it takes of tiles
_WORK_SPACE = 1.3  # what operations use inside themselves, over what the probe sees
_GAPS = 2.2  # and on top of it where freed memory is kept, at worst: a tensor does not fit where a smaller one was


class PeakMemory(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the storages that are alive while it is active; ``peak`` is the largest sum in bytes.

    Work space inside an operation (a convolution's) is not seen.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = 0
        self._alive = 0
        self._known: weakref.WeakSet[Any] = weakref.WeakSet()

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Runs the operation and notes the storages that it made."""
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self._note(leaf.untyped_storage())
        return result

    def _note(self, storage: torch.UntypedStorage) -> None:
        if storage in self._known:
            return
        self._known.add(storage)
        size = storage.nbytes()
        self._alive += size
        self.peak = max(self.peak, self._alive)
        weakref.finalize(storage, self._forget, size)

    def _forget(self, size: int) -> None:
        self._alive -= size


@torch.inference_mode()
def bytes_per_pixel(
    predictor: Callable[..., object], device: torch.device, multiple: int = 1, channels: int = 3
) -> float:
    """Bytes of activations that ``predictor`` holds at its worst, for each pixel of its (1, channels, h, w) input."""
    side = max(_PROBE_SIDE // multiple, 1) * multiple
    probe = torch.zeros((1, channels, side, side), device=device)
    with PeakMemory() as memory:
        predictor(probe)
    return float(memory.peak) / side**2 + channels * probe.element_size()


def largest_area(predictor: Callable[..., object], multiple: int, budget: float, kept: bool = False) -> float:
    """Pixels of the largest tile that ``predictor`` computes within ``budget`` bytes, work space included.

    ``kept``: in kept memory, which takes more.
    """
    space = _WORK_SPACE * (_GAPS if kept and keeps_memory() else 1)
    return budget / (bytes_per_pixel(predictor, torch.device("cpu"), multiple) * space)
