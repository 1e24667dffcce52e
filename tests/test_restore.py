"""Restoring: exact results whatever the tiles, every fallback, cancel, deadline, and memory that comes back."""

import os
import pickle
import subprocess
import sys
import threading
import time
import types
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from demoire import devices
from demoire.errors import CancelledError, DeviceError, MemoryShortError, UnknownNameError, WeightsError
from demoire.inference import Lane, Setback, WindowDone, infer
from demoire.loading import LoadedModel, ModelCache, load_model
from demoire.memory import PeakMemory, bytes_per_pixel, largest_area
from demoire.picture import Picture
from demoire.restore import Restored, RestoreOptions, TileDone, restore
from demoire.run import estimate_seconds, to_samples
from demoire.stop import Stop
from demoire.tiling import Grid, Layer, plan_square, plan_within

CPU = torch.device("cpu")
RNG = np.random.default_rng(8)


def picture(height: int = 90, width: int = 130, dtype: type = np.uint8) -> Picture:
    return Picture(RNG.integers(0, np.iinfo(dtype).max + 1, (height, width, 3)).astype(dtype), name="photo.png")


def run(source: Picture, weights: Path, model: str = "tiny", **options: object) -> tuple[list[TileDone], Restored]:
    chosen = RestoreOptions(model=model, device="cpu", **options)  # type: ignore[arg-type]
    *tiles, last = restore(source, chosen, ModelCache(weights=weights))
    assert isinstance(last, Restored) and all(isinstance(tile, TileDone) for tile in tiles)
    return tiles, last  # type: ignore[return-value]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [(1, 1), (1, 200), (3, 2), (131, 257), (300, 290)])
@pytest.mark.parametrize("tile", [None, 140])
def test_identity_gives_every_value_back(weights: Path, dtype: type, size: tuple[int, int], tile: int | None) -> None:
    source = picture(*size, dtype)
    tiles, last = run(source, weights, "identity", tile=tile)
    assert np.array_equal(last.picture.pixels, source.pixels) and last.picture.pixels.dtype == dtype
    covered = np.zeros(size, int)
    for tile_done in tiles:
        top, left, bottom, right = tile_done.box
        covered[top:bottom, left:right] += 1
        assert np.array_equal(tile_done.pixels, source.pixels[top:bottom, left:right])
        assert not tile_done.pixels.flags.writeable
    assert (covered == 1).all()
    assert [done.index for done in tiles] == list(range(1, len(tiles) + 1))
    assert last.tiles == tiles[-1].total == len(tiles)


def test_the_result_is_the_networks_whatever_the_tiles(weights: Path) -> None:
    source = picture(300, 410)
    module = load_model("tiny", weights=weights).module
    with torch.inference_mode():
        batch = (
            torch.from_numpy(np.pad(source.pixels, ((0, 0), (0, 2), (0, 0)), "reflect")).permute(2, 0, 1)[None] / 255
        )
        direct = module(batch)[0, :, :, :410].clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy()
    whole = run(source, weights)[1]
    assert (whole.tiles, whole.model, whole.origin, whole.device, whole.dtype) == (
        1,
        "tiny",
        "bundled",
        "cpu",
        "float32",
    )
    assert np.abs(whole.picture.pixels.astype(int) - direct).max() <= 1
    assert not np.array_equal(whole.picture.pixels, source.pixels)
    for side in (136, 200, 301):
        tiled = run(source, weights, tile=side)[1]
        assert tiled.tiles > 1
        assert np.abs(tiled.picture.pixels.astype(int) - whole.picture.pixels).max() <= 1
        assert (tiled.picture.pixels != whole.picture.pixels).mean() < 1e-3
    small = run(source, weights, memory_budget=2_000_000)[1]
    assert small.tiles > 1 and np.abs(small.picture.pixels.astype(int) - whole.picture.pixels).max() <= 1


def test_what_came_with_the_pixels_stays(weights: Path) -> None:
    alpha = RNG.integers(0, 256, (90, 130)).astype(np.uint8)
    source = replace(picture(), alpha=alpha, icc=b"profile", exif=b"exif", dpi=(1.0, 2.0), kind="tiff", name="照片.tif")
    last = run(source, weights)[1]
    assert last.picture.alpha is alpha
    assert replace(last.picture, pixels=source.pixels) == source


