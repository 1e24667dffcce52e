"""Clips and bursts: one display, one camera, a hand. The camera moves a little, content hardly, the bands a lot."""

import math
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from demoire.eight_bits import in_eight_bits
from demoire.homography import between, placed
from demoire.simulate import delivery, geometry, shown, video
from demoire.simulate.capture import content_size, sensor_size, shoot, untouched
from demoire.simulate.config import (
    HALF_DIAGONAL,
    CaptureParameters,
    DeliveryParameters,
    JpegParameters,
    Range,
    SensorParameters,
    SimulatorConfig,
    choose,
    log_uniform,
)
from demoire.simulate.drawing import draw_capture, draw_delivery, draw_scale
from demoire.simulate.motion import HandConfig, Pose, draw_burst, draw_hand, draw_shown, moved
from demoire.simulate.video import VideoParameters

_AT_ONCE = 2**22
"""Sensor pixels that are photographed at once; a frame of 512x512 takes about 60 MB meanwhile."""


def _camera() -> SimulatorConfig:
    """As for single photos but for what would bend homographies (lens distortion, resizing by uneven areas), and with
    smaller reductions, since clips are delivered smaller than they are taken by less."""
    return SimulatorConfig(
        distortion=(0.0, 0.0),
        resizers=(("bicubic", 0.3), ("bilinear", 0.3), ("plain_bilinear", 0.4)),
        reductions=((0.5, 1.0, 1.0, 1.0), (0.32, 1.0, 2.0, 1.1), (0.18, 2.0, 3.0, 1.2)),
        photo_share=0.12,
        untouched_share=0.08,
    )


@dataclass(frozen=True)
class SequenceConfig:
    """Ranges (log-uniform unless said otherwise) and shares.

    Attributes:
        simulator: what is drawn once for a clip.
        hand: of those clips that are neither on a tripod nor bursts of single photos.
        exposure: relative change of brightness, to and fro.
        rolling_share: clips with waves of brightness from a pulsing backlight, which the target has too: they are no
            moire. Amplitude, length in sensor pixels, and (uniform) waves that they move by in a frame.
        shown: how content moves, see ``motion.draw_shown``.
        video_share: clips compressed as H.264, the others frame by frame as single photos are; bursts never.
        rate_factor: of the video (uniform).
    """

    simulator: SimulatorConfig = field(default_factory=_camera)
    hand: HandConfig = field(default_factory=HandConfig)
    tripod_share: float = 0.1
    burst_share: float = 0.12
    exposure: Range = (0.001, 0.02)
    rolling_share: float = 0.15
    rolling_amplitude: Range = (0.005, 0.05)
    rolling_length: Range = (250, 2500)
    rolling_speed: Range = (-0.25, 0.25)
    shown: tuple[tuple[str, float], ...] = (
        ("still", 0.7),
        ("scroll", 0.1),
        ("pan", 0.06),
        ("film", 0.06),
        ("window", 0.08),
    )
    video_share: float = 0.75
    rate_factor: Range = (23, 31)


@dataclass(frozen=True)
class SequenceParameters:
    """All of one clip: its frames, which differ in pose, brightness, what is shown and noise; ``video`` or JPEG."""

    frames: tuple[CaptureParameters, ...]
    delivery: DeliveryParameters
    video: VideoParameters | None = None


@dataclass(frozen=True)
class Clip:
    """What ``render_sequence`` makes.

    Attributes:
        moire, clean: (T, 3, H, W) float32 sRGB in [0, 1]; each target has its own frame's geometry and brightness.
        to_content: (T, 3, 3) float64, from a frame's pixels (x, y, 1) to pixels of the content.
        to_previous: (T, 3, 3) float64, from a frame's pixels to those of the frame before; the first is the identity.
            Where only a window of the content moves, both are those of its still part.
    """

    moire: Tensor
    clean: Tensor
    to_content: Tensor
    to_previous: Tensor


def draw_sequence(
    config: SequenceConfig, rng: np.random.Generator, frames: int, size: tuple[int, int]
) -> SequenceParameters:
    """Draws a clip of ``frames`` frames of ``size`` (height, width); the first is as ``draw_capture`` draws photos."""
    simulator = config.simulator
    shared, scale = draw_delivery(simulator, rng), draw_scale(simulator, rng)
    base = draw_capture(simulator, rng, scale)
    burst = rng.random() < config.burst_share
    poses = _draw_poses(config, rng, frames, burst)
    kind = choose(rng, config.shown)
    if base.kind == "untouched":
        kind, poses = ("scroll" if kind != "still" else kind), [Pose()] * frames
    view = [side / base.geometry.scale for side in sensor_size(size, shared.reduction)]
    moments = draw_shown(kind if not burst else "still", rng, frames, (view[0], view[1]))
    compressed = None
    if not burst and rng.random() < config.video_share:
        compressed = VideoParameters(round(rng.uniform(*config.rate_factor), 1))
        base = replace(base, jpeg=JpegParameters())
    sensors = _draw_sensors(config, rng, base.sensor, frames)
    whole = base.geometry.radius / HALF_DIAGONAL
    taken = [
        replace(
            base,
            geometry=moved(base.geometry, pose, shared.reduction, whole),
            shown=moment,
            sensor=light,
            noise_seed=int(rng.integers(2**31)),
        )
        for pose, moment, light in zip(poses, moments, sensors, strict=True)
    ]
    return SequenceParameters(tuple(taken), shared, compressed)


