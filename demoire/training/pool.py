"""Captures for training: rendered when asked for, or kept in a memory-mapped pool that a background process renews."""

import json
import math
import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar, TypeVarTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from demoire.allocator import kept_memory
from demoire.errors import DataError
from demoire.simulate.capture import Captures, content_size, render
from demoire.simulate.config import SimulatorConfig
from demoire.simulate.resampled import ResampledConfig, draw_captures
from demoire.training.content import ContentStore
from demoire.training.grain import draw_grain
from demoire.training.leaves import draw_leaves
from demoire.training.textures import draw_texture, draw_thing

Ts = TypeVarTuple("Ts")
T = TypeVar("T", bound=np.generic)
VALIDATION_SEED = 20_000_003
TEXTURE_SHARE, THING_SHARE, GRAINY_SHARE, FOUND_SHARE = 0.3, 0.25, 0.5, 0.35
SHOWN_THING_SHARE, REDUCED_SHARE, STREWN_SHARE = 0.1, 0.4, 0.15
LARGEST_REDUCED = 2400
"""Shares of captures that must pass untouched, and of screens, that show nothing but a drawn texture, or a thing with
one; of the rest of the former that are grainy, and that show a texture found in nature; of content that is reduced
first or strewn with leaves, and the side in pixels of the largest crop to reduce."""


def render_batch(
    store: ContentStore,
    config: SimulatorConfig,
    seed: tuple[int, ...],
    count: int,
    size: int,
    device: torch.device,
    labels: bool = False,
) -> Captures:
    """Renders ``count`` captures of ``size`` x ``size`` of random content; same seed, same captures on a device."""
    rng = np.random.default_rng(seed)
    parameters, shared = draw_captures(config, ResampledConfig(), rng, count)
    height, width = content_size(parameters, shared, (size, size))
    content = np.stack([draw_content(store, rng, p.kind, height, width) for p in parameters])
    on_device = torch.from_numpy(content).to(device).permute(0, 3, 1, 2).float() / 255
    return render(on_device, parameters, shared, (size, size), labels)


def draw_content(
    store: ContentStore, rng: np.random.Generator, kind: str, height: int, width: int
) -> NDArray[np.uint8]:
    """A crop of the store; for captures that must pass untouched often with a texture that could be taken for moire."""
    drawn = rng.random()
    if kind != "screen" and drawn < TEXTURE_SHARE:
        return draw_texture(rng, height, width)
    crop = _draw_crop(store, rng, height, width, FOUND_SHARE if kind != "screen" else 0)
    if rng.random() < STREWN_SHARE:
        crop = draw_leaves(rng, crop)
    with_thing = drawn < (SHOWN_THING_SHARE if kind == "screen" else TEXTURE_SHARE + THING_SHARE)
    if with_thing:
        return draw_thing(rng, crop)
    return draw_grain(rng, crop) if kind != "screen" and rng.random() < GRAINY_SHARE else crop


def _draw_crop(
    store: ContentStore, rng: np.random.Generator, height: int, width: int, found_share: float
) -> NDArray[np.uint8]:
    """A crop; many are reduced by up to 3 first: foliage, fur and water of sharp photos are dense and irregular.

    Half of these without a filter and not alike along both axes, as pictures in chats and data sets often are: what is
    jagged in them is no moire.
    """
    largest = min(3.0, LARGEST_REDUCED / max(height, width))
    kind = "texture" if rng.random() < found_share else None
    if rng.random() >= REDUCED_SHARE or largest <= 1:
        return store.crop(rng, height, width, kind)
    down, across = rng.uniform(1, largest, 2)
    if filtered := rng.random() < 0.5:
        across = down
    crop = Image.fromarray(store.crop(rng, round(height * down), round(width * across), kind))
    return np.array(crop.resize((width, height), Image.Resampling.LANCZOS if filtered else Image.Resampling.NEAREST))


