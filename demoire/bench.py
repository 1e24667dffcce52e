"""What restoring costs: time, share of the machine's own rate, memory, and pixels that are computed twice.

Every case has a process of its own, so that its peak of memory is its own, and cases are measured in turn, so that a
machine whose speed drifts is as fast for one as for another. Compare ratios: seconds depend on the machine. On a CPU,
ratios are of the time that its cores worked, so that other work on the machine does not count.
"""

import math
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from demoire.catalog import WEIGHTS, find_model
from demoire.errors import DemoireError, MemoryShortError
from demoire.images import Picture, decode, encode
from demoire.restore import Restored, RestoreOptions, TileDone, restore

if TYPE_CHECKING:
    import torch

    from demoire.loading import ModelCache

_MATRIX = 1024
_MATRIX_TURNS = 8
_ASPECT = 4 / 3


@dataclass(frozen=True)
class BenchOptions:
    """What to measure.

    Attributes:
        megapixels: a case for each of these sizes; the pictures are JPEG files made here.
        repeats: how often each case is measured; medians count.
        restore: model, device, tile, memory budget.
        weights: the folder of models.
        threads: of the CPU; None: PyTorch's choice.
    """

    megapixels: tuple[float, ...] = (2, 12, 100)
    repeats: int = 3
    restore: RestoreOptions = field(default_factory=lambda: RestoreOptions(device="cpu"))
    weights: Path = WEIGHTS
    threads: int | None = None


@dataclass(frozen=True)
class Measurement:
    """One run of one case, decode to encode.

    Attributes:
        height, width, tiles: of the picture, and how many tiles it was computed in.
        decode, restore, encode: seconds each took, the model being loaded and warm.
        first_tile: seconds from the start of restoring until the middle of the picture is there, where that is wanted
            first.
        recomputation: pixels computed over pixels of the picture.
        network_rate, machine_rate: multiply-accumulates per second (of a core's work, on a CPU) while restoring
            (overlaps count as work, planning and rounding as time), and while multiplying large float32 matrices.
        peak_memory: the largest resident memory of the process in bytes; ``device_memory``: of tensors on a GPU.
    """

    height: int
    width: int
    tiles: int
    decode: float
    restore: float
    encode: float
    first_tile: float
    recomputation: float
    network_rate: float
    machine_rate: float
    peak_memory: int
    device_memory: int


@dataclass(frozen=True)
class Case:
    """One size.

    Attributes:
        megapixels: of the pictures.
        seconds_per_megapixel: of restoring; a median, as the next two.
        share: network rate over machine rate, both of the same process.
        first_tile: seconds until the middle of the picture is there for somebody who looks at it.
        recomputation, peak_memory: the largest of all runs.
        runs: what was measured.
    """

    megapixels: float
    seconds_per_megapixel: float
    share: float
    first_tile: float
    recomputation: float
    peak_memory: int
    runs: tuple[Measurement, ...]


@dataclass(frozen=True)
class Cost:
    """The cost of one model; ``spread``: by how much a megapixel of the dearest size costs more than of the cheapest.

    ``spread`` is taken in units of the machine's own rate, measured beside each run, since that may drift.
    """

    model: str
    device: str
    macs_per_pixel: float
    spread: float
    cases: tuple[Case, ...]


def measure(options: BenchOptions) -> Cost:
    """Measures all cases, in turn, each in a process of its own.

    Raises:
        DemoireError: as ``restore``; or the options make no sense; or a process was ended from outside.
    """
    if options.repeats < 1 or min(options.megapixels) <= 0:
        raise DemoireError("There is nothing to measure; give sizes and repeats of more than 0.")
    entry = find_model(options.restore.model, options.weights)
    runs: dict[float, list[Measurement]] = {size: [] for size in options.megapixels}
    with tempfile.TemporaryDirectory() as folder:
        photos = {size: make_photo(Path(folder), size) for size in runs}
        for _ in range(options.repeats):
            for size, photo in photos.items():
                runs[size].append(_in_new_process(photo, options, entry.macs_per_pixel))
    cases = tuple(_case(measured) for measured in runs.values())
    dearness = [case.recomputation / case.share for case in cases]
    return Cost(entry.id, options.restore.device, entry.macs_per_pixel, max(dearness) / min(dearness) - 1, cases)


