"""The composition: clean pictures in, captures with their targets out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from demoire.eight_bits import in_eight_bits
from demoire.simulate import delivery, display, geometry, isp, optics, resampled, sensor, shown
from demoire.simulate.config import UNMASKED, CaptureParameters, DeliveryParameters

VISIBLE = 2.5 / 255
"""Local RMS above which moire counts as visible in the mask."""

MARGIN = 1.1
"""How much farther than its linear part a bent and tilted view may reach; beyond, content is mirrored."""


@dataclass(frozen=True)
class Captures:
    """What ``render`` makes; all (N, C, H, W) float32.

    Attributes:
        moire: the captures, sRGB, 8-bit levels in [0, 1].
        clean: their targets, sRGB in [0, 1]: the same geometry, exposure, colour, tone and size without mask, CFA,
            noise and JPEG; or without the mask alone, where parameters say so.
        amplitude: (N, 1, H, W): local RMS of the moire alone, before noise and JPEG: of what a display without visible
            pixels would not show; 0 unless labels were asked for.
    """

    moire: Tensor
    clean: Tensor
    amplitude: Tensor

    @property
    def mask(self) -> Tensor:
        """(N, 1, H, W) bool: where moire is visible."""
        return self.amplitude > VISIBLE

    def to(self, device: torch.device) -> "Captures":
        """The same captures on ``device``."""
        return Captures(self.moire.to(device), self.clean.to(device), self.amplitude.to(device))


def sensor_size(size: tuple[int, int], reduction: tuple[float, float]) -> tuple[int, int]:
    """Height and width on the sensor of a delivered window of ``size``."""
    return round(size[0] * reduction[0]), round(size[1] * reduction[1])


def content_size(
    parameters: Sequence[CaptureParameters], shared: DeliveryParameters, size: tuple[int, int]
) -> tuple[int, int]:
    """Display pixels (height, width) that captures of ``size`` look at, a margin for bending and blur included."""
    height, width = sensor_size(size, shared.reduction)
    reach_u, reach_v = [size[1] / 2], [size[0] / 2]
    for p in parameters:
        (ux, uy), (vx, vy) = geometry.linear_part(p.geometry)
        reach_u.append((abs(ux) * width + abs(uy) * height) / 2 * MARGIN + 8)
        reach_v.append((abs(vx) * width + abs(vy) * height) / 2 * MARGIN + 8)
    return 2 * math.ceil(max(reach_v)), 2 * math.ceil(max(reach_u))


def _rows(values: Sequence[float], device: torch.device) -> Tensor:
    return torch.tensor(list(values), dtype=torch.float32, device=device)[:, None, None, None]


def _cells(parameters: Sequence[CaptureParameters]) -> Tensor:
    cells = []
    for p in parameters:
        if p.resampled is not None:
            cells.append(resampled.grid_cell(p, p.resampled.contrast, p.resampled.chroma))
            continue
        cell = display.mask_cell(p.display)
        if p.kind != "screen":
            cell = torch.ones_like(cell)
        cells.append(optics.filter_cell(cell, p.optics, p.geometry))
    return torch.stack(cells).float()


def _blurred(content: Tensor, parameters: Sequence[CaptureParameters], target: bool, times: int) -> Tensor:
    sigmas = [
        optics.content_sigma(
            p.geometry.scale, p.optics.target_sigma if target else p.optics.sigma, p.optics.aperture, times
        )
        for p in parameters
    ]
    return optics.blur(content, sigmas)


def _display_light(
    content: Tensor, parameters: Sequence[CaptureParameters], size: tuple[int, int]
) -> tuple[Tensor, Tensor, Tensor]:
    """Linear light on the sensor (N, 3, H, W), display white = 1: through no mask; the mask; and the target's light."""
    device = content.device
    u, v = geometry.display_positions([p.geometry for p in parameters], *size, device)
    times = optics.enlargement(min(p.geometry.scale for p in parameters))
    linear = isp.srgb_to_linear(content)
    enlarged = linear.repeat_interleave(times, 2).repeat_interleave(times, 3)
    blurring = parameters[: len(content)]
    target = shown.look_up(_blurred(enlarged, blurring, True, times), parameters, u, v, times)
    blurred = _blurred(enlarged, blurring, False, times)
    mask = optics.sample_cell(_cells(parameters).to(device), u, v)
    if any(p.resampled is not None for p in parameters):
        mask = mask * resampled.waves(parameters, u, v)
    channels = []
    for c in range(3):
        shift = [display.subpixel_shift(p.display)[c] * (p.kind == "screen") for p in parameters]
        shift_u, shift_v = (
            torch.tensor([s[i] for s in shift], dtype=torch.float32, device=device)[:, None, None] for i in range(2)
        )
        channels.append(shown.look_up(blurred[:, c : c + 1], parameters, u - shift_u, v - shift_v, times))
    return torch.cat(channels, 1), mask, target


