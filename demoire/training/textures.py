"""Fine textures that could be taken for moire: meshes, weaves, halftone, knits, carpets, blinds, gravel."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates, zoom

Plane = NDArray[np.float64]
LARGEST = 640
"""Side up to which a texture is made; larger ones mirror it."""


def draw_texture(rng: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
    """One texture (height, width, 3), sRGB: a lattice of a random motif, or band-passed noise, in two or more tones."""
    tall, wide = min(height, LARGEST), min(width, LARGEST)
    plane = _lattice(rng, tall, wide) if rng.random() < 0.6 else _noise(rng, tall, wide)
    return np.pad(_colour(rng, plane), ((0, height - tall), (0, width - wide), (0, 0)), mode="symmetric")


def draw_thing(rng: np.random.Generator, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture (H, W, 3) with a thing in it that is covered by a texture, as clothes, curtains and fences are.

    The texture ends at the outline of the thing; a display's grid would go on.
    """
    height, width = picture.shape[:2]
    texture, covered = draw_texture(rng, height, width), _outline(rng, height, width)[..., None]
    return np.asarray((texture * covered + picture * (1 - covered)).round(), dtype=np.uint8)


def _outline(rng: np.random.Generator, height: int, width: int) -> Plane:
    """Which share of each pixel lies within a random shape: a polygon of 3 to 7 sides that may be bent."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    y, x = y - rng.uniform(0.1, 0.9) * height, x - rng.uniform(0.1, 0.9) * width
    sides = int(rng.integers(3, 8))
    angles = 2 * math.pi * (np.arange(sides) + rng.uniform(0, 1) + rng.uniform(-0.3, 0.3, sides)) / sides
    reach = rng.uniform(0.15, 0.55, sides) * min(height, width)
    inside = np.min([r - x * math.cos(a) - y * math.sin(a) for a, r in zip(angles, reach, strict=True)], axis=0)
    bend = rng.uniform(0, 0.08) * min(height, width)
    return np.asarray(np.clip(inside + bend * _smooth(rng, height, width, 80) + 0.5, 0, 1))


def _lattice(rng: np.random.Generator, height: int, width: int) -> Plane:
    """A random motif repeated on a random lattice that is bent a little; periods of 3 to 18 px, log-uniform."""
    angle, skew = rng.uniform(0, math.pi), rng.choice((math.pi / 2, math.pi / 3, rng.uniform(0.9, 2.2)))
    periods = np.exp(rng.uniform(math.log(3), math.log(18), 2))
    if rng.random() < 0.5:
        periods[1] = periods[0] * rng.choice((1.0, 1.0, 0.5, 2.0))
    y, x = np.mgrid[:height, :width].astype(np.float64)
    bend = rng.choice((0.0, rng.uniform(0, 6)))
    if bend:
        x, y = x + bend * _smooth(rng, height, width), y + bend * _smooth(rng, height, width)
    u = (x * math.cos(angle) + y * math.sin(angle)) / periods[0]
    v = (x * math.cos(angle + skew) + y * math.sin(angle + skew)) / periods[1]
    side = int(rng.integers(2, 7))
    motif = zoom(rng.random((side, side)), 24 / side, order=int(rng.integers(0, 2)), mode="grid-wrap", grid_mode=True)
    if rng.random() < 0.5:
        motif = (motif > np.median(motif)).astype(float)
    softness = 24 * 0.45 / periods.min()  # less than a pixel of blur, so that edges are not aliased
    motif = gaussian_filter(motif, softness, mode="wrap")
    plane = map_coordinates(motif, [(v % 1) * 24, (u % 1) * 24], order=1, mode="grid-wrap")
    return np.asarray(plane * (1 + 0.3 * rng.random() * _smooth(rng, height, width, 30)))


def _noise(rng: np.random.Generator, height: int, width: int) -> Plane:
    """Noise with most of its power about one frequency and, for knits and blinds, about one direction.

    Its waves are at most 14 px long: longer smooth ones are moire far more often than anything else.
    """
    fy, fx = np.meshgrid(np.fft.fftfreq(height), np.fft.rfftfreq(width), indexing="ij")
    radius = np.hypot(fy, fx) + 1e-6
    centre, octaves = math.exp(rng.uniform(math.log(0.07), math.log(0.4))), rng.uniform(0.15, 1.2)
    power = np.exp(-(np.log2(radius / centre) ** 2) / (2 * octaves**2))
    if rng.random() < 0.6:
        direction = np.arctan2(fy, fx) - rng.uniform(0, math.pi)
        power *= np.exp(-(np.sin(direction) ** 2) / (2 * rng.uniform(0.05, 0.5) ** 2))
    spectrum = np.fft.rfft2(rng.standard_normal((height, width))) * power
    plane = np.fft.irfft2(spectrum, (height, width))
    return np.asarray(np.tanh(plane / (plane.std() + 1e-9) * rng.uniform(0.5, 2)))


def _smooth(rng: np.random.Generator, height: int, width: int, step: int = 60) -> Plane:
    """Smooth noise of about unit variance that changes over ``step`` pixels."""
    coarse = rng.standard_normal((height // step + 4, width // step + 4))
    rows = np.linspace(1, coarse.shape[0] - 2, height)
    columns = np.linspace(1, coarse.shape[1] - 2, width)
    return np.asarray(map_coordinates(coarse, np.meshgrid(rows, columns, indexing="ij"), order=3))


def _colour(rng: np.random.Generator, plane: Plane) -> NDArray[np.uint8]:
    low, high = np.percentile(plane, (1, 99))
    plane = np.clip((plane - low) / max(high - low, 1e-9), 0, 1)
    tones = np.sort(rng.random(2))
    tint = rng.normal(0, 0.08, (2, 3))
    colours = np.clip(tones[:, None] + tint, 0, 1)
    image = colours[0] + plane[..., None] * (colours[1] - colours[0])
    shade = 1 + 0.15 * rng.random() * _smooth(rng, plane.shape[0], plane.shape[1], 200)[..., None]
    grain = rng.normal(0, rng.uniform(0, 0.02), plane.shape)[..., None]
    return np.asarray((np.clip(image * shade + grain, 0, 1) * 255).round(), dtype=np.uint8)
