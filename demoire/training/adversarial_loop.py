"""The training loop of a generator against a discriminator."""

import torch
from torch import Tensor

from demoire.errors import DataError
from demoire.models.discriminator import fine_detail
from demoire.training import checkpoint
from demoire.training.adversarial import Opponent
from demoire.training.loop import Trainer, computing
from demoire.training.options import TrainOptions
from demoire.training.presets import Preset
from demoire.training.tasks import Restoring

GOOD = "good"
"""Folder of a run with the last state that was validated and found sound."""
LOST_GAIN = 3.0
DETAIL = (0.4, 2.5)
DEFEATED = 0.01
"""Signs of collapse: the figure (dB) is so far below its best; fine detail of results over that of targets leaves these
bounds; the running mean of the discriminator's loss is below this, so that the generator learns nothing from it."""


class AdversarialTrainer(Trainer):
    """A training whose network, the generator, plays against a discriminator."""

    def __init__(self, preset: Preset, options: TrainOptions) -> None:
        if preset.adversarial is None:
            raise DataError(f"The preset '{preset.model_id}' has no discriminator; train it without one.")
        self._settings_of_game = preset.adversarial
        self._loss = 1.0
        super().__init__(preset, options)

    def _prepare(self) -> None:
        options = self.options
        if options.perceptual is None:
            raise DataError(
                "Training against a discriminator needs VGG16 features: make them with  python -m demoire lpips-weights"
                "  and name their folder with --perceptual DIR."
            )
        self._opponent = Opponent(
            self._settings_of_game, self.model, options.perceptual, self.preset.learning_rate, self.device
        )

    def _tensors(self) -> dict[str, Tensor]:
        return super()._tensors() | self._opponent.tensors()

    def _restore(self, tensors: dict[str, Tensor]) -> None:
        super()._restore(tensors)
        self._opponent.restore(tensors)

    def step(self) -> float:
        """One step of each network's optimiser, as the phase wants; returns the generator's loss."""
        task = self.preset.task
        assert isinstance(task, Restoring)
        settings, fraction, step = self._settings_of_game, self.fraction(), self.progress.step
        moire, clean = self._next_batch(step)
        rate = self._set_rate()
        self.model.train()
        with computing(self.precision, self.device):
            restored, loss = task.measure(self.model, moire, clean)
            loss = loss + self._opponent.generator_loss(restored, moire, clean, fraction >= settings.warm_up)
        self._descend(loss)
        fakes = self._opponent.fakes(restored, self.average, moire, clean, step)
        self._opponent.learn(fakes, moire, clean, step, rate)
        self._loss += 0.01 * (self._opponent.loss - self._loss)
        return float(loss.detach())

    def validate(self) -> float:
        """The task's figure; a state that is sound is kept apart.

        Raises:
            DataError: the training has collapsed; the last sound state is the run's checkpoint again.
        """
        gain = super().validate()
        sign = self._collapse(gain)
        if sign is None:
            checkpoint.save(self.options.run / GOOD, self._tensors(), self.progress, self._settings())
            return gain
        found = checkpoint.load(self.options.run / GOOD)
        if found is None:
            raise DataError(f"The training has collapsed: {sign}. Start anew with a lower learning rate.")
        step = self.progress.step
        tensors, self.progress, _ = found
        self._restore(tensors)
        self.save()
        raise DataError(
            f"The training collapsed by step {step}: {sign}. The state of step {self.progress.step} is kept; go on "
            "with a lower learning rate."
        )

    def _collapse(self, gain: float) -> str | None:
        """What shows that generator or discriminator have failed; None while they have not."""
        best = self.progress.best_gain
        if gain < best - LOST_GAIN:
            return f"validation fell from {best:.1f} to {gain:.1f} dB"
        if self._loss < DEFEATED:
            return "the discriminator tells every result from a clean picture"
        detail = self._detail()
        if not DETAIL[0] < detail < DETAIL[1]:
            return f"results have {detail:.1f} times the detail of clean pictures"
        return None

    @torch.no_grad()
    def _detail(self) -> float:
        """Fine detail of the averaged generator's results over that of the targets, on the validation set."""
        own = true = 0.0
        for pair in self._validation or ():
            own += float(fine_detail(self.average(pair.moire).clamp(0, 1)).abs().mean())
            true += float(fine_detail(pair.clean).abs().mean())
        return own / max(true, 1e-9)
