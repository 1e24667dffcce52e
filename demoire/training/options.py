"""What a training is told: how long, where, from what and on what."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from demoire.errors import DataError
from demoire.training.presets import Preset

Tell = Callable[[str], None]
PAIRS, SIMULATED = "pairs", "simulated"


@dataclass(frozen=True)
class Precision:
    """Autocast dtype and memory format."""

    bfloat16: bool
    channels_last: bool


@dataclass(frozen=True)
class TrainOptions:
    """How long, where and from what to train.

    Attributes:
        content: a content store; None only with ``pairs``.
        run: folder of this training: checkpoint, log, curves, pool.
        steps, minutes: the end of the schedule, over all slices; one of them (None, None: the preset's steps).
        slice_minutes: stop (and save) after so long, to go on later.
        init: state dicts to start from instead of fresh weights, one after the other: a later one may replace a part.
        fresh: render each batch instead of reading a pool (the default on a GPU).
        renew: go on rendering into the pool while training; pause so many times as long as rendering takes.
        rate: the highest learning rate; None is the preset's.
        perceptual: folder of VGG16 features, where the preset trains with them.
        validation: number of captures of the validation set.
        pairs: folder of photos and clean pictures of one's own; with a content store, half of each batch.
        tell: is given sentences about them, such as which are left out.
        precision: None chooses what a short measurement finds fastest; give it where a run must be repeated exactly.
    """

    content: Path | None
    run: Path
    steps: int | None = None
    minutes: float | None = None
    slice_minutes: float | None = None
    device: str = "cpu"
    seed: int = 1
    init: tuple[dict[str, Tensor], ...] = ()
    fresh: bool = False
    renew: float | None = 1.0
    first_slots: int = 600
    validation: int = 64
    precision: Precision | None = None
    rate: float | None = None
    perceptual: Path | None = None
    save_minutes: float = 4.0
    validate_minutes: float = 10.0
    pairs: Path | None = None
    tell: Tell = lambda _: None

    @property
    def data(self) -> list[str]:
        """Of which kinds of data, ``PAIRS`` and ``SIMULATED``, batches are."""
        return [kind for kind, given in ((PAIRS, self.pairs), (SIMULATED, self.content)) if given is not None]


def check_data(preset: Preset, options: TrainOptions) -> None:
    """Raises DataError where there is nothing to train on, or pairs that this preset cannot be trained on."""
    if not options.data:
        raise DataError(
            "There is nothing to train on: name a content store with --content, or your pairs with --pairs."
        )
    plain = preset.sequences is None and preset.adversarial is None and preset.task.restores
    if options.pairs is not None and not plain:
        raise DataError(
            f"The preset '{preset.model_id}' is not trained on pairs of your own; use --preset cnn, or name a content "
            "store with --content in the place of --pairs."
        )
