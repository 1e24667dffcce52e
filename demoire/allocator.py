"""Memory for tensors kept from one to the next while tiles are computed; with another C library than glibc, nothing.

glibc gives a large block back to the kernel as soon as it is freed, and the kernel clears it before it hands it out
again. A network makes dozens of large tensors for each tile, so a good part of its time goes there (see
docs/experiments.md). While memory is kept, freed blocks are used again; afterwards all of it goes back.
"""

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from traceback import clear_frames

# The numbers of mallopt(3), and the values that glibc's own rule for large blocks goes up to.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -3, -4, -8
_USUAL = {_MMAP_MAX: 65536, _MMAP_THRESHOLD: 32 << 20, _TRIM_THRESHOLD: 64 << 20}
_KEPT = {_MMAP_MAX: 0, _TRIM_THRESHOLD: -1}
_STOCK = ((range(24, 264, 16), 256), (range(264, 1032, 16), 32))  # sizes, one for each that glibc has, and how many


def prepare_process() -> None:
    """Makes torch quick in this process; to be called before it is imported and before threads are started."""
    # Threads that wait for one another without spinning: four to five times faster where the cores are shared.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if library := _library():
        library.mallopt(_ARENA_MAX, 1)  # other threads would have arenas of 64 MB, and large blocks none of them


def keeps_memory() -> bool:
    """Whether ``kept_memory`` has an effect here."""
    return _library() is not None


@contextmanager
def kept_memory() -> Iterator[None]:
    """While anybody, in any thread, has entered it, freed memory is kept; all goes back when the last one leaves."""
    _KEEPER.enter()
    try:
        yield
    except BaseException as error:
        clear_frames(error.__traceback__)  # what was being computed with
        raise
    finally:
        _KEEPER.leave()


def give_back() -> None:
    """Gives free memory back to the kernel, kept or not."""
    if library := _library():
        library.malloc_trim(0)


class _Keeper:
    """Counts who wants memory to be kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._apart: list[int] = []

    def enter(self) -> None:
        with self._lock:
            self._users += 1
            if self._users == 1 and (library := _library()):
                _set(library, _KEPT)
                self._apart = _stock_up(library)

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0 and (library := _library()):
                for address in self._apart:
                    library.free(address)
                self._apart = []
                _set(library, _USUAL)
                give_back()


_KEEPER = _Keeper()


def _set(library: ctypes.CDLL, values: dict[int, int]) -> None:
    for name, value in values.items():
        library.mallopt(name, value)


def _stock_up(library: ctypes.CDLL) -> list[int]:
    """Frees small blocks for what else needs memory, which would else settle between large blocks and divide them.

    Returns:
        addresses of the blocks that keep them apart.
    """
    sizes = (size for kinds, count in _STOCK for _ in range(count) for size in kinds)
    pairs = [(library.malloc(size), library.malloc(24)) for size in sizes]
    for small, _ in pairs:
        library.free(small)
    return [apart for _, apart in pairs]


@cache
def _library() -> ctypes.CDLL | None:
    """glibc; None where another C library is used."""
    try:
        version = os.confstr("CS_GNU_LIBC_VERSION")
    except (AttributeError, ValueError, OSError):  # no such function, no such name
        return None
    if not version:
        return None
    library = ctypes.CDLL(None)
    library.malloc.argtypes, library.malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
    library.free.argtypes, library.free.restype = [ctypes.c_void_p], None
    return library