def _draw_poses(config: SequenceConfig, rng: np.random.Generator, frames: int, burst: bool) -> list[Pose]:
    if burst:
        return draw_burst(config.hand, rng, frames)
    if rng.random() < config.tripod_share:
        return [Pose()] * frames
    return draw_hand(config.hand, rng, frames)


def _draw_sensors(
    config: SequenceConfig, rng: np.random.Generator, base: SensorParameters, frames: int
) -> list[SensorParameters]:
    """Brightness over time, and where the waves of a pulsing backlight are."""
    drift, period, phase = log_uniform(rng, config.exposure), log_uniform(rng, (12, 120)), rng.uniform(0, 2 * math.pi)
    amplitude = log_uniform(rng, config.rolling_amplitude) if rng.random() < config.rolling_share else 0.0
    length, speed, start = log_uniform(rng, config.rolling_length), rng.uniform(*config.rolling_speed), rng.random()
    sensors = []
    for t in range(frames):
        swing = math.sin(2 * math.pi * t / period + phase) - math.sin(phase)
        waves = (amplitude, length, start + speed * t) if amplitude else base.rolling
        sensors.append(replace(base, white=base.white * math.exp(drift * swing), rolling=waves))
    return sensors


def shown_size(parameters: SequenceParameters, size: tuple[int, int]) -> tuple[int, int]:
    """Display pixels (height, width) that the frames look at, moved content included."""
    frames = parameters.frames
    height, width = content_size(frames, parameters.delivery, size)
    reach_u = max(abs(p.geometry.phase[0] - p.shown.shift[0]) for p in frames)
    reach_v = max(abs(p.geometry.phase[1] - p.shown.shift[1]) for p in frames)
    return height + 2 * math.ceil(reach_v), width + 2 * math.ceil(reach_u)


@torch.no_grad()
def render_sequence(content: Tensor, parameters: SequenceParameters, size: tuple[int, int]) -> Clip:
    """Renders a clip on the device that holds the content.

    Args:
        content: (1, 3, h, w) sRGB in [0, 1], what the display shows around the window's centre at first; of
            ``shown_size`` or larger.
        size: height and width of the delivered frames.
    """
    frames, kind = parameters.frames, parameters.frames[0].kind
    if kind == "untouched":
        moving = [torch.roll(content, [round(s) for s in p.shown.shift[::-1]], (2, 3)) for p in frames]
        photo = clean = untouched(torch.cat(moving), frames, size)
    else:
        photo, clean = _shoot(content, parameters, size)
    if parameters.video is not None:
        moire = video.compress(photo, parameters.video)
    else:
        moire = delivery.compress(photo, [p.jpeg for p in frames])
    moire = in_eight_bits(moire)
    to_content = _homographies(parameters, size, content.shape[-2:])
    return Clip(moire, moire if kind in {"photo", "untouched"} else clean, to_content, between(to_content))


def _shoot(content: Tensor, parameters: SequenceParameters, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Photos before compression and their targets, so many at a time as fit into a moderate amount of memory."""
    height, width = sensor_size(size, parameters.delivery.reduction)
    several = max(1, _AT_ONCE // (height * width))
    photos, targets = [], []
    for first in range(0, len(parameters.frames), several):
        shot = shoot(content, parameters.frames[first : first + several], parameters.delivery, size)
        photos.append(shot.photo)
        targets.append(shot.target)
    return torch.cat(photos), torch.cat(targets)


def _homographies(parameters: SequenceParameters, size: tuple[int, int], content: torch.Size) -> Tensor:
    """(T, 3, 3): from pixels of delivered frames to those of the content."""
    height, width = content
    if parameters.frames[0].kind == "untouched":
        left, top = (width - size[1]) // 2, (height - size[0]) // 2
        shifts = [[round(s) for s in p.shown.shift] for p in parameters.frames]
        return torch.stack([placed(left - u, top - v) for u, v in shifts])
    seen_height, seen_width = sensor_size(size, parameters.delivery.reduction)
    scale_x, scale_y = seen_width / size[1], seen_height / size[0]
    to_sensor = placed(-scale_x * (size[1] - 1) / 2, -scale_y * (size[0] - 1) / 2, scale_x, scale_y)
    to_pixels = placed((width - 1) / 2, (height - 1) / 2)
    seen = [shown.homography(p.shown) @ geometry.homography(p.geometry) for p in parameters.frames]
    return to_pixels @ torch.from_numpy(np.stack(seen)) @ to_sensor
