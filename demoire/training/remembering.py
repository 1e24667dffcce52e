"""What the recurrent network is trained for: each frame of a clip, by help of those before."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from demoire.models.recurrent import Recurrent, move
from demoire.simulate.capture import Captures
from demoire.simulate.config import SimulatorConfig
from demoire.training.content import ContentStore
from demoire.training.losses import LOSSES

FROM_FRAME = 4
"""The first frame (counted from 0) whose gain over the CNN is validated: by then there is something to remember."""


@dataclass(frozen=True)
class Clips:
    """A batch of clips.

    Attributes:
        moire, clean: (N, T, 3, H, W) in [0, 1].
        to_previous: (N, T, 3, 3), from a frame's pixels (x, y, 1) to those of the frame before.
    """

    moire: Tensor
    clean: Tensor
    to_previous: Tensor


@dataclass(frozen=True)
class Remembering:
    """Frame after frame to clean image; alignments are the true ones with small errors, as estimates have.

    The CNN may go on learning, too, each frame by itself: it was trained on photos and has seen no video compression.

    Attributes:
        loss_name: one of ``losses.LOSSES``, of every frame but the first, and of what the CNN makes of some.
        looks: of how many frames of each clip; more cost more time. With none the CNN stays as it is.
        steadiness: weight of the difference of a restored frame from the one before, moved as the camera moved, beyond
            that of the targets: what flickers is seen.
        errors: deviations of the alignment in pixels; one is drawn for each clip. They do not add up over the frames,
            since each frame is laid over all that is remembered.
        repeated: share of clips that show one photo again and again, which teaches refinement.
        steps: of refinement on a single photo.
    """

    loss_name: str = "psnr"
    looks: int = 0
    steadiness: float = 1.0
    errors: tuple[float, ...] = (0.02, 0.05, 0.15)
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
        return gain_over_cnn(model, clips, model.cnn, self.steps - 1)

    def clip_loss(self, model: nn.Module, clips: Clips) -> Tensor:
        """The loss between restored frames and targets, and that of unsteadiness."""
        assert isinstance(model, Recurrent)
        clips = self._varied(clips)
        restored, _ = unroll(model, clips.moire, self._misplaced(clips.to_previous))
        later = slice(1, None)
        between = LOSSES[self.loss_name](restored[:, later].flatten(0, 1), clips.clean[:, later].flatten(0, 1))
        error = restored - clips.clean
        change = (error[:, 1:] - error[:, :-1]).abs().mean()
        total = between + self.steadiness * change
        return total + self._by_itself(model, clips) if self.looks else total

    def _by_itself(self, model: Recurrent, clips: Clips) -> Tensor:
        """The loss of what the CNN makes of some frames."""
        chosen = torch.randperm(clips.moire.shape[1])[: self.looks]
        alone = model.look(clips.moire[:, chosen].flatten(0, 1)).float()
        return LOSSES[self.loss_name](alone, clips.clean[:, chosen].flatten(0, 1))

    def _varied(self, clips: Clips) -> Clips:
        chosen = torch.rand(len(clips.moire)) < self.repeated
        if not chosen.any():
            return clips
        still = repeat(clips.moire[:, 0], clips.clean[:, 0], clips.moire.shape[1])
        where = chosen.to(clips.moire.device).view(-1, 1, 1, 1, 1)
        matrices = torch.where(where[..., 0].to(clips.to_previous.device), still.to_previous, clips.to_previous)
        return Clips(
            torch.where(where, still.moire, clips.moire), torch.where(where, still.clean, clips.clean), matrices
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


def unroll(model: Recurrent, moire: Tensor, to_previous: Tensor) -> tuple[Tensor, Tensor]:
    """Runs through clips whose camera motion is known.

    Args:
        moire: (N, T, 3, H, W); ``to_previous``: (N, T, 3, 3).

    Returns:
        The restored frames and what the CNN alone makes of them, both like ``moire``. No gradient flows into the CNN.
    """
    count, frames = moire.shape[:2]
    with torch.no_grad():
        alone = model.look(moire.flatten(0, 1)).float().view_as(moire)
    first = model.start(*moire.shape[-2:])
    state = (first[0].expand(count, -1, -1, -1), first[1].expand(count, -1, -1, -1), first[2].expand(count, -1, -1, -1))
    restored = []
    for t in range(frames):
        if t:
            state = move(state, to_previous[:, t])
        now, *following = model.fuse(moire[:, t], alone[:, t], *state)
        state = (following[0], following[1], following[2])
        restored.append(now)
    return torch.stack(restored, 1), alone


@torch.no_grad()
def gain_over_cnn(model: nn.Module, clips: Sequence[Clips], cnn: nn.Module, first: int = FROM_FRAME) -> float:
    """Mean PSNR (dB) of the recurrent network over that of a CNN from frame ``first`` (counted from 0) on."""
    assert isinstance(model, Recurrent)
    gains = []
    for clip in clips:
        restored = unroll(model, clip.moire, clip.to_previous)[0][:, first:]
        moire, clean = (frames[:, first:].flatten(0, 1) for frames in (clip.moire, clip.clean))
        gains.append(_decibels(restored.flatten(0, 1), clean) - _decibels(cnn(moire), clean))
    return sum(gains) / len(gains)


def _decibels(restored: Tensor, clean: Tensor) -> float:
    """Mean PSNR of images, of which none counts as better than 60 dB."""
    error = (restored.clamp(0, 1) - clean).square().mean((1, 2, 3)).clamp(min=1e-6)
    return float(-10 * error.log10().mean())