def test_grey_pictures_stay_grey(weights: Path) -> None:
    values = RNG.integers(0, 256, (40, 50, 1)).astype(np.uint8)
    source = replace(picture(), pixels=np.repeat(values, 3, axis=2), grey=True)
    result = run(source, weights)[1].picture.pixels
    assert np.array_equal(result[..., 0], result[..., 1]) and np.array_equal(result[..., 0], result[..., 2])
    assert np.array_equal(run(source, weights, "identity")[1].picture.pixels, source.pixels)


def test_the_visible_part_comes_first_and_speed_is_told(weights: Path) -> None:
    tiles, _ = run(picture(400, 400), weights, tile=140, first=(390, 390, 400, 400))
    assert tiles[0].box[2:] == (400, 400)
    assert all(tile.megapixels_per_second > 0 for tile in tiles)
    assert tiles[0].seconds_left > 0 and tiles[-1].seconds_left == 0
    shares = [tile.share for tile in tiles]
    assert shares == sorted(shares) and 0 < shares[0] < 1 == shares[-1]


def test_what_is_looked_at_is_not_made_to_wait_for_a_large_tile(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, box = picture(500, 600), (210, 330, 250, 371)
    plain = run(source, weights)[1]
    monkeypatch.setattr("demoire.run._FIRST_MACS", 500 * 150**2)
    tiles, last = run(source, weights, first=box)
    (first, large), place = tiles, tiles[0].box
    assert place[0] <= 210 and place[1] <= 330 and place[2] >= 250 and place[3] >= 371
    assert first.share < 0.02 and (first.total, large.share, large.box) == (2, 1, (0, 0, 500, 600))
    assert np.array_equal(last.picture.pixels, plain.picture.pixels), "the result is that without it"
    wide = run(source, weights, first=(0, 0, 500, 600))[0][0].box
    assert (wide[2] - wide[0]) * (wide[3] - wide[1]) < 100**2, "only the middle of what is too large"


def test_lower_precision_is_close_and_named(weights: Path) -> None:
    source = picture()
    exact = run(source, weights)[1].picture.pixels.astype(int)
    last = run(source, weights, dtype="bfloat16")[1]
    assert last.dtype == "bfloat16" and np.abs(last.picture.pixels - exact).max() <= 3


def test_tiles_are_the_whole_picture_in_lower_precision_too(weights: Path) -> None:
    source = picture(200, 260)
    whole = run(source, weights, dtype="bfloat16")[1].picture.pixels.astype(int)
    tiles, last = run(source, weights, dtype="bfloat16", tile=140)
    assert len(tiles) > 4 and np.abs(last.picture.pixels - whole).max() <= 1


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"model": "tinny"}, UnknownNameError, "did you mean 'tiny'"),
        ({"device": "abacus"}, DeviceError, "no device called"),
        ({"dtype": "float31"}, UnknownNameError, "did you mean 'float32'"),
        ({"deadline": 0.0, "tile": 136}, CancelledError, "time limit of 0 s"),
    ],
)
def test_wrong_options(weights: Path, options: dict[str, object], error: type[Exception], words: str) -> None:
    chosen = replace(RestoreOptions(model="tiny", device="cpu"), **options)  # type: ignore[arg-type]
    with pytest.raises(error, match=words):
        list(restore(picture(300, 300), chosen, ModelCache(weights=weights)))


def test_nothing_is_loaded_before_the_first_item_is_asked_for(tmp_path: Path) -> None:
    events = restore(picture(), RestoreOptions(model="tiny"), ModelCache(weights=tmp_path / "nowhere"))
    with pytest.raises(WeightsError):
        next(events)


class Counting(nn.Module):
    """Adds a tenth; counts its calls; fails as told."""

    def __init__(self, fail: Callable[[Tensor], Exception | None] = lambda x: None) -> None:
        super().__init__()
        self.shapes: list[tuple[int, ...]] = []
        self.fail = fail

    def forward(self, x: Tensor) -> Tensor:
        error = self.fail(x)
        if error:
            raise error
        self.shapes.append(tuple(x.shape))
        return x + 0.1


