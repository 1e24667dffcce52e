"""What a clip costs beside the model: time and memory of decoding and encoding, which must not grow with its length."""

import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from demoire.bench import peak_memory
from demoire.clips.clip import Pixels
from demoire.clips.restoring import ClipRestored, ClipTarget, restore_clip
from demoire.clips.writing import write_frames
from demoire.errors import DemoireError
from demoire.picture import Notice


@dataclass(frozen=True)
class ClipBenchOptions:
    """Clips of ``height`` x ``width`` pixels and ``rate`` frames a second, a case for each length in ``seconds``."""

    seconds: tuple[float, ...] = (10, 60)
    height: int = 1080
    width: int = 1920
    rate: Fraction = Fraction(10)


@dataclass(frozen=True)
class ClipCost:
    """One case: frames taken from file to file, frames a second, the peak of resident memory in bytes."""

    seconds: float
    frames: int
    frames_per_second: float
    peak_memory: int


class Identity:
    """Hands every frame back as it is."""

    model = "identity"
    device = "cpu"

    def __init__(self) -> None:
        self.notices: list[Notice] = []

    def reset(self) -> None:
        """As ``FrameRestorer.reset``."""

    def restore(self, frame: Pixels, cancelled: Callable[[], bool] | None = None) -> Pixels:
        """As ``FrameRestorer.restore``."""
        return frame


def measure_clips(options: ClipBenchOptions) -> tuple[ClipCost, ...]:
    """Measures every case in a process of its own.

    Raises:
        DemoireError: a clip cannot be written or read.
    """
    costs = []
    with tempfile.TemporaryDirectory() as folder:
        for seconds in options.seconds:
            source = Path(folder, f"{seconds:g}.mp4")
            write_frames(source, _frames(options, seconds), options.rate)
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                costs.append(pool.submit(measure_clip, source, seconds).result())
            source.unlink()
    return tuple(costs)


def _frames(options: ClipBenchOptions, seconds: float) -> Iterator[Pixels]:
    """A page with bands that move, as a hand's tremor moves it."""
    rows, columns = np.mgrid[: options.height, : options.width]
    page = np.where((rows % 40 < 14) & (columns % 23 < 15), 60, 215)
    waves = [12 * np.sin((columns + rows / 3) / 9 + number * 2.3) for number in range(4)]
    pages = [np.repeat((page + wave).astype(np.uint8)[..., None], 3, axis=2) for wave in waves]
    for number in range(max(round(seconds * options.rate), 1)):
        yield np.roll(pages[number % 4], (number % 5, number % 3), (0, 1))


def measure_clip(source: Path, seconds: float) -> ClipCost:
    """Takes one clip from file to file in this process; its peak of memory is only that of the run if it is fresh."""
    started = time.perf_counter()
    target = ClipTarget(source.with_suffix(".result.mp4"), "mp4")
    events = restore_clip(source, [target], Identity())  # each holds a frame: they must go one by one
    result = next((event for event in events if isinstance(event, ClipRestored)), None)
    if result is None:
        raise DemoireError("The clip ended without a result; try again.")
    rate = result.frames / (time.perf_counter() - started)
    return ClipCost(seconds, result.frames, rate, peak_memory())
