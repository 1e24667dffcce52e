"""How fast captures are rendered against how fast training uses them."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import torch

from demoire.models import build_model
from demoire.training.content import ContentStore
from demoire.training.loop import choose_precision, measure_loss
from demoire.training.pool import render_batch
from demoire.training.presets import Preset


@dataclass(frozen=True)
class TrainingCost:
    """Medians of one run; compare the two rates, since machines differ and are shared.

    Attributes:
        rendered_per_second: captures of the preset's crop size, content read from a store.
        steps_per_second, used_per_second: steps of the optimiser without data loading, and the crops that they use.
        ratio: captures rendered for each crop used: 1 and more keeps up with training on fresh captures.
    """

    device: str
    rendered_per_second: float
    steps_per_second: float
    used_per_second: float
    ratio: float


def measure(preset: Preset, content: Path, device_name: str, repeats: int = 8) -> TrainingCost:
    """Renders ``repeats`` different batches and makes ``repeats`` steps, in turn, after one of each to warm up."""
    device, store = torch.device(device_name), ContentStore(content, "train")
    model = build_model(preset.architecture, **vars(preset.network)).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=preset.learning_rate)
    rng = np.random.default_rng(0)
    captures = render_batch(store, preset.simulator, (0, 0), preset.batch, preset.crop, device)
    batch = (captures.moire, captures.clean)
    precision = choose_precision(preset.task, model, batch, device)

    def render() -> None:
        render_batch(store, preset.simulator, (1, int(rng.integers(2**31))), preset.batch, preset.crop, device)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        measure_loss(preset.task, model, batch, precision).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    times: dict[str, list[float]] = {"render": [], "step": []}
    for turn in range(repeats + 1):
        for name, work in (("render", render), ("step", step)):
            seconds = _timed(work, device)
            if turn:
                times[name].append(seconds)
    # Captures differ in cost by their reduction, so their mean counts; steps are alike.
    rendered = preset.batch * repeats / sum(times["render"])
    steps = 1 / median(times["step"])
    return TrainingCost(device_name, rendered, steps, steps * preset.batch, rendered / (steps * preset.batch))


def _timed(work: Callable[[], None], device: torch.device) -> float:
    started = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started