def _expose(light: Tensor, parameters: Sequence[CaptureParameters]) -> Tensor:
    """Exposure, vignetting about the frame's centre, waves of a pulsing backlight, and glare."""
    device = light.device
    x, y = geometry.sensor_grid(light.shape[-2], light.shape[-1], device)
    fall = []
    for p in parameters:
        squared = ((x - p.geometry.centre[0]) ** 2 + (y - p.geometry.centre[1]) ** 2) / p.geometry.radius**2
        amplitude, length, phase = p.sensor.rolling
        waves = 1 + amplitude * torch.cos(2 * math.pi * (y / length + phase)) if amplitude else 1.0
        fall.append((1 - p.sensor.vignetting * squared.clamp(max=1.5)) * waves)
    white = _rows([p.sensor.white for p in parameters], device)
    glare = _rows([p.sensor.glare for p in parameters], device)
    return white * (light * torch.stack(fall) * (1 - glare) + glare)


def _photograph(light: Tensor, parameters: Sequence[CaptureParameters], noisy: bool) -> Tensor:
    """Linear light to demosaiced linear RGB, as the camera hands it to its colour processing."""
    cfas = [p.sensor.cfa for p in parameters]
    mixing = torch.stack([sensor.crosstalk_matrix(p.sensor.crosstalk) for p in parameters])
    light = isp.colour(light, mixing)
    sensors = [p.sensor if noisy else replace(p.sensor, photons=0.0, read_noise=0.0) for p in parameters]
    seeds = [p.noise_seed for p in parameters]
    if all(cfa == "none" for cfa in cfas):
        rgb = sensor.expose(light, sensors, seeds)
    else:
        raw, planes = sensor.mosaic(light, cfas)
        rgb = isp.demosaic(sensor.expose(raw, sensors, seeds), planes, [p.isp.demosaicer for p in parameters])
    return isp.colour(rgb, torch.linalg.inv(mixing))


def _develop(
    rgb: Tensor,
    parameters: Sequence[CaptureParameters],
    shared: DeliveryParameters,
    size: tuple[int, int],
    capture: bool,
) -> Tensor:
    """Linear RGB to the delivered picture before JPEG; a target is not denoised, it has no noise."""
    settings = [p.isp for p in parameters]
    image = isp.tone(isp.colour(rgb, isp.camera_matrices(settings)), settings)
    if capture:
        image = isp.denoise(image, settings).clamp(0, 1)
    image = isp.sharpen(image, [s.sharpening * (1.0 if capture else s.target_sharpening) for s in settings])
    return delivery.resize(image, *size, shared.resizer).clamp(0, 1)


def untouched(content: Tensor, parameters: Sequence[CaptureParameters], size: tuple[int, int]) -> Tensor:
    """The middle of plain pictures, their own pixels with a little noise, before any JPEG."""
    top, left = (content.shape[-2] - size[0]) // 2, (content.shape[-1] - size[1]) // 2
    window = content[..., top : top + size[0], left : left + size[1]]
    amount = _rows([p.sensor.read_noise * 2 for p in parameters], content.device)
    return (window + sensor.noise_like(window, [p.noise_seed for p in parameters]) * amount).clamp(0, 1)