def _case(runs: list[Measurement]) -> Case:
    megapixels = runs[0].height * runs[0].width / 1e6
    return Case(
        megapixels=megapixels,
        seconds_per_megapixel=median(run.restore / megapixels for run in runs),
        share=median(run.network_rate / run.machine_rate for run in runs),
        first_tile=median(run.first_tile for run in runs),
        recomputation=max(run.recomputation for run in runs),
        peak_memory=max(run.peak_memory for run in runs),
        runs=tuple(runs),
    )


def make_photo(folder: Path, megapixels: float, kind: str = "jpeg") -> Path:
    """A file with a coloured grid that is as surely moire as can be, in the proportions of a phone's photos."""
    height = max(round(math.sqrt(megapixels * 1e6 / _ASPECT)), 1)
    width = max(round(height * _ASPECT), 1)
    rows, columns = np.arange(height)[:, None], np.arange(width)
    pixels = np.empty((height, width, 3), np.uint8)
    for channel, period in enumerate((4.3, 4.4, 4.5)):
        waves = [np.uint8(60 + 30 * np.sin(2 * np.pi * along / period)) for along in (rows, columns)]
        pixels[..., channel] = waves[0] + waves[1]
    path = folder / f"{megapixels:g}.{'jpg' if kind == 'jpeg' else kind}"
    encode(Picture(pixels), path, kind)
    return path


def _in_new_process(photo: Path, options: BenchOptions, macs_per_pixel: float) -> Measurement:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as pool:
        try:
            return pool.submit(measure_run, photo, options, macs_per_pixel).result()
        except BrokenProcessPool as error:
            raise MemoryShortError(
                f"The process for {photo.stem} MP was ended, most likely for lack of memory; measure smaller pictures."
            ) from error


def measure_run(photo: Path, options: BenchOptions, macs_per_pixel: float) -> Measurement:
    """Takes one photo from file to file in this process; its peak of memory is only that of the run if it is fresh."""
    import torch

    from demoire.devices import choose_device
    from demoire.loading import ModelCache

    if options.threads:
        torch.set_num_threads(options.threads)
    device = choose_device(options.restore.device)
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    models = ModelCache(weights=options.weights)
    _restore(Picture(np.zeros((64, 64, 3), np.uint8)), options.restore, models)  # load and warm up
    rates = [_machine_rate(device, clock)]
    started = time.perf_counter()
    picture = decode(photo)
    decoded, worked = time.perf_counter(), clock()
    restored = _restore(picture, options.restore, models)
    finished, worked = time.perf_counter(), clock() - worked
    encode(restored.picture, photo.with_suffix(".result.jpg"), "jpeg")
    encoded = time.perf_counter()
    peak = peak_memory()
    rates.append(_machine_rate(device, clock))
    return Measurement(
        height=picture.height,
        width=picture.width,
        tiles=restored.tiles,
        decode=decoded - started,
        restore=finished - decoded,
        encode=encoded - finished,
        first_tile=_first_tile(picture, options.restore, models),
        recomputation=restored.computed / (picture.height * picture.width),
        network_rate=restored.computed * macs_per_pixel / worked,
        machine_rate=sum(rates) / len(rates),
        peak_memory=peak,
        device_memory=torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0,
    )


def _restore(picture: Picture, options: RestoreOptions, models: "ModelCache") -> Restored:
    with closing(restore(picture, options, models)) as events:
        return next(event for event in events if isinstance(event, Restored))


def _first_tile(picture: Picture, options: RestoreOptions, models: "ModelCache") -> float:
    """Seconds until somebody who looks at the middle of the picture sees it restored."""
    top, left = picture.height // 2, picture.width // 2
    looking = replace(options, first=(top - top // 4, left - left // 4, top + top // 4 + 1, left + left // 4 + 1))
    started = time.perf_counter()
    with closing(restore(picture, looking, models)) as events:
        next(event for event in events if isinstance(event, TileDone))
    return time.perf_counter() - started


def _machine_rate(device: "torch.device", clock: Callable[[], float]) -> float:
    """Multiply-accumulates per second of a product of float32 matrices: the median of several."""
    import torch

    matrix = torch.rand(_MATRIX, _MATRIX, device=device)
    times = []
    for _ in range(_MATRIX_TURNS):
        started = clock()
        float((matrix @ matrix)[0, 0])  # reading a value waits for the device
        times.append(clock() - started)
    return _MATRIX**3 / median(times)


def peak_memory() -> int:
    """The largest resident memory of this process so far, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) << 10
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS
