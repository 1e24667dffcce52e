"""The training loop."""

import copy
import json
import math
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import FrameType

import numpy as np
import torch
from torch import Tensor, nn

from demoire.errors import DataError
from demoire.models import build_model
from demoire.models.detector import Detector
from demoire.models.recurrent import Recurrent
from demoire.models.unet import UNet
from demoire.simulate.capture import Captures
from demoire.training import checkpoint
from demoire.training.checkpoint import Progress
from demoire.training.content import ContentStore
from demoire.training.options import Precision, TrainOptions, check_data
from demoire.training.own_pairs import OwnPairs, open_pairs
from demoire.training.pool import VALIDATION_SEED, CapturePool, PoolConfig, fill_pool, render_batch, start_filling
from demoire.training.presets import Preset
from demoire.training.tasks import Task

Batch = tuple[Tensor, Tensor]
Draw = Callable[[int, int], Batch]
"""From the number of a step and a count to so many pairs."""
GROUP = 4
"""Captures rendered together for a fresh batch."""


@dataclass(frozen=True)
class Report:
    """One line of the log; ``gain`` (the task's figure on the validation set) only when validated."""

    step: int
    seconds: float
    loss: float
    learning_rate: float
    steps_per_second: float
    fraction: float
    gain: float | None = None


def learning_rate(preset: Preset, step: int, fraction: float) -> float:
    """Linear warm-up, then a cosine from the preset's rate to 1 % of it at ``fraction`` 1."""
    warm = min(1.0, (step + 1) / max(preset.warmup, 1))
    return preset.learning_rate * warm * cosine(fraction)


def cosine(fraction: float) -> float:
    """Falls from 1 to .01 while ``fraction`` goes from 0 to 1."""
    return 0.01 + 0.99 * (1 + math.cos(math.pi * min(fraction, 1.0))) / 2