def to_bytes(images: Tensor) -> NDArray[np.uint8]:
    """(N, 3, H, W) in [0, 1] to (N, H, W, 3) uint8."""
    array: NDArray[np.uint8] = (images.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return array


@dataclass(frozen=True)
class PoolConfig:
    """A pool of ``slots`` pairs of ``size`` x ``size``, rendered with ``seed`` from the content's ``split``."""

    slots: int = 3000
    size: int = 384
    seed: int = 1
    split: str = "train"


class MappedPool:
    """A folder of memory-mapped slots, rendered one after the other and renewed in turn.

    ``state.json`` holds how many were rendered so far; number k stands in slot k modulo ``slots``.

    Args:
        config: a frozen dataclass with ``slots``; a folder that was made with another one is refused.

    Raises:
        DataError: that, or the disk is full.
    """

    def __init__(self, folder: Path, config: Any) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        path, wanted = folder / "pool.json", asdict(config)
        if path.exists() and json.loads(path.read_text()) != wanted:
            raise DataError(f"The pool in {folder} was made with other settings; choose another folder or delete it.")
        path.write_text(json.dumps(wanted))
        self.slots: int = config.slots

    def map(self, name: str, shape: tuple[int, ...], dtype: type[T]) -> NDArray[T]:
        """The file ``name``, writable; as it is if it has the right size."""
        path = self.folder / name
        kept = path.exists() and path.stat().st_size == math.prod(shape) * np.dtype(dtype).itemsize
        try:
            return np.memmap(path, dtype, "r+" if kept else "w+", 0, shape)
        except OSError as error:
            raise DataError(
                f"The pool {path} cannot be made ({error.strerror}); free some disk or use fewer slots."
            ) from error

    @property
    def rendered(self) -> int:
        """How many were ever written."""
        path = self.folder / "state.json"
        return int(json.loads(path.read_text())["rendered"]) if path.exists() else 0

    @property
    def ready(self) -> int:
        """How many slots can be read; raises DataError if none can."""
        ready = min(self.rendered, self.slots)
        if not ready:
            raise DataError(f"The pool in {self.folder} is still empty.")
        return ready

    def count(self, rendered: int) -> None:
        """Notes that so many were written."""
        temporary = self.folder / "state.json.part"
        temporary.write_text(json.dumps({"rendered": rendered}))
        temporary.replace(self.folder / "state.json")


class CapturePool(MappedPool):
    """Pairs of moire and clean images, (slots, 2, size, size, 3) uint8 in one memory-mapped file."""

    def __init__(self, folder: Path, config: PoolConfig) -> None:
        super().__init__(folder, config)
        self.config = config
        self.pairs = self.map("captures.u8", (config.slots, 2, config.size, config.size, 3), np.uint8)

    def write(self, index: int, captures: Captures) -> None:
        """Stores captures number ``index``, ``index`` + 1, ... and counts them."""
        moire, clean = to_bytes(captures.moire), to_bytes(captures.clean)
        for i in range(len(moire)):
            slot = (index + i) % self.config.slots
            self.pairs[slot, 0], self.pairs[slot, 1] = moire[i], clean[i]
        self.count(index + len(moire))

    def crops(self, rng: np.random.Generator, count: int, side: int) -> tuple[Tensor, Tensor]:
        """Random crops of ready pairs, turned and mirrored: moire and clean, (count, 3, side, side) in [0, 1]."""
        ready, taken = self.ready, []
        for _ in range(count):
            top, left = rng.integers(self.config.size - side + 1, size=2)
            crop = self.pairs[rng.integers(ready), :, top : top + side, left : left + side]
            taken.append(turned(crop, int(rng.integers(8))))
        return as_batch(taken)


def as_batch(crops: Sequence[NDArray[np.uint8]]) -> tuple[Tensor, Tensor]:
    """Crops of pairs, (2, H, W, 3) each, as moire and clean, (N, 3, H, W) in [0, 1]."""
    pairs = torch.from_numpy(np.stack(crops)).permute(1, 0, 4, 2, 3).float() / 255
    return pairs[0], pairs[1]


def turned(images: NDArray[T], which: int) -> NDArray[T]:
    """One of the eight orientations of (..., H, W, 3)."""
    quarters = np.rot90(images, which % 4, axes=(-3, -2))
    return np.ascontiguousarray(quarters[..., ::-1, :] if which >= 4 else quarters)


def fill_pool(
    folder: Path, pool_config: PoolConfig, content: Path, config: SimulatorConfig, pace: float, limit: int | None
) -> None:
    """Renders into the pool, one capture at a time, going on where it stopped.

    Args:
        pace: after each capture pause so long as it took, times this; 0 renders without a pause.
        limit: stop when so many were rendered; None goes on until the process is ended.
    """
    pool, store = CapturePool(folder, pool_config), ContentStore(content, pool_config.split)

    def render(index: int) -> None:
        seed = (pool_config.seed, index)
        pool.write(index, render_batch(store, config, seed, 1, pool_config.size, torch.device("cpu")))

    keep_rendering(pool, render, pace, limit)


def keep_rendering(pool: MappedPool, render: Callable[[int], None], pace: float, limit: int | None) -> None:
    """Calls ``render`` with the numbers that follow those in the pool; pace and limit as of ``fill_pool``.

    Without a limit it ends with the process that started this one; a shell that is left behind ends nothing.
    """
    index, parent = pool.rendered, os.getppid()
    with kept_memory():
        while index < limit if limit is not None else os.getppid() == parent:
            started = time.monotonic()
            render(index)
            index += 1
            time.sleep(pace * (time.monotonic() - started))


def start_filling(
    folder: Path, pool_config: PoolConfig, content: Path, config: SimulatorConfig, pace: float
) -> multiprocessing.Process:
    """Runs ``fill_pool`` without end in a background process that dies with this one."""
    return in_background(fill_pool, folder, pool_config, content, config, pace, None)


def in_background(function: Callable[[*Ts], None], *arguments: *Ts) -> multiprocessing.Process:
    """Runs a function in a nice process of one thread that dies with this one."""
    context = multiprocessing.get_context("spawn")
    process = context.Process(target=_run_nicely, args=(function, *arguments), daemon=True)
    process.start()
    return process  # type: ignore[return-value]


def _run_nicely(function: Callable[[*Ts], None], *arguments: *Ts) -> None:
    torch.set_num_threads(1)
    os.nice(10)
    function(*arguments)
