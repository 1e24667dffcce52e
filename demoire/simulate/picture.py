"""One whole picture photographed, with parameters given or drawn at random."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from demoire.simulate.capture import Captures, content_size, render
from demoire.simulate.config import CaptureParameters, DeliveryParameters, SimulatorConfig
from demoire.simulate.drawing import draw_capture, draw_delivery, draw_scale


@dataclass(frozen=True)
class Photographed:
    """One capture (N = 1) and all that it was made with; ``size`` is its height and width."""

    captures: Captures
    size: tuple[int, int]
    delivery: DeliveryParameters
    parameters: CaptureParameters


def photograph(
    pixels: NDArray[np.uint8],
    config: SimulatorConfig,
    rng: np.random.Generator,
    device: torch.device,
    longest: int | None = None,
    labels: bool = False,
) -> Photographed:
    """``take`` with parameters drawn at random."""
    shared, scale = draw_delivery(config, rng), draw_scale(config, rng)
    return take(pixels, draw_capture(config, rng, scale), shared, device, longest, labels)


def take(
    pixels: NDArray[np.uint8],
    parameters: CaptureParameters,
    shared: DeliveryParameters,
    device: torch.device,
    longest: int | None = None,
    labels: bool = False,
) -> Photographed:
    """Shows a picture at its own pixels on the simulated display and photographs it as a whole.

    Args:
        pixels: (H, W, 3) sRGB; its edge pixels go on where the camera sees more.
        longest: if the capture would be longer, only its middle is taken.
        labels: also measure the moire.
    """
    scale = parameters.geometry.scale
    shown = [side * scale / reduction for side, reduction in zip(pixels.shape[:2], shared.reduction, strict=True)]
    limit = min(1.0, longest / max(shown)) if longest else 1.0
    size = (max(16, round(shown[0] * limit)), max(16, round(shown[1] * limit)))
    height, width = content_size([parameters], shared, size)
    content = torch.from_numpy(_centred(pixels, height, width)).to(device).permute(2, 0, 1)[None].float() / 255
    return Photographed(render(content, [parameters], shared, size, labels), size, shared, parameters)


def _centred(pixels: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """The middle ``height`` x ``width`` of a picture, widened by its edge pixels where it is too small."""
    missing = [max(0, wanted - have) for wanted, have in zip((height, width), pixels.shape[:2], strict=True)]
    padded = np.pad(pixels, [(m // 2, m - m // 2) for m in missing] + [(0, 0)], mode="edge")
    top, left = (padded.shape[0] - height) // 2, (padded.shape[1] - width) // 2
    return np.ascontiguousarray(padded[top : top + height, left : left + width])


def picture_of(image: Tensor) -> NDArray[np.uint8]:
    """The first picture of (N, C, H, W) in [0, 1] as (H, W, C) uint8."""
    array: NDArray[np.uint8] = (image[0].float() * 255).round().byte().permute(1, 2, 0).cpu().numpy()
    return array
