"""What a network is trained for: its loss, and the figure that tells how good it is."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from demoire.catalog import load_catalog
from demoire.eight_bits import in_eight_bits
from demoire.loading import load_model
from demoire.models.detector import AMPLITUDE_UNIT, Detector
from demoire.models.discriminator import Discriminator
from demoire.models.unet import UNet
from demoire.simulate.capture import Captures
from demoire.simulate.config import SimulatorConfig
from demoire.training.adversarial import GAMES
from demoire.training.calibration import calibrate, calibrate_discriminator
from demoire.training.content import ContentStore
from demoire.training.fakes import disguise, mean_of_pictures, vary, with_moire
from demoire.training.labels import (
    add_bands,
    amplitude_label,
    flatten_some,
    from_rms,
    look_closer,
    texture_some,
    visible,
)
from demoire.training.losses import LOSSES, dice_loss, gate_loss, imitation_loss, strength_loss

GENERATORS = ("cnn", "gan")
"""Families whose results the discriminator is trained and calibrated against."""

LEAST_ERROR = 1e-12
"""Where no picture of a set has any moire, the error before is none; the figure stays finite."""

MEASURED = 2.0
"""Weight of the loss of amplitudes."""

QUIET = 0.2
"""Weight of cells without moire in the loss of amplitudes."""

IMITATED = 1.0
"""Weight of what the detector's CNN takes out otherwise than its teacher."""

SHUT = -4.0
"""Logit of a gate where nothing is to be taken."""


class Task(Protocol):
    """One purpose of training.

    Attributes:
        loss_name: the loss in a word or two, for the model card.
        figure: what ``score`` measures, with its unit.
        labels: whether ``score`` wants captures with labels.
    """

    @property
    def loss_name(self) -> str: ...

    @property
    def figure(self) -> str: ...

    @property
    def labels(self) -> bool: ...

    @property
    def restores(self) -> bool:
        """Whether the network gives a picture of its input's size."""
        ...

    def finish(self, model: nn.Module, store: ContentStore, simulator: SimulatorConfig) -> None:
        """The last touches to trained weights, on held-out content."""
        ...

    def loss(self, model: nn.Module, moire: Tensor, clean: Tensor) -> Tensor:
        """A number to lower, for pairs (N, 3, H, W) in [0, 1]."""
        ...

    def score(self, model: nn.Module, captures: Sequence[Captures]) -> float:
        """How good the network is on held-out captures; more is better."""
        ...


@dataclass(frozen=True)
class Restoring:
    """Moire image to clean image, and a gate that learns where there is moire at all.

    Attributes:
        loss_name: one of ``losses.LOSSES``.
        gate_weight: weight of ``losses.gate_loss`` beside it.
    """

    loss_name: str = "pyramid_l1"
    gate_weight: float = 0.05
    figure: str = "PSNR gain (dB)"
    labels: bool = False
    restores: bool = True

    def finish(self, model: nn.Module, store: ContentStore, simulator: SimulatorConfig) -> None:
        """Nothing is left to do."""

    def loss(self, model: nn.Module, moire: Tensor, clean: Tensor) -> Tensor:
        """The loss between pictures, and the gate's cross entropy by its weight."""
        return self.measure(model, moire, clean)[1]

    def measure(self, model: nn.Module, moire: Tensor, clean: Tensor) -> tuple[Tensor, Tensor]:
        """The restored pictures, and the loss."""
        assert isinstance(model, UNet)
        restored, logits = model.restore_and_judge(moire)
        between = LOSSES[self.loss_name](restored.float(), clean)
        return restored.float(), between + self.gate_weight * gate_loss(logits.float(), moire, clean)

    @torch.no_grad()
    def score(self, model: nn.Module, captures: Sequence[Captures]) -> float:
        """Ratio (dB) of the mean squared errors before and after, over the whole set."""
        before = after = 0.0
        for pair in captures:
            before += float((pair.moire - pair.clean).square().mean())
            after += float((model(pair.moire).clamp(0, 1) - pair.clean).square().mean())
        return 10 * math.log10(max(before, LEAST_ERROR) / max(after, LEAST_ERROR))