def compute(lanes: list[Lane], size: tuple[int, int], side: int) -> tuple[np.ndarray, list[str], list[WindowDone]]:
    """Runs lanes over a ramp; the result, the remedies, and the finished windows."""
    grid = Grid(*size, 4, 8)
    source = RNG.random((*size, 3)).astype(np.float32)
    result, remedies, done = np.zeros((*grid.padded, 3), np.float32), [], []
    for event in infer(lanes, [Layer(source)], grid, plan_square(grid, side)):
        if isinstance(event, Setback):
            remedies.append(event.remedy)
            continue
        top, left, bottom, right = event.window.core
        assert (result[top:bottom, left:right] == 0).all(), "no window is computed twice"
        result[top:bottom, left:right] = event.outputs[0].permute(1, 2, 0)
        done.append(event)
    assert np.allclose(result[: size[0], : size[1]], source + np.float32(0.1))
    assert done[-1].remaining == 0
    return result, remedies, done


def out_of_memory_above(pixels: int) -> Callable[[Tensor], Exception | None]:
    def fail(x: Tensor) -> Exception | None:
        return torch.OutOfMemoryError("CUDA out of memory.") if x.numel() // 3 > pixels else None

    return fail


def test_equal_windows_are_batched() -> None:
    network = Counting()
    compute([Lane(CPU, lambda: network, batch=4)], (200, 200), 64)
    assert {shape[0] for shape in network.shapes} <= {4, 1} and len({shape[2:] for shape in network.shapes}) == 1


def test_out_of_memory_takes_a_smaller_batch_then_smaller_tiles_then_the_cpu() -> None:
    fits_two = Counting(out_of_memory_above(2 * 64 * 64))
    assert compute([Lane(CPU, lambda: fits_two, batch=8)], (200, 200), 64)[1] == ["batch", "batch"]
    assert max(shape[0] for shape in fits_two.shapes) == 2
    halves = Counting(out_of_memory_above(64 * 64 - 1))
    _, remedies, done = compute([Lane(CPU, lambda: halves, batch=2)], (200, 200), 64)
    assert remedies == ["batch", "tiles"] and len(done) > len(plan_square(Grid(200, 200, 4, 8), 64))
    nothing, cpu = Counting(out_of_memory_above(0)), Counting()
    _, remedies, done = compute([Lane(CPU, lambda: nothing, batch=2), Lane(CPU, lambda: cpu)], (200, 200), 64)
    assert remedies[0] == "batch" and "tiles" in remedies and remedies[-1] == "device"
    assert len(done) == len(cpu.shapes) and nothing.shapes == []


def test_what_is_finished_stays_when_memory_runs_out_later() -> None:
    limit = [10**9]
    device = Counting(lambda x: out_of_memory_above(limit[0])(x))
    cpu = Counting()
    grid = Grid(200, 200, 4, 8)
    windows = plan_square(grid, 64)
    lanes = [Lane(CPU, lambda: device), Lane(CPU, lambda: cpu)]
    seen: list[WindowDone] = []
    for event in infer(lanes, [Layer(np.zeros((200, 200, 3), np.float32))], grid, windows):
        if isinstance(event, WindowDone):
            seen.append(event)
            limit[0] = 0 if len(seen) == 5 else limit[0]
    assert len(device.shapes) == 5 and len(cpu.shapes) >= len(windows) - 5
    assert sum((e.window.core[2] - e.window.core[0]) * (e.window.core[3] - e.window.core[1]) for e in seen) == 200 * 200


def test_a_network_that_does_not_fit_at_all_goes_to_the_next_lane() -> None:
    def full() -> nn.Module:
        raise RuntimeError("MPS backend out of memory (MPS allocated: 9.0 GB)")

    cpu = Counting()
    assert compute([Lane(CPU, full), Lane(CPU, lambda: cpu)], (100, 100), 64)[1] == ["device"]
    with pytest.raises(MemoryShortError, match="not enough memory"):
        compute([Lane(CPU, full)], (100, 100), 64)


