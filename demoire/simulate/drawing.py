"""Draws the parameters of simulated captures from the one configuration of their ranges."""

import math
from dataclasses import replace

import numpy as np

from demoire.simulate import display, optics
from demoire.simulate.config import (
    HALF_DIAGONAL,
    CaptureParameters,
    DeliveryParameters,
    DisplayParameters,
    GeometryParameters,
    IspParameters,
    JpegParameters,
    OpticsParameters,
    SensorParameters,
    SimulatorConfig,
    choose,
    log_uniform,
)


def draw_delivery(config: SimulatorConfig, rng: np.random.Generator) -> DeliveryParameters:
    """Draws how the photo is reduced for sharing."""
    shares = np.array([row[0] for row in config.reductions])
    _, low, high, ratio = config.reductions[int(rng.choice(len(shares), p=shares / shares.sum()))]
    mean = log_uniform(rng, (low, high))
    squeeze = math.exp(rng.uniform(-0.5, 0.5) * math.log(ratio))
    reduction = (max(1.0, mean * squeeze), max(1.0, mean / squeeze))
    return DeliveryParameters(reduction, choose(rng, config.resizers))


def draw_scale(config: SimulatorConfig, rng: np.random.Generator) -> float:
    """Draws sensor pixels per display pixel, near a resonance in ``resonant_share`` of the draws."""
    if rng.random() < config.resonant_share:
        offset = rng.uniform(-1, 1)
        return float(rng.choice(config.resonances)) * (1 + offset * abs(offset) * config.resonance_width)
    return log_uniform(rng, config.scale)


def draw_capture(config: SimulatorConfig, rng: np.random.Generator, scale: float) -> CaptureParameters:
    """Draws one capture at about ``scale`` sensor pixels per display pixel (varied by 3 %)."""
    share = rng.random()
    kind = "screen"
    if share < config.photo_share:
        kind = "photo"
    elif share < config.photo_share + config.untouched_share:
        kind = "untouched"
    sigma = rng.uniform(*config.psf_sigma)
    shown_on = DisplayParameters(
        layout=choose(rng, config.layouts),
        lit_x=rng.uniform(*config.lit_x),
        lit_y=rng.uniform(*config.lit_y),
        reversed=bool(rng.random() < config.reversed_share),
        sideways=bool(rng.random() < config.sideways_share),
    )
    if kind == "photo":
        # A photo of the world has no pixels of a display that could be seen as blocks.
        scale = rng.uniform(0.6, 1.3)
    lens = OpticsParameters(sigma, sigma * config.target_sharpness, rng.uniform(*config.aperture))
    drawn = CaptureParameters(
        kind=kind,
        display=shown_on,
        geometry=_draw_geometry(config, rng, scale * rng.uniform(0.985, 1.015)),
        optics=lens,
        sensor=_draw_sensor(config, rng),
        isp=_draw_isp(config, rng),
        jpeg=_draw_jpeg(config, rng),
        noise_seed=int(rng.integers(2**31)),
        target=config.target,
    )
    # By its own seed: what else is drawn stays the same whatever cameras spare.
    return expose(drawn, np.random.default_rng(drawn.noise_seed).uniform(*config.peak))


def expose(p: CaptureParameters, most: float) -> CaptureParameters:
    """The capture exposed less if its brightest sub-pixel would else be brighter than ``most`` (1 = saturation).

    Metered as the sensor's pixels see display white, noise, vignetting and glare left aside.
    """
    if p.kind != "screen":
        return p
    brightest = float(optics.filter_cell(display.mask_cell(p.display), p.optics, p.geometry).max())
    return replace(p, sensor=replace(p.sensor, white=min(p.sensor.white, most / brightest)))


def _draw_geometry(config: SimulatorConfig, rng: np.random.Generator, scale: float) -> GeometryParameters:
    frame = rng.uniform(*config.frame)
    tilt, direction = rng.uniform(*config.perspective) / frame, rng.uniform(0, 2 * math.pi)
    rotation = rng.uniform(*config.rotation) * rng.choice((-1, 1))
    if rng.random() < config.free_rotation_share:
        rotation = rng.uniform(-math.pi / 4, math.pi / 4)
    return GeometryParameters(
        scale=scale,
        aspect=rng.uniform(*config.aspect),
        rotation=float(rotation),
        shear=rng.uniform(*config.shear),
        perspective=(tilt * math.cos(direction), tilt * math.sin(direction)),
        distortion=rng.uniform(*config.distortion),
        centre=(rng.uniform(-0.4, 0.4) * frame, rng.uniform(-0.35, 0.35) * frame),
        radius=frame * HALF_DIAGONAL,
        phase=(rng.random(), rng.random()),
    )


def _draw_sensor(config: SimulatorConfig, rng: np.random.Generator) -> SensorParameters:
    return SensorParameters(
        cfa=str(rng.choice(("RGGB", "GRBG", "GBRG", "BGGR"))),
        white=rng.uniform(*config.white),
        photons=log_uniform(rng, config.photons),
        read_noise=rng.uniform(*config.read_noise),
        vignetting=rng.uniform(*config.vignetting),
        glare=rng.uniform(*config.glare),
        crosstalk=rng.uniform(*config.crosstalk),
    )


def _draw_isp(config: SimulatorConfig, rng: np.random.Generator) -> IspParameters:
    error = rng.normal(0, config.colour_error, (3, 3))
    saturation = rng.uniform(*config.saturation)
    grey = np.full((3, 3), 1 / 3)
    matrix = grey + (np.eye(3) - grey) * saturation + error - error.mean(1, keepdims=True)
    return IspParameters(
        demosaicer=choose(rng, config.demosaicers),
        white_balance=(rng.uniform(*config.white_balance), rng.uniform(*config.white_balance)),
        colour_matrix=tuple(float(x) for x in matrix.ravel()),
        contrast=rng.uniform(*config.contrast),
        luma_denoise=rng.uniform(*config.luma_denoise),
        chroma_denoise=rng.uniform(*config.chroma_denoise),
        chroma_radius=_draw_chroma_radius(config, rng),
        sharpening=rng.uniform(*config.sharpening),
        target_sharpening=config.target_sharpening,
    )


def _draw_chroma_radius(config: SimulatorConfig, rng: np.random.Generator) -> int:
    wide = rng.random() < config.wide_chroma_share
    radius = log_uniform(rng, config.chroma_radius)
    return round(radius) if wide else 0


def _draw_jpeg(config: SimulatorConfig, rng: np.random.Generator) -> JpegParameters:
    low, high = config.jpeg_quality
    passes = choose(rng, config.jpeg_passes)
    qualities = tuple(int(rng.integers(low, high + 1)) for _ in range(passes))
    return JpegParameters(qualities, bool(rng.random() < config.subsampled_share))
