"""The training loop of a generator against a discriminator."""

import torch
from torch import Tensor

from demoire.errors import DataError
from demoire.training.adversarial import Opponent
from demoire.training.loop import Trainer, TrainOptions, computing
from demoire.training.presets import Preset
from demoire.training.tasks import Restoring

FINISHING_RATE = 0.1
"""Learning rate of the discriminator's last phase over the preset's."""


class AdversarialTrainer(Trainer):
    """A training whose network, the generator, plays against a discriminator."""

    def __init__(self, preset: Preset, options: TrainOptions) -> None:
        if preset.adversarial is None:
            raise DataError(f"The preset '{preset.model_id}' has no discriminator; train it without one.")
        self._settings_of_game = preset.adversarial
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
        if fraction >= 1 - settings.finish:
            with torch.no_grad():
                restored = self.average(moire)
            fakes = self._opponent.fakes(restored, self.average, moire, clean, step)
            self._opponent.learn(fakes, moire, clean, step, "plain", self.preset.learning_rate * FINISHING_RATE)
            return self._opponent.loss
        self.model.train()
        with computing(self.precision, self.device):
            restored, loss = task.measure(self.model, moire, clean)
        loss = loss + self._opponent.generator_loss(restored, moire, clean, fraction >= settings.warm_up)
        self._descend(loss)
        fakes = self._opponent.fakes(restored, self.average, moire, clean, step)
        self._opponent.learn(fakes, moire, clean, step, settings.game, rate)
        return float(loss.detach())