class Trainer:
    """One training: networks, optimiser, data, and where it stands."""

    def __init__(self, preset: Preset, options: TrainOptions) -> None:
        check_data(preset, options)
        self.preset = preset if options.rate is None else replace(preset, learning_rate=options.rate)
        self.options = options
        self.device = torch.device(options.device)
        torch.manual_seed(options.seed)
        self.model = build_model(preset.architecture, **vars(preset.network)).to(self.device)
        for weights in options.init:
            try:
                self._begin(weights)
            except RuntimeError as error:
                raise DataError(
                    "The weights to start from are of another network; choose the preset's own model."
                ) from error
        self.average = copy.deepcopy(self.model).requires_grad_(False)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=preset.learning_rate, betas=(0.9, 0.99), weight_decay=preset.weight_decay
        )
        self.progress = Progress()
        self._prepare()
        self._resume()
        self._held_out: OwnPairs | None = None
        self._next_batch = self._open_data()
        self._validation: list[Captures] | None = None
        self.precision = options.precision or choose_precision(
            preset.task, self.model, self._next_batch(0), self.device
        )
        if self.precision.channels_last:
            self.model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def _begin(self, weights: dict[str, Tensor]) -> None:
        """Starts from these weights; raises RuntimeError where they do not fit."""
        if isinstance(self.model, UNet | Detector | Recurrent):
            self.model.begin_with(weights)
        else:
            self.model.load_state_dict(weights)

    @property
    def _folder(self) -> Path:
        return self.options.run / "checkpoint"

    def _settings(self) -> dict[str, object]:
        network = json.loads(json.dumps(asdict(self.preset.network)))
        settings = {"architecture": self.preset.architecture, "network": network, "seed": self.options.seed}
        # Only where pairs are trained on, so that checkpoints from before there were any go on.
        return settings if self.options.pairs is None else settings | {"data": self.options.data}

    def _resume(self) -> None:
        found = checkpoint.load(self._folder)
        if found is None:
            return
        tensors, progress, settings = found
        if settings != self._settings():
            raise DataError(f"{self._folder} is of another network, seed or kind of data; choose another --run folder.")
        self.progress = progress
        self._restore(tensors)

    def _prepare(self) -> None:
        """What a kind of training adds, before a checkpoint is read."""

    def _tensors(self) -> dict[str, Tensor]:
        return checkpoint.collect(self.model, self.average, self.optimizer)

    def _restore(self, tensors: dict[str, Tensor]) -> None:
        checkpoint.restore(tensors, self.model, self.average, self.optimizer)

    def save(self) -> None:
        """Writes the checkpoint."""
        checkpoint.save(self._folder, self._tensors(), self.progress, self._settings())

    @property
    def _content(self) -> Path:
        """The content store.

        Raises:
            DataError: none was named.
        """
        if self.options.content is None:
            raise DataError("Name the content store to train with: --content POOL.")
        return self.options.content

    def _open_data(self) -> Callable[[int], Batch]:
        options, count = self.options, self.preset.batch
        options.run.mkdir(parents=True, exist_ok=True)
        draws = [] if options.pairs is None else [self._open_pairs(options.pairs)]
        if options.content is not None:
            draws.append(self._open_simulated(options.content))
        shares = [(draw, len(range(first, count, len(draws)))) for first, draw in enumerate(draws)]

        def batch(step: int) -> Batch:
            parts = [draw(step, share) for draw, share in shares if share]
            moire, clean = parts[0] if len(parts) == 1 else map(torch.cat, zip(*parts, strict=True))
            return moire.to(self.device), clean.to(self.device)

        return batch

    def _open_pairs(self, folder: Path) -> Draw:
        """Draws from pairs of one's own, and says what validation scores."""
        options, side = self.options, self.preset.crop
        pairs, held_out = open_pairs(folder, options.run / "pairs", side, options.tell).split()
        moved = sum(pair.moved for part in (pairs, held_out) for pair in part.entries)
        counted = f"{len(pairs) + len(held_out)} pairs of your own, {moved} of them laid over their photos first"
        if len(held_out):
            self._held_out, scored = held_out, f"{len(held_out)} held out of training"
        elif options.content is None:
            self._held_out, scored = pairs, "the training pairs themselves, since there are so few"
        else:
            scored = "simulated captures, since there are so few"
        options.tell(f"{counted}; validation is on {scored}.")
        return lambda step, count: pairs.crops(np.random.default_rng((options.seed, step, 1)), count, side)

    def _open_simulated(self, content: Path) -> Draw:
        preset, options, folder = self.preset, self.options, self.options.run / "pool"
        if options.fresh:
            store = ContentStore(content, "train")
            return lambda step, count: self._render(store, step, count)
        config = PoolConfig(preset.pool_slots, preset.pool_size, options.seed)
        pool = CapturePool(folder, config)
        fill_pool(folder, config, content, preset.simulator, 0, min(options.first_slots, preset.pool_slots))
        if options.renew is not None:
            start_filling(folder, config, content, preset.simulator, options.renew)
        return lambda step, count: pool.crops(np.random.default_rng((options.seed, step)), count, preset.crop)

    def _render(self, store: ContentStore, step: int, count: int) -> Batch:
        """Fresh captures, rendered in groups, since all captures of a group share scale and reduction."""
        preset, seed = self.preset, self.options.seed
        sizes = [min(GROUP, count - first) for first in range(0, count, GROUP)]
        groups = [
            render_batch(store, preset.simulator, (seed, step, number), size, preset.crop, self.device)
            for number, size in enumerate(sizes)
        ]
        return torch.cat([g.moire for g in groups]), torch.cat([g.clean for g in groups])

    def fraction(self) -> float:
        """How much of the schedule is done, 0 to 1."""
        if self.options.minutes is not None:
            return self.progress.seconds / 60 / self.options.minutes
        return self.progress.step / (self.options.steps or self.preset.steps)

    def step(self) -> float:
        """One step of the optimiser; returns the loss.

        Raises:
            DataError: the loss is not finite; the last checkpoint is kept.
        """
        batch = self._next_batch(self.progress.step)
        self._set_rate()
        self.model.train()
        loss = measure_loss(self.preset.task, self.model, batch, self.precision)
        self._descend(loss)
        return float(loss.detach())

    def _set_rate(self) -> float:
        rate = learning_rate(self.preset, self.progress.step, self.fraction())
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        return rate

    def _descend(self, loss: Tensor) -> None:
        """One step of the optimiser and of the average."""
        if not torch.isfinite(loss):
            raise DataError(
                f"The loss is not finite at step {self.progress.step}; {self._folder} holds the state from before. "
                "Start it again with a lower learning rate."
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), self.preset.clip)
        self.optimizer.step()
        decay = min(self.preset.ema, (1 + self.progress.step) / (10 + self.progress.step))
        with torch.no_grad():
            for mean, value in zip(self.average.parameters(), self.model.parameters(), strict=True):
                mean.lerp_(value, 1 - decay)

    def validate(self) -> float:
        """The task's figure for the averaged weights."""
        if self._validation is None:
            self._validation = [captures.to(self.device) for captures in self._draw_validation()]
        return self.preset.task.score(self.average, self._validation)

    def _draw_validation(self) -> list[Captures]:
        count = self.options.validation
        if self._held_out is not None:
            return self._held_out.captures(np.random.default_rng(VALIDATION_SEED), count, self.preset.crop)
        store, labels, on_cpu = ContentStore(self._content, "val"), self.preset.task.labels, torch.device("cpu")
        return [
            render_batch(store, self.preset.simulator, (VALIDATION_SEED, i), 1, 256, on_cpu, labels)
            for i in range(count)
        ]

    def run(self) -> Iterator[Report]:
        """Trains to the end of the schedule or slice, or to SIGTERM; saves; yields a report every few seconds."""
        options, begun = self.options, time.monotonic()
        last_report = last_save = last_validation = begun
        steps, losses = 0, 0.0
        with _catch_termination() as asked_to_stop:
            while self.fraction() < 1:
                started = time.monotonic()
                losses += self.step()
                steps += 1
                now = time.monotonic()
                self.progress = replace(
                    self.progress, step=self.progress.step + 1, seconds=self.progress.seconds + now - started
                )
                ending = asked_to_stop() or self.fraction() >= 1
                ending = ending or (options.slice_minutes is not None and now - begun > options.slice_minutes * 60)
                if ending or now - last_report > 10:
                    gain = None
                    due = now - last_validation > options.validate_minutes * 60 or self.fraction() >= 1
                    if due and not asked_to_stop():
                        gain, last_validation = self.validate(), time.monotonic()
                        self.progress = replace(self.progress, best_gain=max(gain, self.progress.best_gain))
                    yield self._report(losses / steps, steps / (now - last_report), gain)
                    last_report, steps, losses = time.monotonic(), 0, 0.0
                if ending or now - last_save > options.save_minutes * 60:
                    self.save()
                    last_save = time.monotonic()
                if ending:
                    return

    def _report(self, loss: float, rate: float, gain: float | None) -> Report:
        report = Report(
            self.progress.step,
            round(self.progress.seconds, 1),
            round(loss, 6),
            learning_rate(self.preset, self.progress.step, self.fraction()),
            round(rate, 3),
            round(self.fraction(), 5),
            gain,
        )
        with (self.options.run / "log.jsonl").open("a") as log:
            log.write(json.dumps(asdict(report)) + "\n")
        return report


