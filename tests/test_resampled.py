"""Photos reduced without a filter: the grid's contrast, colours and frequencies are those asked for."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from demoire.simulate.capture import content_size, render
from demoire.simulate.config import (
    CaptureParameters,
    DeliveryParameters,
    GeometryParameters,
    IspParameters,
    OpticsParameters,
    ResampledParameters,
    SensorParameters,
    SimulatorConfig,
)
from demoire.simulate.drawing import draw_capture, draw_delivery, draw_scale
from demoire.simulate.resampled import ResampledConfig, draw_captures, grid_cell

GRID = ResampledParameters(contrast=0.1, chroma=0.4)


def reduced(grid: ResampledParameters, scale: float = 0.45) -> CaptureParameters:
    """A capture without noise or compression, straight on."""
    return CaptureParameters(
        geometry=GeometryParameters(scale=scale),
        optics=OpticsParameters(0.3, 0.3, 0.9),
        sensor=SensorParameters(cfa="none", white=0.5),
        resampled=grid,
    )


def photographed(grid: ResampledParameters, size: tuple[int, int] = (128, 128)) -> tuple[torch.Tensor, torch.Tensor]:
    """Capture and target of a white display."""
    parameters, shared = [reduced(grid)], DeliveryParameters()
    height, width = content_size(parameters, shared, size)
    captures = render(torch.ones(1, 3, height, width), parameters, shared, size)
    return captures.moire[0], captures.clean[0]


@pytest.mark.parametrize("contrast", [0.02, 0.1])
def test_the_cell_has_the_contrast_asked_for_and_keeps_its_light(contrast: float) -> None:
    cell = grid_cell(reduced(GRID), contrast, 0.4)
    assert float((cell - 1).square().mean().sqrt()) == pytest.approx(contrast, rel=1e-6)
    assert cell.mean((1, 2)).numpy() == pytest.approx(np.ones(3), abs=1e-9)


def test_without_chroma_the_cell_is_grey_and_with_it_it_is_not() -> None:
    grey, coloured = grid_cell(reduced(GRID), 0.1, 0.0), grid_cell(reduced(GRID), 0.1, 1.0)
    assert torch.allclose(grey[0], grey[1]) and torch.allclose(grey[1], grey[2])
    assert float((coloured[0] - coloured[2]).abs().max()) > 0.02


def test_a_capture_that_was_not_reduced_has_no_such_cell() -> None:
    assert torch.equal(grid_cell(replace(reduced(GRID), resampled=None), 0.1, 0.5), torch.ones(3, 96, 96).double())


def test_waves_repeat_as_often_as_asked_and_the_target_has_none() -> None:
    grid = ResampledParameters(contrast=0.0, wave_contrast=0.15, wave_chroma=0.0, waves=(6 / 128, 0.0, 0.0, 0.0))
    moire, clean = photographed(grid)
    assert float(clean.std((1, 2)).max()) < 1e-3
    rows = moire.mean(0).mean(0)
    spectrum = torch.fft.rfft(rows - rows.mean()).abs()
    # Sub-pixels are three in a pixel, but grey waves repeat with the pixel and its harmonics alone.
    assert int(spectrum.argmax()) % 6 == 0
    assert float(spectrum[spectrum.argsort()[-1]]) > 20 * float(spectrum[5])


def test_a_finer_contrast_shows_less() -> None:
    strong, weak = (
        float(moire.std()) for moire, _ in (photographed(replace(GRID, contrast=contrast)) for contrast in (0.2, 0.05))
    )
    assert strong == pytest.approx(4 * weak, rel=0.25)


def test_none_are_drawn_unless_asked_for() -> None:
    config = SimulatorConfig()
    parameters, shared = draw_captures(config, ResampledConfig(), np.random.default_rng(5), 3)
    rng = np.random.default_rng(5)
    expected_shared, scale = draw_delivery(config, rng), draw_scale(config, rng)
    assert shared == expected_shared
    assert parameters == [draw_capture(config, rng, scale) for _ in range(3)]
    assert all(p.resampled is None for p in parameters)


def test_what_is_drawn_lies_within_the_ranges_and_renders() -> None:
    config, ranges = replace(SimulatorConfig(), resampled_share=1.0), ResampledConfig()
    rng = np.random.default_rng(3)
    drawn, shared = draw_captures(config, ranges, rng, 60)
    screens = [p for p in drawn if p.kind == "screen"]
    assert shared == DeliveryParameters() and all(p.sensor.cfa == "none" for p in drawn)
    assert 30 < len(screens) < 60 and all(p.resampled is not None for p in screens)
    assert all(p.resampled is None for p in drawn if p.kind != "screen")
    for p in screens:
        assert p.resampled is not None
        down, across = 1 / (p.geometry.scale * p.geometry.aspect), p.geometry.aspect / p.geometry.scale
        assert 0.4 <= down <= 3.2 and 0.4 <= across <= 5.2
        assert ranges.contrast[0] <= p.resampled.contrast <= ranges.contrast[1]
        lengths = [1 / math.hypot(*p.resampled.waves[i : i + 2]) for i in (0, 2)]
        assert all(ranges.wave_length[0] <= length <= ranges.wave_length[1] * 1.0001 for length in lengths)
    height, width = content_size(drawn[:4], shared, (64, 64))
    captures = render(torch.rand(4, 3, height, width), drawn[:4], shared, (64, 64))
    assert captures.moire.shape == (4, 3, 64, 64) and bool(torch.isfinite(captures.moire).all())


def test_the_target_is_sharpened_as_asked() -> None:
    content = torch.zeros(1, 3, 400, 400)
    content[..., 200:] = 1

    def edge(target_sharpening: float | None) -> torch.Tensor:
        isp = IspParameters(sharpening=1.0)
        if target_sharpening is not None:
            isp = replace(isp, target_sharpening=target_sharpening)
        parameters = [replace(reduced(replace(GRID, contrast=0.0)), isp=isp)]
        return render(content, parameters, DeliveryParameters(), (64, 64)).clean[0].mean((0, 1))

    halo = {gain: float(edge(gain).max() - edge(gain)[-8]) for gain in (None, 1.0, 0.4, 0.0)}
    assert halo[None] == halo[1.0] > 0.03
    assert halo[0.0] == pytest.approx(0.0, abs=1e-3) and halo[0.4] < halo[1.0]
