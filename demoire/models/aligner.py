"""What two frames are compared by to find how the camera moved: features and trust, learnt."""

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from demoire.models.lucas_kanade import LEVELS, Level, plain_levels

FEATURES = 4
_TAKEN = 10.0  # what was taken away is faint


class Aligner(nn.Module):
    """Sees what the CNN makes of frames and what that took away, and tells content from what is left of moire.

    Moire moves otherwise than the content; where it is the stronger of the two, brightness alone follows it. Untrained,
    the features are next to nothing but brightness, and all pixels count alike.
    """

    def __init__(self, channels: tuple[int, int, int]) -> None:
        super().__init__()
        fine, middle, coarse = channels
        self.stem = nn.Sequential(_seen(24, fine), _seen(fine, fine))
        self.downs = nn.ModuleList(
            [
                nn.Sequential(_seen(fine, middle, stride=2), _seen(middle, middle)),
                nn.Sequential(_seen(middle, coarse, stride=2), _seen(coarse, coarse), _seen(coarse, coarse, apart=2)),
            ]
        )
        self.ups = nn.ModuleList([nn.Conv2d(middle, fine, 1), nn.Conv2d(coarse, middle, 1)])
        self.heads = nn.ModuleList(nn.Conv2d(width, FEATURES + 1, 3, padding=1) for width in channels)
        with torch.no_grad():
            for head in self.heads:
                head.weight.mul_(0.03)  # type: ignore[operator]
                head.bias.zero_()  # type: ignore[operator]

    def forward(self, frames: Tensor) -> list[Level]:
        """(N, 6, H, W): frames restored by themselves, and what that took away; the finest level first."""
        shown = torch.cat([frames[:, :3] - 0.5, _TAKEN * frames[:, 3:]], 1)
        seen = [self.stem(F.pixel_unshuffle(shown, 2))]
        for down in self.downs:
            seen.append(down(seen[-1]))
        for number in reversed(range(LEVELS - 1)):
            coarser = self.ups[number](seen[number + 1])
            size = seen[number].shape[-2:]
            seen[number] = seen[number] + F.interpolate(coarser, size, mode="bilinear", align_corners=False)
        levels = []
        for plain, head, features in zip(plain_levels(frames), self.heads, seen, strict=True):
            made = head(features).float()
            own = F.pad(plain.banded, (0, 0, 0, 0, 0, FEATURES - 1)) + made[:, :FEATURES]
            levels.append(replace(plain, features=own, trust=plain.trust + made[:, FEATURES:]))
        return levels


def _seen(channels: int, more: int, stride: int = 1, apart: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, more, 3, stride, padding=apart, dilation=apart), nn.ReLU())