def measure_loss(task: Task, model: nn.Module, batch: Batch, precision: Precision) -> Tensor:
    """The task's loss, networks run in the chosen precision."""
    moire, clean = batch
    if precision.channels_last:
        moire = moire.contiguous(memory_format=torch.channels_last)
    with computing(precision, moire.device):
        return task.loss(model, moire, clean)


def computing(precision: Precision, device: torch.device) -> torch.autocast:
    """While inside, convolutions run in the chosen precision."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision.bfloat16)


def choose_precision(task: Task, model: nn.Module, batch: Batch, device: torch.device, repeats: int = 3) -> Precision:
    """Times forward and backward passes in float32 and bfloat16, plain and channels_last, on a copy of the network."""
    trial = copy.deepcopy(model)
    seconds: dict[Precision, float] = {}
    for precision in (Precision(b, c) for c in (False, True) for b in (False, True)):
        trial.to(memory_format=torch.channels_last if precision.channels_last else torch.contiguous_format)  # type: ignore[call-overload]
        times = []
        for _ in range(repeats):
            started = time.perf_counter()
            measure_loss(task, trial, batch, precision).backward()  # type: ignore[no-untyped-call]
            if device.type == "cuda":
                torch.cuda.synchronize()
            times.append(time.perf_counter() - started)
        seconds[precision] = min(times)
    return min(seconds, key=lambda p: seconds[p])


@contextmanager
def _catch_termination() -> Iterator[Callable[[], bool]]:
    """While inside, SIGTERM and SIGINT only set what the yielded function tells."""
    asked = False

    def note(_signal: int, _frame: FrameType | None) -> None:
        nonlocal asked
        asked = True

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
