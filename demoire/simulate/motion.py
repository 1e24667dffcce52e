"""How a hand moves the camera, and how content moves on the display, from frame to frame."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from demoire.simulate.config import GeometryParameters, Range, ShownParameters, log_uniform
from demoire.simulate.geometry import linear_part

_SWAY, _TREMOR = (0.006, 0.05), (0.15, 0.45)  # cycles per frame: at 30 frames a second 0.2-1.5 and 4.5-13 Hz
_LONG = 120  # frames over which the speed of a path is what was asked for
_VIEW = 1.1  # width of the whole photo by its distance: a tilt changes the scale across it by so much per radian


@dataclass(frozen=True)
class HandConfig:
    """Ranges, log-uniform, of root mean square changes from frame to frame.

    Attributes:
        travel: to the side and up, in delivered pixels; of it, ``tremor`` (uniform) is the share of quick trembling.
        roll, tilt: in degrees.
        approach: relative change of scale.
        burst_travel, burst_turn, burst_approach: between single photos of one display: delivered pixels, degrees
            (roll and tilt), relative.
    """

    travel: Range = (0.3, 4.5)
    tremor: Range = (0.05, 0.4)
    roll: Range = (0.008, 0.15)
    tilt: Range = (0.008, 0.15)
    approach: Range = (0.0001, 0.0025)
    burst_travel: Range = (2.0, 20.0)
    burst_turn: Range = (0.05, 0.8)
    burst_approach: Range = (0.001, 0.012)


@dataclass(frozen=True)
class Pose:
    """Where the camera is, from where it was at first: delivered pixels, radians, relative scale, radians of tilt."""

    x: float = 0.0
    y: float = 0.0
    roll: float = 0.0
    scale: float = 1.0
    tilt: tuple[float, float] = (0.0, 0.0)


def draw_hand(config: HandConfig, rng: np.random.Generator, frames: int) -> list[Pose]:
    """A smooth path with tremor."""
    tremor = rng.uniform(*config.tremor)
    speeds = [log_uniform(rng, config.travel) / math.sqrt(2)] * 2
    speeds += [math.radians(log_uniform(rng, config.roll)), log_uniform(rng, config.approach)]
    speeds += [math.radians(log_uniform(rng, config.tilt)) / math.sqrt(2)] * 2
    return _poses([speed * _path(rng, frames, tremor) for speed in speeds])


def draw_burst(config: HandConfig, rng: np.random.Generator, frames: int) -> list[Pose]:
    """Photos one after the other, the camera held anew for each."""
    turn = math.radians(log_uniform(rng, config.burst_turn))
    spreads = [log_uniform(rng, config.burst_travel)] * 2 + [turn, log_uniform(rng, config.burst_approach), turn, turn]
    jumps = [spread * rng.normal(size=frames) / math.sqrt(2) for spread in spreads]
    return _poses([jump - jump[0] for jump in jumps])


def _poses(columns: Sequence[NDArray[np.float64]]) -> list[Pose]:
    return [
        Pose(float(x), float(y), float(roll), math.exp(nearer), (float(tilt_x), float(tilt_y)))
        for x, y, roll, nearer, tilt_x, tilt_y in zip(*columns, strict=True)
    ]


def _path(rng: np.random.Generator, frames: int, tremor: float) -> NDArray[np.float64]:
    """From 0, a mean square change of 1 from frame to frame in the long run, ``tremor`` of it quick."""
    time = np.arange(max(frames, _LONG))
    path = np.zeros(len(time))
    for band, share in ((_SWAY, 1 - tremor), (_TREMOR, tremor)):
        waves = np.zeros(len(time))
        for _ in range(4):
            frequency = log_uniform(rng, band)
            # Slower waves reach farther, as fast.
            waves += np.sin(2 * math.pi * (frequency * time + rng.random())) * rng.uniform(0.5, 1) / frequency
        path += math.sqrt(share) * waves / np.sqrt(np.square(np.diff(waves)).mean())
    return np.asarray(path[:frames] - path[0])


def moved(geometry: GeometryParameters, pose: Pose, reduction: tuple[float, float], frame: float) -> GeometryParameters:
    """The geometry of a camera that moved from where ``geometry`` has it.

    Args:
        reduction: (y, x) of delivered to sensor pixels.
        frame: width of the whole photo in sensor pixels.
    """
    tilt_x, tilt_y = (
        before + angle * _VIEW / frame for before, angle in zip(geometry.perspective, pose.tilt, strict=True)
    )
    there = replace(
        geometry,
        scale=geometry.scale * pose.scale,
        rotation=geometry.rotation + pose.roll,
        perspective=(tilt_x, tilt_y),
    )
    (ux, uy), (vx, vy) = linear_part(there)
    x, y = pose.x * reduction[1], pose.y * reduction[0]
    return replace(there, phase=(geometry.phase[0] + ux * x + uy * y, geometry.phase[1] + vx * x + vy * y))


def draw_shown(kind: str, rng: np.random.Generator, frames: int, view: tuple[float, float]) -> list[ShownParameters]:
    """What a display shows from frame to frame.

    Args:
        kind: ``still``; ``scroll``, whole pixels up or down with pauses; ``pan``, any direction; ``film``, a still that
            is panned and zoomed slowly; ``window``, a scroll or film in a part of a still picture.
        view: height and width of what the camera sees, in display pixels.
    """
    if kind == "still":
        return [ShownParameters()] * frames
    if kind == "window":
        inner = draw_shown(str(rng.choice(("scroll", "film"))), rng, frames, view)
        height, width = (side * rng.uniform(0.35, 0.8) for side in view)
        left, top = (
            rng.uniform(-0.5, 0.5) * side - length / 2 for side, length in zip(view[::-1], (width, height), strict=True)
        )
        return [replace(p, window=(left, top, left + width, top + height)) for p in inner]
    time = np.arange(frames)
    if kind == "scroll":
        running = rng.random(frames) > (0.2 if rng.random() < 0.5 else 0.0)
        steps = -round(log_uniform(rng, (1, 12))) * rng.choice((-1, 1)) * running
        return [ShownParameters((0.0, float(at))) for at in np.cumsum(steps) - steps[0]]
    speed, direction = log_uniform(rng, (0.3, 6.0)), rng.uniform(0, 2 * math.pi)
    zoom = math.log(rng.uniform(0.995, 1.012)) if kind == "film" else 0.0
    return [
        ShownParameters((speed * math.cos(direction) * t, speed * math.sin(direction) * t), math.exp(zoom * t))
        for t in map(float, time)
    ]
