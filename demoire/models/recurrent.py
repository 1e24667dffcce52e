"""A recurrent network for clips and bursts: the CNN looks at each frame, a hidden state remembers the former ones."""

from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from demoire.models.base import Needs
from demoire.models.motion import at_half_size, estimate_motion, seen_before, warp
from demoire.models.unet import ResidualBlock, UNet, UNetConfig

State = tuple[Tensor, Tensor, Tensor]
"""Of the former frame: the restored picture (N, 3, H, W), hidden features (N, C, H/2, W/2), and how many frames have
been seen at each place (N, 1, H/2, W/2), 0 where none was."""

OLDEST = 8.0
"""Frames are counted up to this: the world changes."""


@dataclass(frozen=True)
class RecurrentConfig:
    """Widths of ``Recurrent``.

    Attributes:
        look: of the CNN that sees each frame by itself.
        hidden: channels of the hidden state, at half size.
        channels: width at 1/2, 1/4 and 1/8 of the frame's size, where past and present are compared.
        blocks: residual blocks at each of these.
    """

    look: UNetConfig = field(default_factory=UNetConfig)
    hidden: int = 12
    channels: tuple[int, int, int] = (20, 32, 64)
    blocks: tuple[int, int, int] = (0, 1, 2)

    def __post_init__(self) -> None:
        if isinstance(self.look, dict):  # as read from JSON
            given: dict[str, Any] = dict(self.look)
            values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}
            object.__setattr__(self, "look", UNetConfig(**values))


