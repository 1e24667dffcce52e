"""Foliage, fur, water, gravel and stars: dense irregular detail, of which a few dozen photos show too little."""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

_FINE = 2
"""Drawn so many times as large, then averaged: edges are not aliased."""
_USUAL, _MOST = 500, 5000
"""Side in pixels from which on things are larger instead of more, and how many there are at most."""


def draw_leaves(rng: np.random.Generator, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture (H, W, 3) that is strewn with things of all sizes, which cover one another.

    The dead leaves model, whose edges and sizes are distributed as those of natural pictures are (Lee, Mumford and
    Huang, Occlusion models for natural images, IJCV 2001): areas by a power law, places and tones at random.
    """
    height, width = picture.shape[:2]
    canvas = Image.fromarray(picture).resize((width * _FINE, height * _FINE))
    draw, palette = ImageDraw.Draw(canvas), _palette(rng)
    long, spread, direction = math.exp(rng.uniform(0, math.log(12))), rng.uniform(0.1, math.pi), rng.uniform(0, math.pi)
    smallest = math.exp(rng.uniform(math.log(0.7), math.log(4))) * max(1.0, max(height, width) / _USUAL)
    count = min(int(height * width / (smallest**2 * rng.uniform(6, 40))), _MOST)
    for radius in smallest * (1 + rng.pareto(2, count)):
        tilt = direction + rng.uniform(-spread, spread) / 2
        _leaf(draw, rng, min(float(radius), 20 * smallest) * _FINE, long, tilt, palette)
    return np.array(canvas.resize((width, height), Image.Resampling.BOX))


def _leaf(
    draw: ImageDraw.ImageDraw,
    rng: np.random.Generator,
    radius: float,
    long: float,
    direction: float,
    palette: NDArray[np.uint8],
) -> None:
    """One polygon of 4 to 7 corners, ``long`` times as long as wide."""
    width, height = draw.im.size
    x, y, sides = rng.uniform(0, width), rng.uniform(0, height), int(rng.integers(4, 8))
    angles = np.sort(rng.uniform(0, 2 * math.pi, sides))
    along, across = radius * math.sqrt(long) * np.cos(angles), radius / math.sqrt(long) * np.sin(angles)
    cos, sin = math.cos(direction), math.sin(direction)
    corners = np.stack([x + along * cos - across * sin, y + along * sin + across * cos], -1)
    tone = palette[int(rng.integers(len(palette)))] * rng.uniform(0.75, 1.2)
    draw.polygon([(float(a), float(b)) for a, b in corners], fill=tuple(int(v) for v in np.clip(tone, 0, 255)))


def _palette(rng: np.random.Generator) -> NDArray[np.uint8]:
    """A few tones about one colour, or about two."""
    centres = rng.uniform(10, 245, (int(rng.integers(1, 3)), 3))
    grey = centres.mean(1, keepdims=True)
    centres = grey + (centres - grey) * rng.uniform(0, 1)
    shades = rng.normal(0, rng.uniform(8, 60), (8, 1)) + rng.normal(0, 8, (8, 3))
    return np.asarray(np.clip(centres[rng.integers(len(centres), size=8)] + shades, 0, 255), dtype=np.uint8)