def test_large_windows_are_divided_for_a_small_lane() -> None:
    device, cpu = Counting(out_of_memory_above(0)), Counting()
    lanes = [Lane(CPU, lambda: device), Lane(CPU, lambda: cpu, max_area=60 * 60)]
    compute(lanes, (200, 200), 200)
    assert max(shape[2] * shape[3] for shape in cpu.shapes) <= 60 * 60


@pytest.mark.parametrize("error", [RuntimeError("shapes cannot be multiplied"), ValueError("other"), KeyError("x")])
def test_other_errors_are_never_swallowed(error: Exception) -> None:
    broken = Counting(lambda x: error)
    with pytest.raises(type(error)):
        compute([Lane(CPU, lambda: broken), Lane(CPU, Counting)], (100, 100), 64)


def test_restore_falls_back_and_says_so(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first lane fails as a GPU does; the result is the CPU's, with a notice."""
    source = picture(300, 300)
    expected = run(source, weights)[1].picture.pixels
    attempts: list[torch.device] = []

    def opened(loaded: LoadedModel, device: torch.device, dtype: torch.dtype, stop: Stop) -> nn.Module:
        attempts.append(device)
        if device.type != "cpu":
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return loaded.module

    monkeypatch.setattr("demoire.run._opened", opened)
    monkeypatch.setattr("demoire.run.choose_device", lambda name: torch.device("meta"))
    monkeypatch.setattr("demoire.run.memory_budget", lambda device, pixels, capped: 10**9)
    last = run(source, weights, sure=True)[1]
    assert [device.type for device in attempts] == ["meta", "cpu"]
    assert [notice.code for notice in last.notices] == ["other_device"]
    assert last.device == "cpu" and np.array_equal(last.picture.pixels, expected)


def test_device_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    def machine(cuda: int, mps: bool) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)

    machine(2, False)
    assert str(devices.choose_device()) == "cuda" and str(devices.choose_device("cuda:1")) == "cuda:1"
    assert devices.choose_dtype("auto", "bfloat16", torch.device("cuda")) == torch.bfloat16
    assert devices.choose_dtype("auto", "bfloat16", CPU) == torch.float32
    assert devices.choose_dtype("float16", "float32", CPU) == torch.float16
    for name in ("cuda:2", "mps", "cuda:x", "gpu", ""):
        with pytest.raises(DeviceError):
            devices.choose_device(name)
    machine(0, True)
    assert str(devices.choose_device()) == "mps"
    machine(0, False)
    assert str(devices.choose_device()) == "cpu"
    with pytest.raises(DeviceError, match="use auto or cpu"):
        devices.choose_device("cuda")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("x"), True),
        (MemoryError(), True),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
            True,
        ),
        (RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes."), True),
        (RuntimeError("MPS backend out of memory"), True),
        (RuntimeError("size mismatch"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_what_running_out_of_memory_looks_like(error: Exception, expected: bool) -> None:
    assert devices.is_out_of_memory(error) == expected


def test_a_real_allocation_that_fails_is_recognised() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert devices.is_out_of_memory(caught.value)


def test_memory_budget_is_a_share_of_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 0 < devices.memory_budget(CPU) <= 1_600_000_000
    monkeypatch.setattr(devices, "_free_host_memory", lambda: 1_000_000_000)
    assert devices.memory_budget(CPU) == devices.memory_budget(CPU, 10**8) == 600_000_000
    monkeypatch.setattr(devices, "_free_host_memory", lambda: 10**12)
    assert devices.memory_budget(CPU, 10**8) == 2_700_000_000


@pytest.mark.parametrize("size", [(1225, 1633), (2450, 3266), (3000, 4000), (4000, 6000), (8660, 11547)])
def test_little_is_computed_twice_whatever_the_size(size: tuple[int, int]) -> None:
    loaded = load_model("cnn")
    budget = devices._CPU_BUDGET + devices._CPU_BUDGET_PER_PIXEL * size[0] * size[1]
    grid = Grid(*size, loaded.needs.size_multiple, loaded.needs.halo)
    windows = plan_within(grid, largest_area(loaded.module, loaded.needs.size_multiple, budget, kept=True))
    assert sum(window.area for window in windows) / (size[0] * size[1]) <= 1.35


def test_peak_memory_is_that_of_the_tensors_alive() -> None:
    with PeakMemory() as memory:
        first = torch.zeros(1000)
        second = first + 1
        view = second.view(10, 100)
        del second
        third = first * 2
        del first, third
        view.add_(1)
        torch.ones(500)
    assert memory.peak == 3 * 4000
    network = nn.Sequential(nn.Conv2d(3, 10, 1), nn.ReLU(inplace=True), nn.Conv2d(10, 3, 1))
    assert bytes_per_pixel(network, CPU) == pytest.approx((3 + 10 + 3) * 4, rel=0.01)


def test_values_become_samples() -> None:
    values = torch.tensor([-0.5, 0.0, 0.5 / 255, 0.4999 / 255, 1.0, 7.0]).reshape(1, 1, 6).expand(3, 1, 6)
    assert to_samples(values, np.dtype(np.uint8), grey=False)[0, :, 0].tolist() == [0, 0, 0, 0, 255, 255]
    assert to_samples(values[..., 4:], np.dtype(np.uint16), grey=False).tolist() == [[[65535] * 3] * 2]
    colour = torch.tensor([0.2, 0.4, 0.6]).reshape(3, 1, 1)
    assert to_samples(colour, np.dtype(np.uint8), grey=True).tolist() == [[[round(255 * 0.363)] * 3]]
    with pytest.raises(WeightsError, match="no numbers"):
        to_samples(torch.tensor([float("nan")]).expand(3, 1, 1), np.dtype(np.uint8), grey=False)


def test_cancel_stops_within_one_tile_and_the_next_visitor_is_served(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = Counting()
    monkeypatch.setattr("demoire.run._opened", lambda *_: network)
    models = ModelCache(weights=weights)
    events = restore(picture(400, 400), RestoreOptions(model="tiny", device="cpu", tile=140), models)
    next(events), next(events)
    events.close()
    assert len(network.shapes) == 2
    network.shapes.clear()
    options = RestoreOptions(model="tiny", device="cpu", tile=140, deadline=0.2)
    network.fail = lambda x: time.sleep(0.05)  # type: ignore[func-returns-value]
    with pytest.raises(CancelledError):
        list(restore(picture(400, 400), options, models))
    assert 1 <= len(network.shapes) <= 5
    assert run(picture(), weights, "identity")[1].tiles == 1


def test_cancel_and_deadline_take_effect_within_a_tile(weights: Path) -> None:
    models, source = ModelCache(weights=weights), picture(200, 200)
    asked: list[int] = []
    options = RestoreOptions(model="tiny", device="cpu")
    with pytest.raises(CancelledError, match="was cancelled"):
        list(restore(source, options, models, lambda: asked.append(1) or len(asked) > 9))  # type: ignore[func-returns-value]
    assert len(asked) == 10, "asked between the operations of the only tile"
    with pytest.raises(CancelledError, match="time limit of 0 s"):
        list(restore(source, replace(options, deadline=0.0), models))
    assert run(source, weights)[1].tiles == 1
    travelled = pickle.loads(pickle.dumps(Stop(0.0, lambda: True)))
    with pytest.raises(CancelledError, match="time limit"):
        travelled.check()


def test_two_visitors_at_once_get_their_own_pictures(weights: Path) -> None:
    models = ModelCache(weights=weights)
    sources = [picture(200, 210) for _ in range(4)]
    expected = [run(source, weights)[1].picture.pixels for source in sources]
    wrong: list[int] = []

    def visit(number: int) -> None:
        options = RestoreOptions(model="tiny", device="cpu", tile=140)
        for event in restore(sources[number], options, models):
            if isinstance(event, Restored) and np.abs(event.picture.pixels.astype(int) - expected[number]).max() > 1:
                wrong.append(number)

    threads = [threading.Thread(target=visit, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_models_that_need_the_whole_picture(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load_model("tiny", weights=weights)
    models = ModelCache(weights=weights)
    untiled = replace(loaded, needs=replace(loaded.needs, tiling=False))
    monkeypatch.setattr(models, "using", lambda _: nullcontext(untiled))
    options = RestoreOptions(model="tiny", device="cpu")
    whole = list(restore(picture(300, 300), options, models))[-1]
    assert isinstance(whole, Restored) and whole.tiles == 1 and whole.notices == ()
    tiled = list(restore(picture(300, 300), replace(options, memory_budget=1_500_000), models))[-1]
    assert isinstance(tiled, Restored) and [notice.code for notice in tiled.notices] == ["tiled_anyway"]
    sequence = replace(loaded, needs=replace(loaded.needs, frames=3))
    monkeypatch.setattr(models, "using", lambda _: nullcontext(sequence))
    with pytest.raises(WeightsError, match="needs 3 pictures"):
        list(restore(picture(), options, models))


def test_zero_gpu_is_used_where_its_package_is(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def gpu(duration: Callable[..., int]) -> Callable[[Callable[..., object]], Callable[..., object]]:
        def decorate(function: Callable[..., object]) -> Callable[..., object]:
            def call(*arguments: object) -> object:
                asked.append(duration(*arguments))
                return function(*arguments)

            return call

        return decorate

    monkeypatch.setitem(sys.modules, "spaces", types.SimpleNamespace(GPU=gpu))
    decorated = devices.on_zero_gpu(estimate_seconds)(lambda *arguments: len(arguments))
    arguments = (picture(), RestoreOptions(model="tiny"), ModelCache(weights=weights), Stop())
    assert decorated(*arguments) == 4 and asked == [estimate_seconds(*arguments)]
    large = (picture(3000, 2000), *arguments[1:])
    monkeypatch.setattr("demoire.run._ZERO_GPU_RATE", 1e8)
    assert estimate_seconds(*large) == 20 + 30, "6 megapixels of 500 multiply-accumulates"
    assert estimate_seconds(picture(4000, 6000), *arguments[1:]) == 120, "no more than a Space may ask for"
    monkeypatch.setitem(sys.modules, "spaces", None)
    assert devices.on_zero_gpu(estimate_seconds)(run) is run


STUB = """
from pathlib import Path

def GPU(duration):
    def decorate(function):
        Path(__file__).with_name("registered").write_text(f"{function.__name__} {duration.__name__}")
        return function
    return decorate
"""


@pytest.mark.parametrize("there", [True, False])
def test_a_zero_gpu_space_knows_at_its_start_what_will_ask_for_a_gpu(tmp_path: Path, there: bool) -> None:
    if there:
        (tmp_path / "spaces.py").write_text(STUB)
    code = "import sys, demoire.restore as r; r.register_on_zero_gpu(); print('torch' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(Path.cwd())])}
    command = [sys.executable, "-c", code]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert answer.stdout.strip() == str(there), "torch, which takes seconds, is imported nowhere else"
    assert not there or (tmp_path / "registered").read_text() == "run estimate_seconds"


MEMORY_CODE = """
import gc, sys
from pathlib import Path
import numpy as np, torch
from demoire.errors import DemoireError
from demoire.loading import ModelCache
from demoire.picture import Picture
from demoire.restore import RestoreOptions, restore

torch.set_num_threads(1)
models = ModelCache(weights=Path(sys.argv[1]))
picture = Picture(np.zeros((300, 400, 3), np.uint8))

def resident():
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

def once(number):
    options = RestoreOptions(model="tiny", device="cpu", tile=250, deadline=1e-9 if number % 3 == 1 else None)
    events = restore(picture, options, models)
    try:
        for event in events:
            if number % 3 == 2:
                break
    except DemoireError:
        pass
    events.close()

for number in range(6):
    once(number)
start = resident()
for number in range(50):
    once(number)
print((resident() - start) / 2**20)
"""


@pytest.mark.slow
def test_memory_is_back_after_fifty_runs_cancels_and_errors(weights: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    command = [sys.executable, "-c", MEMORY_CODE, str(weights)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert float(answer.stdout) < 8, "megabytes more than after the first runs"