class Recurrent(nn.Module):
    """Each frame is restored by itself, laid over what is remembered, and mixed with it place by place.

    The mix starts from the running mean of all frames so far (a weight of n to 1 after n frames) that show the same
    thing at a place, from which an untrained network does not depart; training teaches where to trust which, and what
    to add. The state is gated as in
    Cho et al., Learning Phrase Representations using RNN Encoder-Decoder (EMNLP 2014), with convolutions.
    """

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__()
        self.config = config
        fine, middle, coarse = config.channels
        self.cnn = UNet(config.look)
        self.stem = nn.Conv2d(3 * 12 + config.hidden + 1, fine, 3, padding=1)
        self.downs = nn.ModuleList([_halving(fine, middle), _halving(middle, coarse)])
        self.levels = nn.ModuleList(
            nn.Sequential(*[ResidualBlock(c) for _ in range(n)])
            for n, c in zip(config.blocks, config.channels, strict=True)
        )
        self.ups = nn.ModuleList([nn.Conv2d(middle, fine * 4, 1), nn.Conv2d(coarse, middle * 4, 1)])
        # Trust in the past for each of 2x2 pixels, what to add to their three colours, gate and candidate of the state.
        self.head = nn.Conv2d(fine, 4 + 12 + 2 * config.hidden, 3, padding=1)
        # Past and present may differ by so much before the past is forgotten, and how fast it then is.
        self.tolerance = nn.Parameter(torch.tensor(12 / 255))
        self.distrust = nn.Parameter(torch.tensor(120.0))
        with torch.no_grad():
            self.head.weight[:16].zero_()
            self.head.bias[:16].zero_()  # type: ignore[index]

    @property
    def needs(self) -> Needs:
        """What the pipeline must give; those of the CNN, which sees farther than the mix."""
        alone = self.cnn.needs
        field_ = max(alone.receptive_field, self.fusing_field)
        return Needs(size_multiple=self._multiple, receptive_field=field_, halo=field_)

    @property
    def _multiple(self) -> int:
        multiple: int = self.cnn.needs.size_multiple
        return max(multiple, 8)  # both are powers of two; the mix halves three times

    @property
    def fusing_field(self) -> int:
        """How far in pixels an output of ``fuse`` can see on each side, rounded up to the size multiple."""
        radius = 2 * 2 + 2 * 4  # stem and head; the likeness of past and present, which is seen before them
        for level, blocks in enumerate(self.config.blocks):
            radius += 2 ** (level + 1) * (2 * blocks + 1)
        return -(-radius // self._multiple) * self._multiple

    def forward(self, x: Tensor) -> Tensor:
        """One photo by itself, as ``look``."""
        return self.look(x)

    def first_frame(self, x: Tensor) -> Tensor:
        """The first frame of a clip: the picture is as ``look``'s, the cost that of any frame."""
        return self.step(x, self.start(x.shape[-2], x.shape[-1]))[0]

    def start(self, height: int, width: int) -> State:
        """The state before the first frame: nothing has been seen."""
        like = self.stem.weight
        half = (1, self.config.hidden, height // 2, width // 2)
        return (
            like.new_zeros(1, 3, height, width),
            like.new_zeros(half),
            like.new_zeros(1, 1, height // 2, width // 2),
        )

    def look(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) sRGB in [0, 1], restored by themselves."""
        alone: Tensor = self.cnn(x)
        return alone

    def align(self, state: State, alone: Tensor) -> State:
        """The state as the present frame (1, 3, H, W), restored by itself and whole, sees it; forgotten at a cut."""
        if not state[2].any():
            return state
        motion = estimate_motion(state[0], alone)
        if motion is None:
            picture, hidden, age = state
            return torch.zeros_like(picture), torch.zeros_like(hidden), torch.zeros_like(age)
        return move(state, motion.matrix[None])

    def fuse(self, x: Tensor, alone: Tensor, picture: Tensor, hidden: Tensor, age: Tensor) -> tuple[Tensor, ...]:
        """The restored frames, and the three tensors of the new state.

        Args:
            x, alone: (N, 3, H, W) frames, and what ``look`` makes of them.
            picture, hidden, age: the aligned state.
        """
        age = age * self._likeness(alone, picture)
        seen = age / (age + 1)
        shown = [F.pixel_unshuffle(p, 2) for p in (x - alone, alone, picture - alone)]
        # What was never seen must not look like a large difference.
        shown[2] = shown[2] * (age > 0)
        features = [F.relu(self.stem(torch.cat([*shown, hidden, seen], 1)))]
        features[0] = self.levels[0](features[0])
        for down, level in zip(self.downs, list(self.levels)[1:], strict=True):
            features.append(level(F.relu(down(features[-1]))))
        for number in reversed(range(len(self.ups))):
            features[number] = features[number] + F.pixel_shuffle(self.ups[number](features[number + 1]), 2)
        made = self.head(features[0]).float()
        sizes = [4, 12, self.config.hidden, self.config.hidden]
        trust, added, gate, candidate = made.split(sizes, 1)
        known = (age > 0).to(x.dtype)
        weight = torch.sigmoid(trust + torch.log(age.clamp(min=1e-3))) * known
        weight = F.pixel_shuffle(weight, 2)
        restored = alone + weight * (picture - alone) + F.pixel_shuffle(added * known, 2)
        keep = torch.sigmoid(gate) * known
        following = keep * hidden + (1 - keep) * torch.tanh(candidate)
        return restored, restored, following, (age + 1).clamp(max=OLDEST)

    def _likeness(self, alone: Tensor, picture: Tensor) -> Tensor:
        """(N, 1, H/2, W/2) in (0, 1]: whether past and present show the same thing; less where content has moved.

        Noise and fine bands are averaged out before they are compared.
        """
        difference = F.avg_pool2d(F.avg_pool2d(picture - alone, 2), 3, 1, 1, count_include_pad=False)
        difference = F.avg_pool2d(difference.abs().mean(1, keepdim=True), 5, 1, 2, count_include_pad=False)
        return torch.exp(-self.distrust.abs() * F.relu(difference - self.tolerance))

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """The next frame (1, 3, H, W), whole: its restored picture and the state after it."""
        alone = self.look(x)
        restored, *following = self.fuse(x, alone, *self.align(state, alone))
        return restored, (following[0], following[1], following[2])


def move(state: State, matrices: Tensor) -> State:
    """The state of former frames as the present ones see it.

    Args:
        matrices: (N, 3, 3), from pixels of the present frames to those of the former ones.
    """
    picture, hidden, age = state
    half = at_half_size(matrices)
    seen = seen_before(half, hidden.shape[-2], hidden.shape[-1], hidden)
    return warp(picture, matrices), warp(hidden, half, "bilinear"), warp(age, half, "bilinear") * seen


def _halving(channels: int, more: int) -> nn.Conv2d:
    return nn.Conv2d(channels, more, 3, stride=2, padding=1)
