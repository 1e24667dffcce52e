"""Drawn captures: how bright a display is photographed."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from demoire.simulate import display, isp, optics
from demoire.simulate.capture import render
from demoire.simulate.config import (
    CaptureParameters,
    DeliveryParameters,
    DisplayParameters,
    SensorParameters,
    SimulatorConfig,
)
from demoire.simulate.drawing import draw_capture, draw_scale, expose

RESOLVED = CaptureParameters(display=DisplayParameters("pentile"), sensor=SensorParameters(white=0.76))
RESOLVED = replace(RESOLVED, geometry=replace(RESOLVED.geometry, scale=2.8))


def brightest(p: CaptureParameters) -> float:
    """Of the sub-pixels of display white, on the sensor."""
    return p.sensor.white * float(optics.filter_cell(display.mask_cell(p.display), p.optics, p.geometry).max())


def test_sub_pixels_of_drawn_captures_are_hardly_cut_off() -> None:
    config = SimulatorConfig(photo_share=0.0, untouched_share=0.0)
    rng = np.random.default_rng(3)
    drawn = [draw_capture(config, rng, draw_scale(config, rng)) for _ in range(60)]
    assert max(map(brightest, drawn)) <= config.peak[1] + 1e-9
    as_wished = [p for p in drawn if brightest(p) < config.peak[0]]
    assert as_wished and len(as_wished) < len(drawn)


def test_what_is_not_too_bright_stays_and_photos_have_no_sub_pixels() -> None:
    dim = replace(RESOLVED, sensor=replace(RESOLVED.sensor, white=0.1))
    assert expose(dim, 1.0) == dim
    photo = replace(RESOLVED, kind="photo")
    assert expose(photo, 1.0) == photo
    assert brightest(expose(RESOLVED, 1.0)) == pytest.approx(1.0)


def test_a_resolved_display_keeps_its_colour_only_if_nothing_is_cut_off() -> None:
    def tint(p: CaptureParameters) -> float:
        """Green by the mean of red and blue, in linear light, of a white display."""
        photo = render(torch.ones(1, 3, 400, 400), [p], DeliveryParameters(), (256, 256)).moire
        red, green, blue = isp.srgb_to_linear(photo).mean((0, 2, 3)).tolist()
        return float(2 * green / (red + blue))

    assert tint(RESOLVED) > 1.1
    assert tint(expose(RESOLVED, 1.0)) == pytest.approx(1.0, abs=0.06)


def test_the_draw_of_exposure_changes_no_other_parameter() -> None:
    def drawn(peak: float) -> CaptureParameters:
        config = SimulatorConfig(photo_share=0.0, untouched_share=0.0, peak=(peak, peak))
        return draw_capture(config, np.random.default_rng(9), 3.0)

    free, spared = drawn(1e9), drawn(0.9)
    assert spared.sensor.white < free.sensor.white
    assert replace(spared, sensor=replace(spared.sensor, white=free.sensor.white)) == free
