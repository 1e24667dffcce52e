"""What lens and pixel aperture let through: the display's mask through its MTF, the content through an equal blur."""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from demoire.simulate.config import GeometryParameters, OpticsParameters
from demoire.simulate.display import CELL, TEXELS
from demoire.simulate.geometry import linear_part


def mtf(frequency_x: Tensor, frequency_y: Tensor, sigma: float, aperture: float) -> Tensor:
    """Modulation transfer of a square aperture and a Gaussian PSF at frequencies in cycles per sensor pixel."""
    box = torch.sinc(frequency_x * aperture) * torch.sinc(frequency_y * aperture)
    return box * torch.exp(-2 * math.pi**2 * sigma**2 * (frequency_x**2 + frequency_y**2))


def filter_cell(cell: Tensor, optics: OpticsParameters, geometry: GeometryParameters) -> Tensor:
    """The mask as the sensor's pixels see it: each harmonic of the cell damped by the MTF at its frequency there.

    Args:
        cell: (3, TEXELS, TEXELS) of ``display.mask_cell``.

    Returns:
        The same shape; the mean of each colour stays 1.
    """
    return damp_harmonics(cell, optics.sigma, optics.aperture, geometry)


def damp_harmonics(cell: Tensor, sigma: float, aperture: float, geometry: GeometryParameters) -> Tensor:
    """Each harmonic of ``cell`` times the MTF of pixels of side ``aperture`` and PSF ``sigma`` at its frequency."""
    harmonics = torch.fft.fftfreq(TEXELS, d=CELL / TEXELS, dtype=torch.float64)  # cycles per display pixel
    along_v, along_u = torch.meshgrid(harmonics, harmonics, indexing="ij")
    (ux, uy), (vx, vy) = linear_part(geometry)
    passed = mtf(ux * along_u + vx * along_v, uy * along_u + vy * along_v, sigma, aperture)
    filtered: Tensor = torch.fft.ifft2(torch.fft.fft2(cell) * passed).real
    return filtered


def sample_cell(cells: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """Looks the periodic cells (N, 3, TEXELS, TEXELS) up at display coordinates (N, H, W); bilinear; (N, 3, H, W)."""
    wrapped = F.pad(cells, (1, 1, 1, 1), mode="circular")
    side = TEXELS + 2
    x, y = (((p % CELL) * (TEXELS / CELL) + 1) * (2 / side) - 1 for p in (u, v))
    return F.grid_sample(wrapped, torch.stack((x, y), -1), mode="bilinear", align_corners=False)


def enlargement(scale: float) -> int:
    """How often content is repeated before the blur, so that bilinear look-up adds less blur than the aperture."""
    return 1 if scale < 1.15 else 2 if scale < 2.3 else 3


def content_sigma(scale: float, sigma: float, aperture: float, times: int) -> float:
    """Gaussian sigma, in texels of content repeated ``times``, that with bilinear look-up makes up PSF and aperture."""
    wanted = (aperture**2 / 12 + sigma**2) / scale**2
    look_up = 2 / 12 / times**2
    return times * math.sqrt(max(wanted - look_up, 0.0))


def blur(images: Tensor, sigmas: Sequence[float]) -> Tensor:
    """Gaussian blur of (N, C, H, W), one sigma (pixels) for each picture, edges repeated."""
    largest = max(sigmas)
    if largest < 0.05:
        return images
    radius = max(1, math.ceil(3 * largest))
    at = torch.arange(-radius, radius + 1, dtype=torch.float32, device=images.device)
    sigma = torch.tensor([max(s, 1e-3) for s in sigmas], dtype=torch.float32, device=images.device)
    kernels = torch.exp(-(at[None] ** 2) / (2 * sigma[:, None] ** 2))
    kernels = kernels / kernels.sum(1, keepdim=True)
    count, channels, height, width = images.shape
    per_channel = kernels.repeat_interleave(channels, 0)
    flat = F.pad(images, (radius, radius, radius, radius), mode="replicate").reshape(
        1, count * channels, height + 2 * radius, -1
    )
    flat = F.conv2d(flat, per_channel[:, None, :, None], groups=count * channels)
    flat = F.conv2d(flat, per_channel[:, None, None, :], groups=count * channels)
    return flat.reshape(count, channels, height, width)


def sample_content(content: Tensor, u: Tensor, v: Tensor, times: int) -> Tensor:
    """Looks content (N, C, times * H, times * W), or one for all, up at display coordinates (N, h, w) from its centre;
    bilinear."""
    content = content.expand(len(u), -1, -1, -1)
    height, width = content.shape[-2] / times, content.shape[-1] / times
    grid = torch.stack((u * (2 / width), v * (2 / height)), -1)
    return F.grid_sample(content, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
