"""The training loop of a recurrent network, on clips."""

import copy
from collections.abc import Callable
from itertools import count

import numpy as np
import torch
from torch import Tensor

from demoire.errors import DataError
from demoire.models.recurrent import Recurrent
from demoire.training.clip_pool import ClipPool, ClipPoolConfig, fill_clip_pool, render_clip, start_filling_clips
from demoire.training.content import ContentStore
from demoire.training.loop import Batch, Trainer, computing
from demoire.training.losses import OWN_TARGET
from demoire.training.options import TrainOptions
from demoire.training.pool import VALIDATION_SEED
from demoire.training.presets import Preset
from demoire.training.remembering import Clips, Remembering, gain_over_cnn

VALIDATED, SIDE = 8, 224
"""Frames of a clip of the validation set, and their side in pixels."""


class SequenceTrainer(Trainer):
    """A training whose data are clips; the network's CNN begins as a trained one."""

    def __init__(self, preset: Preset, options: TrainOptions) -> None:
        if not options.init:
            raise DataError("A recurrent network is trained around a trained CNN; name it with --init MODEL.")
        if preset.sequences is None:
            raise DataError(f"The preset '{preset.model_id}' has no clips; train it on single photos.")
        self._sequences = preset.sequences
        self._clips: list[Clips] | None = None
        super().__init__(preset, options)

    def _begin(self, weights: dict[str, Tensor]) -> None:
        super()._begin(weights)
        assert isinstance(self.model, Recurrent)
        self.model.cnn.requires_grad_(False)

    @property
    def _task(self) -> Remembering:
        task = self.preset.task
        assert isinstance(task, Remembering)
        return task

    def _open_data(self) -> Callable[[int], Batch]:
        preset, options = self.preset, self.options
        options.run.mkdir(parents=True, exist_ok=True)
        folder = options.run / "pool"
        config = ClipPoolConfig(preset.pool_slots, preset.frames, preset.pool_size, options.seed)
        pool = ClipPool(folder, config)
        assert isinstance(self.model, Recurrent)
        cnn = copy.deepcopy(self.model.cnn).cpu()
        first = min(options.first_slots, preset.pool_slots)
        fill_clip_pool(folder, config, self._content, self._sequences, cnn, 0, first)
        if options.renew is not None:
            start_filling_clips(folder, config, self._content, self._sequences, cnn, options.renew)

        def draw(step: int) -> Clips:
            rng = np.random.default_rng((options.seed, step))
            return pool.draw(preset.batch, preset.frames, preset.crop, rng)

        self._draw = draw
        return self._photos

    def _photos(self, step: int) -> Batch:
        """First frames, as single photos."""
        clips = self._draw(step).to(self.device)
        return clips.moire[:, 0], clips.clean[:, 0]

    def step(self) -> float:
        """One step of the optimiser; returns the loss.

        Raises:
            DataError: the loss is not finite; the last checkpoint is kept.
        """
        clips = self._draw(self.progress.step).to(self.device)
        self._set_rate()
        self.model.train()
        with computing(self.precision, self.device):
            loss = self._task.clip_loss(self.model, clips)
        self._descend(loss)
        return float(loss.detach())

    def validate(self) -> float:
        """The gain (dB) of the averaged weights over the CNN on held-out clips."""
        if self._clips is None:
            self._clips = self._render_validation()
        return gain_over_cnn(self.average, self._clips)

    def _render_validation(self) -> list[Clips]:
        """Clips that show moire at all."""
        store, clips = ContentStore(self._content, "val"), list[Clips]()
        for number in count():
            if len(clips) >= self.options.validation:
                break
            seed = (VALIDATION_SEED, 4, number)
            clip = render_clip(store, self._sequences, seed, VALIDATED, SIDE, torch.device("cpu"))
            if (clip.moire - clip.clean).abs().max() >= OWN_TARGET:
                tensors = (clip.moire, clip.clean, clip.to_previous.float())
                clips.append(Clips(*(tensor[None].to(self.device) for tensor in tensors)))
        return clips
