"""What a model tells the pipeline about itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from torch import Tensor


@dataclass(frozen=True)
class Needs:
    """What a network asks of whoever runs it; the pipeline knows no model by name.

    Attributes:
        size_multiple: height and width of its input must be multiples of this.
        receptive_field: radius in pixels: how far on each side an output pixel can see.
        halo: radius in pixels that tiles are widened by; at most ``receptive_field``, measured at export.
        tiling: False where a tile's result depends on the tile (global statistics).
        frames: how many pictures go in at once.
        dtype: the preferred floating type, by name.
    """

    size_multiple: int = 1
    receptive_field: int = 0
    halo: int = 0
    tiling: bool = True
    frames: int = 1
    dtype: str = "float32"


@runtime_checkable
class Doubting(Protocol):
    """A network that can tell whether there is anything for it to do in a picture at all."""

    def evidence(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) in [0, 1] to (N,) in [0, 1]: how sure it is."""
        ...


def from_json(fields: Mapping[str, object]) -> dict[str, Any]:
    """Fields of a configuration, in which JSON's lists stand for tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
