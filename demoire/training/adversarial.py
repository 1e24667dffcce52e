"""Training of a generator against a discriminator."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from demoire.errors import DataError
from demoire.models import build_model
from demoire.models.discriminator import DiscriminatorConfig
from demoire.perceptual import VggLoss, load_vgg_loss
from demoire.simulate.optics import blur
from demoire.training import checkpoint
from demoire.training.losses import OWN_TARGET


def hinge(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """Losses of discriminator and generator for each patch (Lim and Ye, Geometric GAN, 2017)."""
    return F.relu(1 - real) + F.relu(1 + fake), -fake


def relativistic(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """Both learn from the difference of a real patch and its fake (Jolicoeur-Martineau, ICLR 2019; pairing)."""
    return F.softplus(fake - real), F.softplus(real - fake)


def plain(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """Cross entropy, the generator's in the form that does not saturate (Goodfellow et al., NeurIPS 2014)."""
    return F.softplus(-real) + F.softplus(fake), F.softplus(-fake)


GAMES: Mapping[str, Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]] = {
    "hinge": hinge,
    "relativistic": relativistic,
    "plain": plain,
}


@dataclass(frozen=True)
class Adversarial:
    """How generator and discriminator are set against each other.

    Attributes:
        discriminator: its configuration.
        game: one of ``GAMES``.
        weight, perceptual_weight: of the generator's adversarial loss, and of the VGG16 features' difference, beside
            the task's loss.
        perceptual_side, perceptual_pictures: of the window of a crop that these features are taken of, and of how many
            crops of a batch, those with moire alone: they cost many times the network.
        warm_up: share of the schedule in which the discriminator learns alone, and the generator without it.
        finish, finish_rate: share at the end in which the discriminator learns alone, by plain cross entropy, against
            the averaged generator, so that its number means something for the generator that is exported; and the
            learning rate of that, which falls as a cosine.
        gradient_penalty, penalty_every: weight of R1 (Mescheder et al., ICML 2018), and the steps from one to the next.
            Moire is faint: at a weight of 1 telling it costs more than it gains.
        rate: the discriminator's learning rate over the generator's.
    """

    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    game: str = "relativistic"
    weight: float = 0.02
    perceptual_weight: float = 0.3
    perceptual_side: int = 112
    perceptual_pictures: int = 2
    warm_up: float = 0.08
    finish: float = 0.25
    finish_rate: float = 1.5e-4
    gradient_penalty: float = 0.02
    penalty_every: int = 8
    rate: float = 1.0


