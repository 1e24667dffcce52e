"""The colour filter array and the noise of the sensor."""

from collections.abc import Sequence

import torch
from torch import Tensor

from demoire.simulate.config import SensorParameters

_COLOUR = {"R": 0, "G": 1, "B": 2}


def cfa_index(cfa: str, height: int, width: int, device: torch.device) -> Tensor:
    """(height, width) int64: which colour (0, 1, 2) each pixel of a Bayer CFA such as ``RGGB`` sees."""
    tile = torch.tensor([_COLOUR[c] for c in cfa], device=device).reshape(2, 2)
    return tile.repeat((height + 1) // 2, (width + 1) // 2)[:height, :width]


def mosaic(light: Tensor, cfas: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Keeps of (N, 3, H, W) what each pixel's filter lets through.

    Returns:
        raw (N, 1, H, W) and the CFA as three indicator planes (N, 3, H, W).
    """
    height, width = light.shape[-2:]
    index = torch.stack([cfa_index(cfa, height, width, light.device) for cfa in cfas])[:, None]
    planes = torch.arange(3, device=light.device)[None, :, None, None] == index
    return light.gather(1, index), planes.to(light.dtype)


def crosstalk_matrix(amount: float) -> Tensor:
    """(3, 3): each filter passes ``amount`` of the light of its neighbours in the spectrum; rows sum to 1."""
    a = amount
    return torch.tensor([[1 - a, a * 0.8, a * 0.2], [a * 0.5, 1 - a, a * 0.5], [a * 0.2, a * 0.8, 1 - a]])


def noise_like(signal: Tensor, seeds: Sequence[int]) -> Tensor:
    """Standard normal noise (N, C, H, W), each picture from its own seed, whatever it is rendered together with."""
    drawn = []
    for seed in seeds:
        generator = torch.Generator(device=signal.device).manual_seed(seed)
        drawn.append(torch.randn(signal.shape[1:], generator=generator, device=signal.device))
    return torch.stack(drawn)


def expose(signal: Tensor, parameters: Sequence[SensorParameters], seeds: Sequence[int]) -> Tensor:
    """Adds shot and read noise to a signal in [0, 1] of saturation (normal approximation) and clips at saturation."""
    device = signal.device
    inverse = torch.tensor([1 / p.photons if p.photons else 0.0 for p in parameters], device=device)[
        :, None, None, None
    ]
    read = torch.tensor([p.read_noise for p in parameters], device=device)[:, None, None, None]
    if any(p.photons or p.read_noise for p in parameters):
        signal = signal + noise_like(signal, seeds) * (signal.clamp(min=0) * inverse + read**2).sqrt()
    return signal.clamp(0, 1)
