"""Simulated clips for training, in a pool as single captures are."""

import multiprocessing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from demoire import homography
from demoire.eight_bits import in_eight_bits
from demoire.errors import DataError
from demoire.simulate.sequence import Clip, SequenceConfig, draw_sequence, render_sequence, shown_size
from demoire.training.content import ContentStore
from demoire.training.pool import MappedPool, draw_content, in_background, keep_rendering, to_bytes, turned
from demoire.training.remembering import Clips


def render_clip(
    store: ContentStore,
    config: SequenceConfig,
    seed: tuple[int, ...],
    frames: int,
    size: int,
    device: torch.device,
) -> Clip:
    """Renders one clip of random content, ``size`` x ``size``; same seed, same clip on a device."""
    rng = np.random.default_rng(seed)
    parameters = draw_sequence(config, rng, frames, (size, size))
    content = draw_content(store, rng, parameters.frames[0].kind, *shown_size(parameters, (size, size)))
    on_device = torch.from_numpy(content).to(device).permute(2, 0, 1)[None].float() / 255
    return render_sequence(on_device, parameters, (size, size))


@dataclass(frozen=True)
class ClipPoolConfig:
    """A pool of ``slots`` clips of ``frames`` frames of ``size`` x ``size``, rendered with ``seed`` from ``split``."""

    slots: int = 400
    frames: int = 8
    size: int = 288
    seed: int = 1
    split: str = "train"


class ClipPool(MappedPool):
    """Moire and clean frames, (slots, frames, 2, size, size, 3) uint8; what the CNN makes of these; homographies."""

    def __init__(self, folder: Path, config: ClipPoolConfig) -> None:
        super().__init__(folder, config)
        self.config = config
        shape = (config.slots, config.frames, 2, config.size, config.size, 3)
        self.clips = self.map("clips.u8", shape, np.uint8)
        self.alone = self.map("alone.f16", (*shape[:2], *shape[3:]), np.float16)
        self.to_previous = self.map("homographies.f64", (config.slots, config.frames, 3, 3), np.float64)

    def write(self, index: int, clip: Clip, alone: Tensor) -> None:
        """Stores clip number ``index`` and what the CNN makes of its frames, (T, 3, H, W), and counts it."""
        slot = index % self.slots
        self.clips[slot, :, 0], self.clips[slot, :, 1] = to_bytes(clip.moire), to_bytes(clip.clean)
        self.alone[slot] = alone.half().permute(0, 2, 3, 1).cpu().numpy()
        self.to_previous[slot] = clip.to_previous.cpu().numpy()
        self.count(index + 1)

    def draw(self, batch: int, frames: int, crop: int, rng: np.random.Generator) -> Clips:
        """Random parts of ready clips, turned, mirrored, and half of them backwards; homographies in float32.

        Raises:
            DataError: the pool is empty, or its clips are shorter or smaller than that.
        """
        if frames > self.config.frames or crop > self.config.size:
            raise DataError(
                f"The pool in {self.folder} has clips of {self.config.frames} frames of {self.config.size} pixels, "
                f"not {frames} of {crop}; make another one."
            )
        drawn = [self._draw_one(self.ready, frames, crop, rng) for _ in range(batch)]
        pixels = torch.from_numpy(np.stack([clip for clip, _ in drawn])).permute(2, 0, 1, 5, 3, 4)
        return Clips(pixels[0], pixels[1], torch.stack([steps for _, steps in drawn]).float(), pixels[2])

    def _draw_one(
        self, ready: int, frames: int, crop: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], Tensor]:
        slot, which = int(rng.integers(ready)), int(rng.integers(8))
        first = int(rng.integers(self.config.frames - frames + 1))
        top, left = (int(at) for at in rng.integers(self.config.size - crop + 1, size=2))
        part = np.s_[slot, first : first + frames, ..., top : top + crop, left : left + crop, :]
        pixels = np.concatenate([self.clips[part] / np.float32(255), self.alone[part][:, None].astype(np.float32)], 1)
        steps = torch.from_numpy(self.to_previous[slot, first : first + frames].copy())
        steps[0] = torch.eye(3)
        if rng.random() < 0.5:
            pixels = pixels[::-1]
            steps[1:] = torch.linalg.inv(steps[1:]).flip(0)
        placed = homography.turned(homography.cropped(steps, top, left), which, crop)
        return turned(pixels, which), placed


def fill_clip_pool(
    folder: Path,
    pool_config: ClipPoolConfig,
    content: Path,
    config: SequenceConfig,
    cnn: nn.Module,
    pace: float,
    limit: int | None,
) -> None:
    """Renders into the pool, one clip at a time, going on where it stopped; pace and limit as of ``pool.fill_pool``."""
    pool, store = ClipPool(folder, pool_config), ContentStore(content, pool_config.split)

    @torch.inference_mode()
    def render(index: int) -> None:
        seed = (pool_config.seed, index)
        clip = render_clip(store, config, seed, pool_config.frames, pool_config.size, torch.device("cpu"))
        # As the pool keeps the frames, in 8 bits.
        pool.write(index, clip, cnn(in_eight_bits(clip.moire)))

    keep_rendering(pool, render, pace, limit)


def start_filling_clips(
    folder: Path, pool_config: ClipPoolConfig, content: Path, config: SequenceConfig, cnn: nn.Module, pace: float
) -> multiprocessing.Process:
    """Runs ``fill_clip_pool`` without end in a background process that dies with this one."""
    return in_background(fill_clip_pool, folder, pool_config, content, config, cnn, pace, None)
