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
from demoire.perceptual import Lpips, load_lpips
from demoire.training import checkpoint
from demoire.training.fakes import disguise, mean_of_pictures, vary, with_moire


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
        weight, perceptual_weight: of the generator's adversarial loss, and of LPIPS by VGG16, beside the task's loss.
        perceptual_side, perceptual_pictures: of the window of a crop that LPIPS is taken of, and of how many
            crops of a batch, those with moire alone: they cost many times the network.
        warm_up: share of the schedule in which the discriminator learns alone, and the generator without it.
        gradient_penalty, penalty_every: weight of R1 (Mescheder et al., ICML 2018), and the steps from one to the next.
            Moire is faint: at a weight of 1 telling it costs more than it gains.
        rate: the discriminator's learning rate over the generator's.
    """

    discriminator: DiscriminatorConfig = field(default_factory=DiscriminatorConfig)
    game: str = "relativistic"
    weight: float = 0.02
    perceptual_weight: float = 1.0
    perceptual_side: int = 112
    perceptual_pictures: int = 2
    warm_up: float = 0.08
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
        self._perceived: Lpips = load_lpips(perceptual, "vgg16").to(device)
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
        """What is added to the task's loss: LPIPS and, if ``opposed``, the adversarial loss."""
        settings = self.settings
        window, shown = _window(restored, settings.perceptual_side), with_moire(moire, clean)
        looked_at = shown.nonzero()[: settings.perceptual_pictures, 0]
        loss = restored.new_zeros(())
        if len(looked_at):
            own, true = restored[looked_at][window], clean[looked_at][window]
            loss = settings.perceptual_weight * shown.mean() * self._perceived(own, true).mean()
        if opposed:
            self.network.requires_grad_(False)
            real, fake = self.network(clean, moire), self.network(restored, moire)
            loss = loss + settings.weight * mean_of_pictures(GAMES[settings.game](real, fake)[1], shown)
            self.network.requires_grad_(True)
        return loss

    def learn(self, fakes: Tensor, moire: Tensor, clean: Tensor, step: int, rate: float) -> None:
        """One step of the discriminator's optimiser.

        Raises:
            DataError: the loss is not finite.
        """
        settings = self.settings
        for group in self.optimizer.param_groups:
            group["lr"] = rate * settings.rate
        penalised = step % settings.penalty_every == 0 and settings.gradient_penalty > 0
        shown, candidates = disguise(clean, fakes.detach(), torch.Generator().manual_seed(step))
        real, fake = self.network(shown.requires_grad_(penalised), moire), self.network(candidates, moire)
        loss = mean_of_pictures(GAMES[settings.game](real, fake)[0], with_moire(moire, clean))
        self.loss = float(loss.detach())
        if penalised:
            gradient = torch.autograd.grad(real.sum(), shown, create_graph=True)[0]
            strength = settings.gradient_penalty * settings.penalty_every / 2
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
        """Candidates of several kinds (``fakes.vary``); of the results every fourth is by an earlier generator.

        In turn the averaged and the first one.
        """
        results = restored.detach().clamp(0, 1).clone()
        for number in range(step % 4, len(moire), 4):
            one = slice(number, number + 1)
            results[one] = (average, self.start)[step // 4 % 2](moire[one]).clamp(0, 1)
        return vary(results, moire, clean, torch.Generator().manual_seed(step))


def _window(pictures: Tensor, side: int) -> tuple[slice, ...]:
    """A window of this side at a random place, the same in all pictures (N, C, H, W)."""
    starts = [int(torch.randint(max(size - side, 0) + 1, (1,))) for size in pictures.shape[-2:]]
    return (slice(None), slice(None), *(slice(start, start + side) for start in starts))
