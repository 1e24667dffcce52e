"""What the recurrent network's aligner is trained for: where the camera has moved, from what the memory holds."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from demoire.homography import in_other_pixels
from demoire.models.lucas_kanade import LEVELS, refine
from demoire.models.motion import corners, estimate_motion, halves
from demoire.models.recurrent import Recurrent, observed
from demoire.simulate.capture import Captures
from demoire.simulate.config import SimulatorConfig
from demoire.training.content import ContentStore
from demoire.training.remembering import Clips, repeat, states

FINE = 0.05
"""Pixels below which errors hardly matter."""
_HAND_HELD = 0.015  # of the longer side: what moves more is found by its shift
_KINDS = (0.5, 0.5, 1, 0.5, 0.5, 1, 0.2, 0.2)  # how large the parameters of a disturbance are, beside one another


@dataclass(frozen=True)
class Pairs:
    """What the memory holds of former frames, and the frames that follow.

    Attributes:
        former, present: (N, 6, H, W), as ``recurrent.observed``.
        matrices: (N, 3, 3) float64, from pixels of the present frames to those of the former ones.
    """

    former: Tensor
    present: Tensor
    matrices: Tensor


@dataclass(frozen=True)
class Aligning:
    """Frame after frame to the camera's motion; only the aligner learns.

    Attributes:
        pairs: frames in a row of each clip, the first left out, whose motion is wanted.
        steps: at each level.
        levels: weight of each level's errors, finest first.
        still: share of pairs, among those that hardly move, that begin as estimates do: without motion. All others
            begin near the truth, as after coarser levels.
        near: such a pair begins so many halves of a frame's side away; one of these is drawn for each.
    """

    pairs: int = 3
    steps: int = 2
    levels: tuple[float, ...] = (1.0, 0.5, 0.3)
    still: float = 0.6
    near: tuple[float, ...] = (0.0025, 0.008, 0.02)
    loss_name: str = "corners"
    figure: str = "log2 of parts of a pixel that motion is found to"
    labels: bool = False
    restores: bool = True

    def trained(self, model: Recurrent) -> list[nn.Parameter]:
        """What learns."""
        return list(model.aligner.parameters())

    def finish(self, model: nn.Module, store: ContentStore, simulator: SimulatorConfig) -> None:
        """Nothing is left to do."""

    def loss(self, model: nn.Module, moire: Tensor, clean: Tensor) -> Tensor:
        """Of single photos, looked at several times."""
        return self.clip_loss(model, repeat(moire, clean, 1 + self.pairs))

    def score(self, model: nn.Module, captures: Sequence[Captures]) -> float:
        """On single photos, which do not move."""
        return self.clip_score(model, [repeat(pair.moire, pair.clean, 2) for pair in captures])

    def clip_loss(self, model: nn.Module, clips: Clips) -> Tensor:
        """The errors of a frame's corners after each step, in logarithms: what is a pixel wrong is lost anyway."""
        assert isinstance(model, Recurrent)
        frames = clips.moire.shape[1]
        wanted = min(self.pairs, frames - 1)
        first = int(torch.randint(frames - wanted, ()))
        pairs = draw_pairs(model, clips, slice(first, first + wanted))
        count, size = len(pairs.former), (pairs.former.shape[-2], pairs.former.shape[-1])
        true = in_other_pixels(pairs.matrices, halves(*size))
        found, around = self._begun(true, pairs.matrices, size)
        total = true.new_zeros(())
        levels = model.aligner(torch.cat([pairs.former, pairs.present]))
        for number in reversed(range(LEVELS)):
            former, present = (levels[number].part(part) for part in (slice(count), slice(count, None)))
            after = refine(former, present, found, self.steps, around)
            found = after[-1]
            for matrices in after:
                error = corner_errors(in_other_pixels(matrices, torch.linalg.inv(halves(*size))), pairs.matrices, size)
                total = total + self.levels[number] * torch.log1p(error / FINE).mean()
        return total.float()

    def _begun(self, true: Tensor, matrices: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Where the search begins, in halves of the longer side, and near what motion is expected: none, or a shift."""
        one = torch.eye(3, dtype=torch.float64, device=true.device).expand_as(true)
        near = torch.tensor(self.near, dtype=torch.float64)[torch.randint(len(self.near), (len(true), 1))]
        off = torch.randn(len(true), 8, dtype=torch.float64) * near * torch.tensor(_KINDS, dtype=torch.float64)
        disturbed = true @ (one + nn.functional.pad(off, (0, 1)).view(-1, 3, 3).to(true))
        shift = one.clone()
        shift[:, :2, 2] = disturbed[:, :2, 2]
        still = (corner_errors(one, matrices, size) < _HAND_HELD * max(size))[:, None, None]
        begins = still & (torch.rand(len(true), 1, 1) < self.still).to(still.device)
        begun = torch.where(begins, one, disturbed)
        return begun / begun[:, 2:, 2:], torch.where(still, one, shift)

    @torch.no_grad()
    def clip_score(self, model: nn.Module, clips: Sequence[Clips]) -> float:
        """The mean of -log2 of the corners' errors in pixels, as motion is estimated frame after frame."""
        assert isinstance(model, Recurrent)
        found = []
        for clip in clips:
            pairs = draw_pairs(model, clip, slice(0, clip.moire.shape[1] - 1))
            size = (pairs.former.shape[-2], pairs.former.shape[-1])
            for former, present, matrix in zip(pairs.former, pairs.present, pairs.matrices, strict=True):
                motion = estimate_motion(former[None], present[None], model.aligner)
                guess = torch.eye(3, dtype=torch.float64).to(matrix) if motion is None else motion.matrix
                found.append(-corner_errors(guess[None], matrix[None], size).clamp(min=FINE / 4).log2())
        return float(torch.cat(found).mean())


@torch.no_grad()
def draw_pairs(model: Recurrent, clips: Clips, chosen: slice) -> Pairs:
    """The memory after each of the ``chosen`` frames, by the true motion, and the frame that follows."""
    alone = clips.alone
    if alone is None:
        alone = model.look(clips.moire.flatten(0, 1)).float().view_as(clips.moire)
    wanted, former, present, matrices = range(clips.moire.shape[1])[chosen], list[Tensor](), list[Tensor](), []
    for t, state in enumerate(states(model, clips, alone, wanted.stop)):
        if t in wanted:
            former.append(state[0])
            present.append(observed(clips.moire[:, t + 1], alone[:, t + 1]))
            matrices.append(clips.to_previous[:, t + 1].double())
    return Pairs(torch.cat(former), torch.cat(present), torch.cat(matrices))


def corner_errors(found: Tensor, true: Tensor, size: tuple[int, int]) -> Tensor:
    """(N,): how far in pixels the corners of frames are from where they should be, on average."""
    frame = corners(*size).to(found)
    places = [moved[..., :2] / moved[..., 2:] for moved in (frame @ found.mT, frame @ true.mT)]
    distances: Tensor = ((places[0] - places[1]).square().sum(-1) + 1e-8).sqrt()
    return distances.mean(-1)
