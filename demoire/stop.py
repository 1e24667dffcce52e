"""Ends what a network computes, early: at a deadline, or when somebody wants it to."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

from demoire.errors import CancelledError


class Stop:
    """Whether a run is to end early: its ``deadline`` in seconds from now, and what ``cancelled`` answers."""

    def __init__(self, deadline: float | None = None, cancelled: Callable[[], bool] | None = None) -> None:
        self._deadline = deadline
        self._cancelled = cancelled
        self._started = time.monotonic()

    def check(self) -> None:
        """Raises CancelledError where the time is over or somebody wants it to end."""
        if self._cancelled and self._cancelled():
            raise CancelledError("The run was cancelled; start it again to go on.")
        if self._deadline is not None and time.monotonic() - self._started > self._deadline:
            raise CancelledError(
                f"The time limit of {self._deadline:g} s passed; choose a faster model or a smaller picture."
            )

    def __reduce__(self) -> tuple[type["Stop"], tuple[float | None]]:
        """Travels to another process without the question, which cannot be asked from there."""
        return Stop, (self._deadline,)


class Watched(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Looks before every operation of this thread whether to stop, so that no large tile has to be waited for."""

    def __init__(self, stop: Stop) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._stop = stop

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Runs the operation unless it is time to stop."""
        self._stop.check()
        return func(*args, **(kwargs or {}))