@dataclass(frozen=True)
class Detecting:
    """Where there is moire, and how strong; whether at all is fitted at the end.

    The detector's CNN learns to take out what a larger one does, its teacher (after Hinton et al., Distilling the
    knowledge in a neural network, 2015), but nothing of pictures that are known to have no moire.

    Half of each batch are captures, a quarter the targets of the same, which have none: content does not tell them
    apart; some of these become textures that could be taken for moire. Another quarter are targets with bands of known
    strength.

    Attributes:
        side: of the windows of larger crops that are looked at, see ``look_closer``.
        teacher: id of the bundled model that its CNN is taught by.
    """

    side: int = 256
    teacher: str = "cnn-fast"
    loss_name: str = (
        "cross entropy and Dice of the mask, L1 of log amplitudes of places and pictures, L1 to what cnn-fast takes out"
    )
    figure: str = "mask IoU"
    labels: bool = True
    restores: bool = False

    def finish(self, model: nn.Module, store: ContentStore, simulator: SimulatorConfig) -> None:
        """Fits the verdict."""
        assert isinstance(model, Detector)
        calibrate(model, store, simulator)

    def loss(self, model: nn.Module, moire: Tensor, clean: Tensor) -> Tensor:
        """Cross entropy and Dice of the mask, differences of the logarithms of amplitudes, and that to the teacher."""
        assert isinstance(model, Detector)
        image, amplitude = self._varied(moire, clean)
        features: list[Tensor] = []
        taken, gate = model.cnn.taken(image, features)
        maps = model.describe(image, taken, gate, features)[0]
        wanted = self._wanted(image)
        logits, mask = maps[:, 1:], visible(amplitude).float()
        masking = F.binary_cross_entropy_with_logits(logits, mask) + dice_loss(logits, mask)
        steps = 255 / AMPLITUDE_UNIT
        measuring = (torch.log1p(maps[:, :1] * 2) - torch.log1p(amplitude * steps * 2)).abs()
        # Were all cells to count alike, none would be a good guess everywhere.
        weight = QUIET + (1 - QUIET) * (amplitude > 0)
        measuring = (measuring * weight).sum() / weight.sum()
        measuring = measuring + strength_loss(maps[:, :1], amplitude * steps, mask)
        return masking + MEASURED * measuring + IMITATED * imitation_loss((taken, gate), wanted)

    @torch.no_grad()
    def _wanted(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """What the CNN shall take of what ``_varied`` shows, and its gate's logits: of the first quarter nothing."""
        taken, gate = _restoring(self.teacher, image.device).taken(image)
        alone = len(image) // 4
        taken[:alone], gate[:alone] = 0.0, SHUT
        return taken, gate

    def _varied(self, moire: Tensor, clean: Tensor) -> tuple[Tensor, Tensor]:
        """What is shown, and the amplitude of its moire."""
        rng = torch.Generator().manual_seed(int(torch.randint(2**31, (1,))))
        quarter = len(moire) // 4
        # The second quarter makes room for the targets of the last.
        moire, clean = (torch.cat([part[:quarter], part[2 * quarter :]]) for part in (moire, clean))
        moire, clean = look_closer(moire, clean, self.side, rng)
        bare, captures, targets = flatten_some(clean[:quarter], rng), moire[quarter:], clean[quarter:]
        alone, banded = texture_some(targets[len(targets) - quarter :], rng), in_eight_bits(add_bands(bare, rng))
        known = amplitude_label(torch.cat([alone, banded]), torch.cat([alone, bare]), least=0.0)
        amplitude = torch.cat([known, amplitude_label(captures, targets)])
        return torch.cat([alone, banded, captures]), amplitude

    @torch.no_grad()
    def score(self, model: nn.Module, captures: Sequence[Captures]) -> float:
        """Intersection over union of the masks, over the whole set."""
        both = either = 0
        for pair in captures:
            truth = visible(from_rms(pair.amplitude))
            found = model(pair.moire)[0][:, 1:] > 0
            both += int((truth & found).sum())
            either += int((truth | found).sum())
        return both / max(either, 1)


@dataclass(frozen=True)
class Judging:
    """Clean or not, against photos, blurred truths and what the bundled generators make of photos.

    These are frozen: several networks, some of which began with the weights of others.
    """

    loss_name: str = "cross entropy, against results of the bundled generators, photos and blurred truths"
    figure: str = "accuracy"
    labels: bool = False
    restores: bool = False

    def finish(self, model: nn.Module, store: ContentStore, simulator: SimulatorConfig) -> None:
        """Calibrates the probability."""
        assert isinstance(model, Discriminator)
        calibrate_discriminator(model, store, simulator, _bundled_generators())

    def loss(self, model: nn.Module, moire: Tensor, clean: Tensor) -> Tensor:
        """Cross entropy of clean pictures and of as many fakes; pictures that are their own target have none."""
        rng = torch.Generator().manual_seed(int(torch.randint(2**31, (1,))))
        with torch.no_grad():
            fakes = vary(self._results(moire, rng), moire, clean, rng)
        real, fake = disguise(clean, fakes, rng)
        losses = GAMES["plain"](model(real, moire), model(fake, moire))[0]
        return mean_of_pictures(losses, with_moire(moire, clean))

    @staticmethod
    def _results(moire: Tensor, rng: torch.Generator) -> Tensor:
        generators = _bundled_generators()
        chosen = torch.randint(len(generators), (len(moire),), generator=rng).tolist()
        results = [generators[which].to(moire.device)(moire[i : i + 1]) for i, which in enumerate(chosen)]
        return torch.cat(results).clamp(0, 1)

    @torch.no_grad()
    def score(self, model: nn.Module, captures: Sequence[Captures]) -> float:
        """Share of pairs whose clean picture gets the higher probability."""
        higher = [float(model(c.clean, c.moire).mean()) > float(model(c.moire, c.moire).mean()) for c in captures]
        return sum(higher) / max(len(higher), 1)


@cache
def _restoring(model_id: str, device: torch.device) -> UNet:
    """A bundled network that teaches another."""
    teacher = load_model(model_id).module.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    assert isinstance(teacher, UNet)
    return teacher


@cache
def _bundled_generators() -> tuple[nn.Module, ...]:
    """Those that the discriminator is trained and calibrated against."""
    return tuple(load_model(id).module for id, entry in load_catalog().items() if entry.family in GENERATORS)