class Opponent:
    """The discriminator in training: its optimiser, its losses, and what it is shown as fake.

    Args:
        start: the generator as it was at first; its results stay among the fakes.
        perceptual: folder with the VGG16 features, see ``demoire.perceptual``.
    """

    def __init__(
        self, settings: Adversarial, start: nn.Module, perceptual: Path, learning_rate: float, device: torch.device
    ) -> None:
        self.settings = settings
        self.start = copy.deepcopy(start).requires_grad_(False).eval()
        self.network = build_model("discriminator", **vars(settings.discriminator)).to(device)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=learning_rate * settings.rate, betas=(0.5, 0.99), weight_decay=1e-4
        )
        self._features: VggLoss = load_vgg_loss(perceptual).to(device)
        self.loss = 0.0

    def tensors(self) -> dict[str, Tensor]:
        """Its part of the checkpoint."""
        tensors = {f"discriminator.{k}": v for k, v in self.network.state_dict().items()}
        tensors |= {f"start.{k}": v for k, v in self.start.state_dict().items()}
        return checkpoint.own_copies(tensors | checkpoint.optimizer_tensors(self.optimizer, "discriminator_optimizer."))

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Puts its part of a checkpoint back."""
        self.network.load_state_dict(checkpoint.under(tensors, "discriminator."))
        self.start.load_state_dict(checkpoint.under(tensors, "start."))
        checkpoint.restore_optimizer(tensors, self.optimizer, "discriminator_optimizer.")

    def generator_loss(self, restored: Tensor, moire: Tensor, clean: Tensor, opposed: bool) -> Tensor:
        """What is added to the task's loss: features' difference and, if ``opposed``, the adversarial loss."""
        settings = self.settings
        window, with_moire = _window(restored, settings.perceptual_side), _with_moire(moire, clean)
        looked_at = with_moire.nonzero()[: settings.perceptual_pictures, 0]
        loss = restored.new_zeros(())
        if len(looked_at):
            own, true = restored[looked_at][window], clean[looked_at][window]
            loss = settings.perceptual_weight * with_moire.mean() * self._features(own, true)
        if opposed:
            self.network.requires_grad_(False)
            real, fake = self.network(clean, moire), self.network(restored, moire)
            loss = loss + settings.weight * _mean(GAMES[settings.game](real, fake)[1], with_moire)
            self.network.requires_grad_(True)
        return loss

    def learn(
        self, fakes: Tensor, moire: Tensor, clean: Tensor, step: int, game: str, rate: float, alone: bool = False
    ) -> None:
        """One step of the discriminator's optimiser; ``alone``: nobody learns from its gradients, so none is penalised.

        Raises:
            DataError: the loss is not finite.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = rate * self.settings.rate
        penalised = not alone and step % self.settings.penalty_every == 0 and self.settings.gradient_penalty > 0
        shown = clean.detach().requires_grad_(penalised)
        real, fake = self.network(shown, moire), self.network(fakes.detach(), moire)
        loss = _mean(GAMES[game](real, fake)[0], _with_moire(moire, clean))
        self.loss = float(loss.detach())
        if penalised:
            gradient = torch.autograd.grad(real.sum(), shown, create_graph=True)[0]
            strength = self.settings.gradient_penalty * self.settings.penalty_every / 2
            loss = loss + strength * gradient.square().sum((1, 2, 3)).mean() / real[0].numel()
        if not torch.isfinite(loss):
            raise DataError(
                f"The discriminator's loss is not finite at step {step}; the last checkpoint is kept. "
                "Start it again with a lower learning rate."
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.network.parameters(), 5.0)
        self.optimizer.step()

    @torch.no_grad()
    def fakes(self, restored: Tensor, average: nn.Module, moire: Tensor, clean: Tensor, step: int) -> Tensor:
        """Candidates of several kinds, so that the number means something beyond the present generator.

        In turn: the generator's result, the averaged generator's, the first generator's; the moire photo itself, or the
        blurred truth.
        """
        own = restored.detach().clamp(0, 1)
        made: list[Tensor] = []
        for number in range(len(moire)):
            one, kind = slice(number, number + 1), (step + number) % 4
            if kind == 1:
                made.append((average, self.start)[step // 4 % 2](moire[one]).clamp(0, 1))
            elif kind == 3:
                made.append(moire[one] if step // 4 % 2 else blur(clean[one], [1.5]))
            else:
                made.append(own[one])
        return torch.cat(made)


def _window(pictures: Tensor, side: int) -> tuple[slice, ...]:
    """A window of this side at a random place, the same in all pictures (N, C, H, W)."""
    starts = [int(torch.randint(max(size - side, 0) + 1, (1,))) for size in pictures.shape[-2:]]
    return (slice(None), slice(None), *(slice(start, start + side) for start in starts))


def _with_moire(moire: Tensor, clean: Tensor) -> Tensor:
    """(N,): 1 for pairs that differ; a picture that is its own target is no fake."""
    return ((moire - clean).abs().amax((1, 2, 3)) >= OWN_TARGET).to(moire.dtype)


def _mean(values: Tensor, weights: Tensor) -> Tensor:
    """Mean of (N, 1, h, w) over the pictures that count."""
    return (values.mean((1, 2, 3)) * weights).sum() / weights.sum().clamp(min=1)
