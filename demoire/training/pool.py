"""Captures for training: rendered when asked for, or kept in a memory-mapped pool that a background process renews."""

import json
import multiprocessing
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from demoire.errors import DataError
from demoire.simulate.capture import Captures, content_size, render
from demoire.simulate.config import SimulatorConfig, draw_capture, draw_delivery, draw_scale
from demoire.training.content import ContentStore
from demoire.training.textures import draw_texture

VALIDATION_SEED = 20_000_003
TEXTURE_SHARE = 0.6


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
    shared, scale = draw_delivery(config, rng), draw_scale(config, rng)
    parameters = [draw_capture(config, rng, scale) for _ in range(count)]
    height, width = content_size(parameters, shared, (size, size))
    content = np.stack([_draw_content(store, rng, p.kind, height, width) for p in parameters])
    on_device = torch.from_numpy(content).to(device).permute(0, 3, 1, 2).float() / 255
    return render(on_device, parameters, shared, (size, size), labels)


def _draw_content(
    store: ContentStore, rng: np.random.Generator, kind: str, height: int, width: int
) -> NDArray[np.uint8]:
    """A crop of the store; for captures that must pass untouched often a texture that could be taken for moire."""
    if kind != "screen" and rng.random() < TEXTURE_SHARE:
        return draw_texture(rng, height, width)
    return store.crop(rng, height, width)


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


class CapturePool:
    """Pairs of moire and clean images, (slots, 2, size, size, 3) uint8 in one memory-mapped file.

    ``state.json`` holds how many captures were rendered so far; capture k stands in slot k modulo ``slots``.
    """

    def __init__(self, folder: Path, config: PoolConfig) -> None:
        self.folder, self.config = folder, config
        folder.mkdir(parents=True, exist_ok=True)
        self._check_config()
        shape = (config.slots, 2, config.size, config.size, 3)
        path = folder / "captures.u8"
        kept = path.exists() and path.stat().st_size == int(np.prod(shape))
        try:
            self.pairs: NDArray[np.uint8] = (
                np.memmap(path, np.uint8, "r+", 0, shape) if kept else np.memmap(path, np.uint8, "w+", 0, shape)
            )
        except OSError as error:
            raise DataError(
                f"The pool {path} cannot be made ({error.strerror}); free some disk or use fewer slots."
            ) from error

    def _check_config(self) -> None:
        path = self.folder / "pool.json"
        wanted = asdict(self.config)
        if path.exists() and json.loads(path.read_text()) != wanted:
            raise DataError(
                f"The pool in {self.folder} was made with other settings; choose another folder or delete it."
            )
        path.write_text(json.dumps(wanted))

    @property
    def rendered(self) -> int:
        """How many captures were ever written."""
        path = self.folder / "state.json"
        return int(json.loads(path.read_text())["rendered"]) if path.exists() else 0

    def write(self, index: int, captures: Captures) -> None:
        """Stores captures number ``index``, ``index`` + 1, ... and counts them."""
        moire, clean = to_bytes(captures.moire), to_bytes(captures.clean)
        for i in range(len(moire)):
            slot = (index + i) % self.config.slots
            self.pairs[slot, 0], self.pairs[slot, 1] = moire[i], clean[i]
        temporary = self.folder / "state.json.part"
        temporary.write_text(json.dumps({"rendered": index + len(moire)}))
        temporary.replace(self.folder / "state.json")

    def crops(self, rng: np.random.Generator, count: int, side: int) -> tuple[Tensor, Tensor]:
        """Random crops of ready pairs, turned and mirrored: moire and clean, (count, 3, side, side) in [0, 1]."""
        ready = min(self.rendered, self.config.slots)
        if not ready:
            raise DataError(f"The pool in {self.folder} is still empty.")
        taken = []
        for _ in range(count):
            top, left = rng.integers(self.config.size - side + 1, size=2)
            crop = self.pairs[rng.integers(ready), :, top : top + side, left : left + side]
            taken.append(_turned(crop, int(rng.integers(8))))
        pairs = torch.from_numpy(np.stack(taken)).permute(1, 0, 4, 2, 3).float() / 255
        return pairs[0], pairs[1]


def _turned(pair: NDArray[np.uint8], which: int) -> NDArray[np.uint8]:
    """One of the eight orientations of (2, H, W, 3)."""
    turned = np.rot90(pair, which % 4, axes=(1, 2))
    return np.ascontiguousarray(turned[:, :, ::-1] if which >= 4 else turned)


def fill_pool(
    folder: Path, pool_config: PoolConfig, content: Path, config: SimulatorConfig, pace: float, limit: int | None
) -> None:
    """Renders into the pool, one capture at a time, going on where it stopped.

    Args:
        pace: after each capture pause so long as it took, times this; 0 renders without a pause.
        limit: stop when so many were rendered; None goes on until the process is ended.
    """
    pool, store = CapturePool(folder, pool_config), ContentStore(content, pool_config.split)
    index, parent = pool.rendered, os.getppid()
    while (limit is None or index < limit) and os.getppid() == parent:
        started = time.monotonic()
        pool.write(
            index, render_batch(store, config, (pool_config.seed, index), 1, pool_config.size, torch.device("cpu"))
        )
        index += 1
        time.sleep(pace * (time.monotonic() - started))


def _fill_in_background(
    folder: Path, pool_config: PoolConfig, content: Path, config: SimulatorConfig, pace: float
) -> None:
    torch.set_num_threads(1)
    os.nice(10)
    fill_pool(folder, pool_config, content, config, pace, None)


def start_filling(
    folder: Path, pool_config: PoolConfig, content: Path, config: SimulatorConfig, pace: float
) -> multiprocessing.Process:
    """Runs ``fill_pool`` without end in a background process that dies with this one."""
    context = multiprocessing.get_context("spawn")
    arguments = (folder, pool_config, content, config, pace)
    process = context.Process(target=_fill_in_background, args=arguments, daemon=True)
    process.start()
    return process  # type: ignore[return-value]
