"""What the recurrent network is trained for: each frame of a clip, by help of those before."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from demoire.models.recurrent import Recurrent, move
from demoire.simulate.capture import Captures
from demoire.simulate.config import SimulatorConfig
from demoire.training.content import ContentStore
from demoire.training.losses import LOSSES, OWN_TARGET

FROM_FRAME = 4
"""The first frame (counted from 0) whose gain over the CNN is validated: by then there is something to remember."""


@dataclass(frozen=True)
class Clips:
    """A batch of clips.

    Attributes:
        moire, clean: (N, T, 3, H, W) in [0, 1].
        to_previous: (N, T, 3, 3), from a frame's pixels (x, y, 1) to those of the frame before.
        alone: (N, T, 3, H, W), what the CNN makes of ``moire``, where that is known already.
    """

    moire: Tensor
    clean: Tensor
    to_previous: Tensor
    alone: Tensor | None = None

    def to(self, device: torch.device) -> "Clips":
        """The same on ``device``."""
        alone = None if self.alone is None else self.alone.to(device)
        return Clips(self.moire.to(device), self.clean.to(device), self.to_previous.to(device), alone)


@dataclass(frozen=True)
class Remembering:
    """Frame after frame to clean image; alignments are the true ones with small errors, as estimates have.

    The CNN stays as it is.

    Attributes:
        loss_name: one of ``losses.LOSSES``, of the frames that are mixed.
        mixed: how many frames in a row of each clip, the first left out, are restored; all others are only remembered,
            since the state does not depend on what is restored.
        steadiness: weight of the difference of a restored frame from the one before, moved as the camera moved, beyond
            that of the targets: what flickers is seen.
        own: weight of clips that are their own target: much is gained there by keeping one's hands off, and little
            of it is seen.
        errors: deviations of the alignment in pixels; one is drawn for each clip. They do not add up over the frames,
            since each frame is laid over all that is remembered.
        repeated: share of clips that show one photo again and again, which teaches refinement.
        steps: of refinement on a single photo.
    """

    loss_name: str = "psnr"
    mixed: int = 3
    steadiness: float = 1.0
    own: float = 0.2
    errors: tuple[float, ...] = (0.0, 0.03, 0.1)
    repeated: float = 0.08
    steps: int = 3
    figure: str = "gain over the CNN (dB)"
    labels: bool = False
    restores: bool = True

    def finish(self, model: nn.Module, store: ContentStore, simulator: SimulatorConfig) -> None:
        """Nothing is left to do."""

    def loss(self, model: nn.Module, moire: Tensor, clean: Tensor) -> Tensor:
        """Of single photos, looked at several times."""
        return self.clip_loss(model, repeat(moire, clean, self.steps))

    def score(self, model: nn.Module, captures: Sequence[Captures]) -> float:
        """On single photos: the gain of the last of several steps over the CNN."""
        clips = [repeat(pair.moire, pair.clean, self.steps) for pair in captures]
        assert isinstance(model, Recurrent)
        return gain_over_cnn(model, clips, self.steps - 1)

    def clip_loss(self, model: nn.Module, clips: Clips) -> Tensor:
        """The loss between restored frames and targets, and that of unsteadiness."""
        assert isinstance(model, Recurrent)
        clips = self._varied(clips)
        frames = clips.moire.shape[1]
        mixed = min(self.mixed, frames - 1)
        first = 1 + int(torch.randint(frames - mixed, ()))
        chosen = slice(first, first + mixed)
        restored, _ = unroll(model, replace(clips, to_previous=self._misplaced(clips.to_previous)), chosen)
        clean = clips.clean[:, chosen]
        own = (clips.moire - clips.clean).abs().amax((1, 2, 3, 4)) < OWN_TARGET
        total, weights = restored.new_zeros(()), 0.0
        for some, weight in ((own, self.own), (~own, 1.0)):
            if share := weight * float(some.sum()):
                total = total + share * self._difference(restored[some], clean[some])
                weights += share
        return total / weights

    def _difference(self, restored: Tensor, clean: Tensor) -> Tensor:
        error = restored - clean
        change = (error[:, 1:] - error[:, :-1]).abs().mean() if restored.shape[1] > 1 else 0.0
        return LOSSES[self.loss_name](restored.flatten(0, 1), clean.flatten(0, 1)) + self.steadiness * change

    def _varied(self, clips: Clips) -> Clips:
        chosen = torch.rand(len(clips.moire)) < self.repeated
        if not chosen.any():
            return clips
        still = repeat(clips.moire[:, 0], clips.clean[:, 0], clips.moire.shape[1])
        where = chosen.to(clips.moire.device).view(-1, 1, 1, 1, 1)
        matrices = torch.where(where[..., 0].to(clips.to_previous.device), still.to_previous, clips.to_previous)
        alone = clips.alone
        if alone is not None:
            alone = torch.where(where, alone[:, :1], alone)
        return Clips(
            torch.where(where, still.moire, clips.moire), torch.where(where, still.clean, clips.clean), matrices, alone
        )

    def _misplaced(self, matrices: Tensor) -> Tensor:
        """Homographies with an error of their shift, as estimates have."""
        count = len(matrices)
        size = torch.tensor(self.errors)[torch.randint(len(self.errors), (count,))]
        error = torch.randn(count, matrices.shape[1], 2) * size[:, None, None]
        wrong = matrices.clone()
        wrong[:, 1:, :2, 2] += (error[:, 1:] - error[:, :-1]).to(matrices)
        return wrong


def repeat(moire: Tensor, clean: Tensor, frames: int) -> Clips:
    """Clips of pairs (N, 3, H, W) that stand still."""
    still = torch.eye(3, dtype=torch.float64, device=moire.device).expand(len(moire), frames, 3, 3)
    shape = (-1, frames, -1, -1, -1)
    return Clips(moire[:, None].expand(shape), clean[:, None].expand(shape), still)


def unroll(model: Recurrent, clips: Clips, chosen: slice = slice(None)) -> tuple[Tensor, Tensor]:
    """Runs through clips whose camera motion is known, up to the last of the ``chosen`` frames.

    Returns:
        The chosen frames restored and what the CNN alone makes of all, like ``clips.moire``. No gradient flows into
        the CNN or back in time.
    """
    moire, alone = clips.moire, clips.alone
    count, frames = moire.shape[:2]
    if alone is None:
        with torch.no_grad():
            alone = model.look(moire.flatten(0, 1)).float().view_as(moire)
    first = model.start(*moire.shape[-2:])
    state = (first[0].expand(count, -1, -1, -1), first[1].expand(count, -1, -1, -1), first[2].expand(count, -1, -1, -1))
    restored, wanted = [], range(frames)[chosen]
    for t in range(wanted.stop):
        if t:
            state = move(state, clips.to_previous[:, t])
        with torch.set_grad_enabled(t in wanted and torch.is_grad_enabled()):
            left, after = model.remember(moire[:, t], alone[:, t], *state)
        if t in wanted:
            restored.append(model.mix(moire[:, t], alone[:, t], state[0], left, after))
        state = (after[0].detach(), after[1].detach(), after[2].detach())
    return torch.stack(restored, 1), alone


@torch.no_grad()
def gain_over_cnn(model: nn.Module, clips: Sequence[Clips], first: int = FROM_FRAME) -> float:
    """Mean PSNR (dB) of the recurrent network over that of its CNN from frame ``first`` (counted from 0) on."""
    assert isinstance(model, Recurrent)
    gains = []
    for clip in clips:
        restored, alone = unroll(model, clip, slice(first, None))
        clean = clip.clean[:, first:].flatten(0, 1)
        gains.append(_decibels(restored.flatten(0, 1), clean) - _decibels(alone[:, first:].flatten(0, 1), clean))
    return sum(gains) / len(gains)


def _decibels(restored: Tensor, clean: Tensor) -> float:
    """Mean PSNR of images, of which none counts as better than 60 dB."""
    error = (restored.clamp(0, 1) - clean).square().mean((1, 2, 3)).clamp(min=1e-6)
    return float(-10 * error.log10().mean())
