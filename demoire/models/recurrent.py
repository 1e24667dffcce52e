"""A recurrent network for clips and bursts: the CNN looks at each frame, a hidden state remembers the former ones."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from demoire.models.base import Needs
from demoire.models.motion import at_half_size, corners, estimate_motion, seen_before, warp
from demoire.models.unet import ResidualBlock, UNet, UNetConfig, as_unet_config

State = tuple[Tensor, Tensor, Tensor]
"""Means over the former frames: what they show restored by themselves and what that took away (N, 6, H, W), the square
of the latter (N, 1, H/2, W/2); and at each place how many frames have been seen, 0 where none was, and how often the
camera had moved between two of them (N, 2, H/2, W/2)."""

OLDEST = 12.0
"""Frames are counted up to this: the world changes."""
ANEW = 1.0
"""Pixels that the camera moves until bands lie elsewhere: half a period of the screen's pixels or of the sensor's."""
STRONGEST = 4 / 255
"""What was taken away and is stronger than that is not given back: moire may lie still on the screen, too."""
AROUND = 11
"""Pixels of half the size over which bands are told from texture."""
_NOTHING = 1e-9  # roots have a slope there


@dataclass(frozen=True)
class RecurrentConfig:
    """Widths of ``Recurrent``.

    Attributes:
        look: of the CNN that sees each frame by itself.
        channels: width at 1/2, 1/4 and 1/8 of the frame's size, where past and present are compared.
        blocks: residual blocks at each of these.
    """

    look: UNetConfig = field(default_factory=UNetConfig)
    channels: tuple[int, int, int] = (20, 32, 64)
    blocks: tuple[int, int, int] = (0, 1, 2)

    def __post_init__(self) -> None:
        object.__setattr__(self, "look", as_unet_config(self.look))


class Recurrent(nn.Module):
    """Each frame is restored by itself, laid over what is remembered, and mixed with it place by place.

    Two things follow from the past that one frame does not show. The mean of all frames restored by themselves has less
    of what is left of the bands. And what the CNN took away from each was bands if it lies elsewhere in each frame, and
    texture of the screen's content if it lies still while the camera moves: Wiener's filter (the share of the mean's
    power that chance does not explain) gives it back. From this an untrained network does not depart; training teaches
    where to trust the past and what to give back.
    """

    def __init__(self, config: RecurrentConfig) -> None:
        super().__init__()
        self.config = config
        fine, middle, coarse = config.channels
        self.cnn = UNet(config.look)
        self.stem = nn.Conv2d(3 * 16 + 6, fine, 3, padding=1)
        self.downs = nn.ModuleList([_halving(fine, middle), _halving(middle, coarse)])
        self.levels = nn.ModuleList(
            nn.Sequential(*[ResidualBlock(c) for _ in range(n)])
            for n, c in zip(config.blocks, config.channels, strict=True)
        )
        self.ups = nn.ModuleList([nn.Conv2d(middle, fine * 4, 1), nn.Conv2d(coarse, middle * 4, 1)])
        # For each of 2x2 pixels: trust in the past, and what to give back.
        self.head = nn.Conv2d(fine, 4 + 4, 3, padding=1)
        # Past and present may differ by so much, and by so many times what the CNN takes away, before the past is
        # forgotten, and how fast it then is.
        self.tolerance = nn.Parameter(torch.tensor([12 / 255, 1.0]))
        self.distrust = nn.Parameter(torch.tensor(120.0))
        # So many times what chance explains is not given back.
        self.chance = nn.Parameter(torch.tensor(2.0))
        with torch.no_grad():
            self.head.weight.zero_()
            self.head.bias.zero_()  # type: ignore[union-attr]

    def begin_with(self, trained: Mapping[str, Tensor]) -> None:
        """Takes the weights of a trained ``Recurrent``, or those of a ``UNet`` for its CNN.

        Raises:
            RuntimeError: they are of another network.
        """
        whole = any(name.startswith("cnn.") for name in trained)
        (self if whole else self.cnn).load_state_dict(trained)

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
        # Stem and head; the likeness of past and present, and what is given back, which are seen before them.
        radius = 2 * 2 + 2 * 4 + 2 * (AROUND // 2)
        for level, blocks in enumerate(self.config.blocks):
            radius += 2 ** (level + 1) * (2 * blocks + 1)
        return -(-radius // self._multiple) * self._multiple

    def forward(self, x: Tensor) -> Tensor:
        """One photo by itself, as ``look``."""
        return self.look(x)

    def evidence(self, x: Tensor) -> Tensor:
        """Of the CNN."""
        found: Tensor = self.cnn.evidence(x)
        return found

    def first_frame(self, x: Tensor) -> Tensor:
        """The first frame of a clip: the picture is as ``look``'s, the cost that of any frame."""
        return self.step(x, self.start(x.shape[-2], x.shape[-1]))[0]

    def start(self, height: int, width: int) -> State:
        """The state before the first frame: nothing has been seen."""
        like = self.stem.weight
        return (
            like.new_zeros(1, 6, height, width),
            like.new_zeros(1, 1, height // 2, width // 2),
            like.new_zeros(1, 2, height // 2, width // 2),
        )

    def look(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) sRGB in [0, 1], restored by themselves."""
        alone: Tensor = self.cnn(x)
        return alone

    def align(self, state: State, alone: Tensor) -> State:
        """The state as the present frame (1, 3, H, W), restored by itself and whole, sees it; forgotten at a cut."""
        if not state[2].any():
            return state
        motion = estimate_motion(state[0][:, :3], alone)
        if motion is None:
            means, squares, count = state
            return torch.zeros_like(means), torch.zeros_like(squares), torch.zeros_like(count)
        return move(state, motion.matrix[None])

    def fuse(self, x: Tensor, alone: Tensor, means: Tensor, squares: Tensor, count: Tensor) -> tuple[Tensor, ...]:
        """The restored frames, and the three tensors of the new state.

        Args:
            x, alone: (N, 3, H, W) frames, and what ``look`` makes of them.
            means, squares, count: the aligned state.
        """
        count, after = self.remember(x, alone, means, squares, count)
        return self.mix(x, alone, means, count, after), *after

    def remember(self, x: Tensor, alone: Tensor, means: Tensor, squares: Tensor, count: Tensor) -> tuple[Tensor, State]:
        """What ``fuse`` does without the mix: what is left of the count, and the new state."""
        count = count * self._likeness(alone, means[:, :3], squares)
        return count, following(x, alone, means, squares, count)

    def mix(self, x: Tensor, alone: Tensor, means: Tensor, count: Tensor, after: State) -> Tensor:
        """The restored frames; ``count`` and ``after`` are what ``remember`` gives."""
        now = _observed(x, alone)
        age, views = count[:, :1], count[:, 1:]
        known = (age > 0).to(x.dtype)
        power, chance = _evidence(after, age, views)
        texture = F.relu(1 - self.chance.abs() * chance / power)
        texture = texture / (1 + (power / STRONGEST**2).square()) * views / (views + 1)
        # What was never seen must not look like a large difference.
        shown = [F.pixel_unshuffle(p, 2) for p in (now, (means - now) * F.interpolate(known, scale_factor=2))]
        maps = [age / (age + 1), views / (views + 1), texture, 10 * power.sqrt(), 10 * chance.sqrt(), known]
        made = self._compare(torch.cat([*shown, *maps], 1))
        trust, back = made[:, :4], made[:, 4:]
        weight = F.pixel_shuffle(torch.sigmoid(trust + torch.log(age.clamp(min=1e-3))) * known, 2)
        back = F.pixel_shuffle(torch.sigmoid(back + torch.logit(texture.clamp(0.01, 0.99))) * known, 2)
        mixed = now + weight * (means - now)
        restored: Tensor = mixed[:, :3] + back * mixed[:, 3:]
        return restored

    def _compare(self, shown: Tensor) -> Tensor:
        """(N, 8, H/2, W/2) in float32: the head's numbers."""
        features = [F.relu(self.stem(shown))]
        features[0] = self.levels[0](features[0])
        for down, level in zip(self.downs, list(self.levels)[1:], strict=True):
            features.append(level(F.relu(down(features[-1]))))
        for number in reversed(range(len(self.ups))):
            features[number] = features[number] + F.pixel_shuffle(self.ups[number](features[number + 1]), 2)
        made: Tensor = self.head(features[0])
        return made.float()

    def _likeness(self, alone: Tensor, past: Tensor, squares: Tensor) -> Tensor:
        """(N, 1, H/2, W/2) in (0, 1]: whether past and present show the same thing; less where content has moved.

        Noise and fine bands are averaged out before they are compared; where many are taken away, some are left.
        """
        difference = _around(F.avg_pool2d(past - alone, 2), 3).abs().mean(1, keepdim=True)
        allowed = self.tolerance[0] + self.tolerance[1] * (_around(squares, 5) + _NOTHING).sqrt()
        return torch.exp(-self.distrust.abs() * F.relu(_around(difference, 5) - allowed))

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """The next frame (1, 3, H, W), whole: its restored picture and the state after it."""
        alone = self.look(x)
        restored, *after = self.fuse(x, alone, *self.align(state, alone))
        return restored, (after[0], after[1], after[2])


def _observed(x: Tensor, alone: Tensor) -> Tensor:
    """(N, 6, H, W): frames restored by themselves, and what that took away."""
    return torch.cat([alone, x - alone], 1)


def following(x: Tensor, alone: Tensor, means: Tensor, squares: Tensor, count: Tensor) -> State:
    """The state after the frames ``x``; ``count`` is what is left of it where past and present differ."""
    now, age = _observed(x, alone), count[:, :1]
    weight = age / (age + 1)
    power = _power(now[:, 3:])
    means = now + F.interpolate(weight, scale_factor=2) * (means - now)
    age = (age + 1).clamp(max=OLDEST)
    return means, power + weight * (squares - power), torch.cat([age, torch.minimum(count[:, 1:], age)], 1)


def _evidence(after: State, age: Tensor, views: Tensor) -> tuple[Tensor, Tensor]:
    """(N, 1, H/2, W/2) each: the power of the mean of what was taken away, and how much of it is chance.

    Chance is the variance over the frames by the number of views, of which frames from one place are one.

    Args:
        after: the state after the present frame.
        age, views: what was left of its count before.
    """
    power, square = (_around(p, AROUND) for p in (_power(after[0][:, 3:]), after[1]))
    variance = F.relu(square - power) * (age + 1) / age.clamp(min=0.5)
    return power + _NOTHING, variance / (views + 1) + _NOTHING


def move(state: State, matrices: Tensor) -> State:
    """The state of former frames as the present ones see it.

    Args:
        matrices: (N, 3, 3), from pixels of the present frames to those of the former ones.
    """
    means, squares, count = state
    half = at_half_size(matrices)
    seen = seen_before(half, count.shape[-2], count.shape[-1], count)
    count = warp(count, half, "bilinear") * seen
    anew = 1 - torch.exp(-(_way(matrices, *means.shape[-2:]) / ANEW).square()).to(count).view(-1, 1, 1, 1)
    count = torch.cat([count[:, :1], (count[:, 1:] + anew) * (count[:, :1] > 0)], 1)
    return warp(means, matrices), warp(squares, half, "bilinear"), count


def _way(matrices: Tensor, height: int, width: int) -> Tensor:
    """(N,): how many pixels homographies move a frame's corners, on average."""
    before = corners(height, width).to(matrices)
    moved = before @ matrices.transpose(-1, -2)
    way: Tensor = (moved[..., :2] / moved[..., 2:] - before[:, :2]).square().sum(-1).sqrt().mean(-1)
    return way


def _power(picture: Tensor) -> Tensor:
    """(N, 3, H, W) to (N, 1, H/2, W/2): the mean square of 2x2 pixels of three colours."""
    return F.avg_pool2d(picture.square().mean(1, keepdim=True), 2)


def _around(plane: Tensor, side: int) -> Tensor:
    """The mean of ``side`` x ``side``, of what there is at the edge."""
    return F.avg_pool2d(plane, side, 1, side // 2, count_include_pad=False)


def _halving(channels: int, more: int) -> nn.Conv2d:
    return nn.Conv2d(channels, more, 3, stride=2, padding=1)
