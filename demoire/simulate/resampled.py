"""Photos of many more pixels than were delivered, reduced without a filter: the pixel grid itself is sampled coarsely.

Most pictures in chats and data sets came about like this. Demosaicing that takes fine detail for brightness and the
smoothing of chroma in phones leave grids, weaves and chirps that are almost grey. What stands between sensor and
delivered pixel is told by a few numbers here instead of being computed at the sensor's size, which would cost the
square of the reduction.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from demoire.simulate.config import (
    HALF_DIAGONAL,
    CaptureParameters,
    DeliveryParameters,
    GeometryParameters,
    IspParameters,
    OpticsParameters,
    Range,
    ResampledParameters,
    SimulatorConfig,
    log_uniform,
)
from demoire.simulate.display import mask_cell
from demoire.simulate.drawing import draw_capture, draw_delivery, draw_scale
from demoire.simulate.geometry import linear_part, sensor_grid
from demoire.simulate.optics import damp_harmonics, sample_cell

_RAW = (0.25, 0.5, 0.25)
"""Share of the Bayer CFA's pixels that see R, G, B: what a demosaicer takes for brightness."""


@dataclass(frozen=True)
class ResampledConfig:
    """Ranges, uniform unless said otherwise; lengths are delivered pixels.

    Attributes:
        frequency: display pixels in a delivered pixel down the picture, log-uniform.
        squash: how many times as many there are across: pictures are squeezed to squares, or nearly keep their sides.
        squashed_share: share of captures that are squeezed at all.
        resonant_share: share whose frequencies lie near halves, within ``resonance_width``: wide bands, rings.
        frame: side of the whole picture.
        contrast: RMS of the grid by the light of its place, log-uniform.
        chroma: how much of its colours is left.
        waves_share: share with waves on top, as the sensor's own sampling makes them; their contrast and length
            log-uniform.
        aperture: side of a pixel of the photo that was reduced.
    """

    frequency: Range = (0.6, 2.8)
    squash: Range = (1.0, 1.8)
    squashed_share: float = 0.6
    resonant_share: float = 0.6
    resonance_width: float = 0.1
    frame: Range = (600, 2200)
    perspective: Range = (0.0, 0.07)
    distortion: Range = (-0.03, 0.03)
    contrast: Range = (0.012, 0.22)
    chroma: Range = (0.0, 0.8)
    waves_share: float = 0.9
    wave_contrast: Range = (0.01, 0.2)
    wave_chroma: Range = (0.0, 1.0)
    wave_length: Range = (5, 150)
    photons: Range = (600, 12_000)
    aperture: Range = (0.12, 0.7)
    sigma: Range = (0.02, 0.16)
    content_sigma: Range = (0.15, 0.5)
    luma_denoise: Range = (0.0, 0.5)
    sharpening: Range = (0.0, 1.6)
    smoothed_share: float = 0.45
    chroma_radius: Range = (2, 14)


def draw_captures(
    config: SimulatorConfig, resampled: ResampledConfig, rng: np.random.Generator, count: int
) -> tuple[list[CaptureParameters], DeliveryParameters]:
    """Draws captures that can be rendered together: ``config.resampled_share`` of the draws as told above."""
    together = bool(config.resampled_share) and rng.random() < config.resampled_share
    shared, scale = draw_delivery(config, rng), draw_scale(config, rng)
    parameters = [draw_capture(config, rng, scale) for _ in range(count)]
    if not together:
        return parameters, shared
    return [resample(resampled, rng, p, config.target_sharpness) for p in parameters], DeliveryParameters()


def resample(
    config: ResampledConfig, rng: np.random.Generator, p: CaptureParameters, target_sharpness: float = 1.0
) -> CaptureParameters:
    """A capture of a screen as a reduced one, its display, sensor and compression kept; others lose their CFA alone."""
    p = replace(p, sensor=replace(p.sensor, cfa="none"))
    if p.kind != "screen":
        return p
    sigma = rng.uniform(*config.content_sigma)
    grid = ResampledParameters(
        contrast=log_uniform(rng, config.contrast),
        chroma=rng.uniform(*config.chroma),
        aperture=rng.uniform(*config.aperture),
        sigma=rng.uniform(*config.sigma),
        wave_contrast=log_uniform(rng, config.wave_contrast) if rng.random() < config.waves_share else 0.0,
        wave_chroma=rng.uniform(*config.wave_chroma),
        waves=_draw_waves(config, rng),
    )
    return replace(
        p,
        sensor=replace(p.sensor, photons=log_uniform(rng, config.photons)),
        geometry=_draw_geometry(config, rng, p.geometry),
        optics=OpticsParameters(sigma, sigma * target_sharpness, 0.9),
        isp=_draw_isp(config, rng, p.isp),
        resampled=grid,
    )