@dataclass(frozen=True)
class Shot:
    """What a camera makes of displays, before JPEG.

    Attributes:
        photo, target: (N, 3, *size) sRGB in [0, 1].
        light: exposed light on the sensor.
        plain: light of displays without visible pixels, not exposed yet: few want it.
    """

    photo: Tensor
    target: Tensor
    light: Tensor
    plain: Tensor


def shoot(
    content: Tensor, parameters: Sequence[CaptureParameters], shared: DeliveryParameters, size: tuple[int, int]
) -> Shot:
    """Photographs what displays show.

    Args:
        content: as of ``render``, or one picture (1, 3, h, w) that all captures look at.
    """
    plain, mask, target = _display_light(content, parameters, sensor_size(size, shared.reduction))
    light, target = _expose(plain * mask, parameters), _expose(target, parameters).clamp(0, 1)
    photo = _take(light, parameters, shared, size)
    return Shot(photo, _develop(target, parameters, shared, size, capture=False), light, plain)


def _take(
    light: Tensor,
    parameters: Sequence[CaptureParameters],
    shared: DeliveryParameters,
    size: tuple[int, int],
    noisy: bool = True,
) -> Tensor:
    """Exposed light on the sensor to the delivered picture before JPEG."""
    return _develop(_photograph(light, parameters, noisy), parameters, shared, size, capture=True)


def local_rms(difference: Tensor) -> Tensor:
    """RMS over colours and 17 px of the band-passed difference (blur of 1 px less blur of 12 px); (N, 1, H, W)."""
    count = difference.shape[0]
    band = optics.blur(difference, [1.0] * count) - optics.blur(difference, [12.0] * count)
    return F.avg_pool2d(F.pad(band.square().mean(1, keepdim=True), (8, 8, 8, 8), mode="reflect"), 17, 1).sqrt()


@torch.no_grad()
def render(
    content: Tensor,
    parameters: Sequence[CaptureParameters],
    shared: DeliveryParameters,
    size: tuple[int, int],
    labels: bool = False,
) -> Captures:
    """Renders one capture of each picture, on the device that holds them.

    Args:
        content: (N, 3, h, w) sRGB in [0, 1], what the display shows around the window's centre; of
            ``content_size`` or larger.
        size: height and width of the delivered captures.
        labels: also measure the moire, which costs two more passes through the camera.
    """
    touched = [i for i, p in enumerate(parameters) if p.kind != "untouched"]
    rest = [i for i, p in enumerate(parameters) if p.kind == "untouched"]
    moire = content.new_empty((len(parameters), 3, *size))
    clean, amplitude = torch.empty_like(moire), moire.new_zeros((len(parameters), 1, *size))
    if touched:
        chosen = [parameters[i] for i in touched]
        jpegs = [p.jpeg for p in chosen]
        shot = shoot(content[touched], chosen, shared, size)
        moire[touched], clean[touched] = delivery.compress(shot.photo, jpegs), shot.target
        unmasked = [number for number, p in enumerate(chosen) if p.target == UNMASKED]
        plain = _expose(shot.plain, chosen) if unmasked or labels else None
        if plain is not None and unmasked:
            without = delivery.compress(_take(plain, chosen, shared, size), jpegs)
            clean[[touched[number] for number in unmasked]] = without[unmasked]
        for i in touched:
            if parameters[i].kind == "photo":
                clean[i] = moire[i]
        if plain is not None and labels:
            with_mask, without = (_take(light, chosen, shared, size, noisy=False) for light in (shot.light, plain))
            amplitude[touched] = local_rms(with_mask - without)
    if rest:
        chosen = [parameters[i] for i in rest]
        noisy = untouched(content[rest], chosen, size)
        moire[rest] = clean[rest] = delivery.compress(noisy, [p.jpeg for p in chosen])
    return Captures(in_eight_bits(moire), clean, amplitude)