def _draw_waves(config: ResampledConfig, rng: np.random.Generator) -> tuple[float, float, float, float]:
    """Cycles per pixel (x, y) of the waves of columns and of rows, in directions of their own."""
    drawn: list[float] = []
    for _ in range(2):
        frequency, direction = 1 / log_uniform(rng, config.wave_length), rng.uniform(0, 2 * math.pi)
        drawn += [frequency * math.cos(direction), frequency * math.sin(direction)]
    return drawn[0], drawn[1], drawn[2], drawn[3]


def _draw_geometry(config: ResampledConfig, rng: np.random.Generator, p: GeometryParameters) -> GeometryParameters:
    down = log_uniform(rng, config.frequency)
    across = down * rng.uniform(0.97, 1.03)
    if rng.random() < config.squashed_share:
        across = down * rng.uniform(*config.squash)
    if rng.random() < config.resonant_share:
        down, across = (_near_whole(rng, value, config.resonance_width) for value in (down, across))
    frame = rng.uniform(*config.frame)
    tilt, direction = rng.uniform(*config.perspective) / frame, rng.uniform(0, 2 * math.pi)
    return replace(
        p,
        scale=1 / math.sqrt(down * across),
        aspect=math.sqrt(across / down),
        perspective=(tilt * math.cos(direction), tilt * math.sin(direction)),
        distortion=rng.uniform(*config.distortion),
        centre=(rng.uniform(-0.4, 0.4) * frame, rng.uniform(-0.4, 0.4) * frame),
        radius=frame * HALF_DIAGONAL,
    )


def _near_whole(rng: np.random.Generator, frequency: float, width: float) -> float:
    """Near the next half or whole number, where a harmonic of the grid is sampled about as often as it repeats."""
    offset = rng.uniform(-1, 1)
    return max(1.0, round(2 * frequency)) / 2 + offset * abs(offset) * width


def _draw_isp(config: ResampledConfig, rng: np.random.Generator, p: IspParameters) -> IspParameters:
    smoothed = rng.random() < config.smoothed_share
    radius, sharpening = round(log_uniform(rng, config.chroma_radius)), rng.uniform(*config.sharpening)
    return replace(
        p,
        luma_denoise=rng.uniform(*config.luma_denoise),
        chroma_radius=radius if smoothed else 0,
        sharpening=sharpening,
    )


def grid_cell(p: CaptureParameters, contrast: float, chroma: float) -> Tensor:
    """The mask of a reduced capture, (3, TEXELS, TEXELS), as of ``optics.filter_cell``, RMS and colours given.

    A capture that was not reduced has none: 1 everywhere.
    """
    cell = mask_cell(p.display)
    if p.resampled is None or not contrast:
        return torch.ones_like(cell)
    cell = damp_harmonics(cell, p.resampled.sigma, p.resampled.aperture, p.geometry) - 1
    brightness = torch.einsum("c,chw->hw", torch.tensor(_RAW, dtype=cell.dtype), cell)
    grid = brightness + chroma * (cell - brightness)
    rms = float(grid.square().mean().sqrt())
    return (1 + grid * (contrast / max(rms, 1e-9))).clamp(min=0)


def waves(parameters: Sequence[CaptureParameters], u: Tensor, v: Tensor) -> Tensor:
    """What the sensor's own sampling adds to the grid: the same cells, seen as slowly as ``waves`` says.

    Sampling turns each harmonic's frequency into its difference to one of the sensor's; only that difference is set
    here, the bending by lens and perspective is that of the display coordinates u, v (N, H, W); (N, 3, H, W).
    """
    x, y = sensor_grid(u.shape[-2], u.shape[-1], u.device)
    cells, slow_u, slow_v = [], [], []
    for i, p in enumerate(parameters):
        grid = p.resampled or ResampledParameters()
        cells.append(grid_cell(p, grid.wave_contrast, grid.wave_chroma))
        (ux, uy), (vx, vy) = linear_part(p.geometry)
        to_ux, to_uy, to_vx, to_vy = grid.waves
        slow_u.append(u[i] + (to_ux - ux) * x[0] + (to_uy - uy) * y[0])
        slow_v.append(v[i] + (to_vx - vx) * x[0] + (to_vy - vy) * y[0])
    return sample_cell(torch.stack(cells).float().to(u.device), torch.stack(slow_u), torch.stack(slow_v))
