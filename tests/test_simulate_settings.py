"""Captures by hand: settings survive a link, mean what they say, and refuse nonsense."""

import math
import subprocess
import sys

import numpy as np
import pytest
import torch

from demoire.errors import DataError
from demoire.simulate.drawing import draw_capture, draw_delivery, draw_scale
from demoire.simulate.picture import photograph, take
from demoire.simulate.settings import LAYOUTS, ONLY_SCREENS, RANGES, ShotSettings, parameters_of, surprise

SEEDS = range(40)


@pytest.mark.parametrize("seed", SEEDS)
def test_settings_survive_a_link(seed: int) -> None:
    settings = surprise(seed)
    assert ShotSettings.read(settings.code()) == settings
    for name, (low, high, _) in RANGES.items():
        assert low <= getattr(settings, name) <= high


@pytest.mark.parametrize("seed", SEEDS)
def test_a_surprise_is_what_training_draws(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shared, scale = draw_delivery(ONLY_SCREENS, rng), draw_scale(ONLY_SCREENS, rng)
    drawn = draw_capture(ONLY_SCREENS, rng, scale)
    parameters, delivery = parameters_of(surprise(seed))
    assert parameters.display == drawn.display and parameters.isp == drawn.isp
    assert parameters.noise_seed == drawn.noise_seed and parameters.sensor.cfa == drawn.sensor.cfa
    assert parameters.geometry.scale == pytest.approx(drawn.geometry.scale, abs=0.006)
    assert math.degrees(parameters.geometry.rotation) == pytest.approx(math.degrees(drawn.geometry.rotation), abs=0.26)
    tilt = np.multiply(drawn.geometry.perspective, drawn.geometry.radius)
    assert np.multiply(parameters.geometry.perspective, drawn.geometry.radius) == pytest.approx(tilt, abs=0.002)
    assert parameters.optics.sigma == pytest.approx(drawn.optics.sigma, abs=0.026)
    assert parameters.sensor.photons**-0.5 == pytest.approx(drawn.sensor.photons**-0.5, abs=0.0017)
    assert delivery.resizer == shared.resizer


def test_settings_mean_what_they_say() -> None:
    settings = ShotSettings("diamond", scale=2.0, angle=30, perspective=10, blur=1, noise=0, jpeg=100, reduction=2)
    parameters, shared = parameters_of(settings)
    assert parameters.display.layout == "diamond" and parameters.kind == "screen"
    assert parameters.geometry.rotation == pytest.approx(math.pi / 6) and parameters.geometry.scale == 2
    assert parameters.sensor.photons == parameters.sensor.read_noise == 0
    assert parameters.jpeg.qualities == () and shared.reduction == (2, 2)
    assert parameters_of(ShotSettings(noise=100))[0].sensor.photons == 250
    assert parameters_of(ShotSettings(jpeg=70))[0].jpeg.qualities == (70,)


def test_the_same_settings_make_the_same_capture() -> None:
    torch.set_num_threads(1)
    clean = np.random.default_rng(1).integers(0, 256, (40, 60, 3)).astype(np.uint8)
    cpu = torch.device("cpu")
    parameters, shared = parameters_of(ShotSettings(seed=4))
    one, two = (take(clean, parameters, shared, cpu, 48).captures.moire for _ in range(2))
    other = take(clean, *parameters_of(ShotSettings(seed=5)), cpu, 48).captures.moire
    assert torch.equal(one, two) and not torch.equal(one, other)
    drawn = photograph(clean, ONLY_SCREENS, np.random.default_rng(3), cpu, 48)
    assert torch.equal(take(clean, drawn.parameters, drawn.delivery, cpu, 48).captures.moire, drawn.captures.moire)


BAD = ("", "stripe", "nothing_1_1_1_1_1_90_1_1", "stripe_1_1_1_1_1_90_1_x", "stripe_nan_1_1_1_1_90_1_1",
       "stripe_99_1_1_1_1_90_1_1", "stripe_1_1_1_1_1_90_1_inf", "stripe_1_1_1_1_1_90_1_1_1", "_" * 30)  # fmt: skip


@pytest.mark.parametrize("code", BAD)
def test_what_is_no_settings_is_refused(code: str) -> None:
    with pytest.raises(DataError):
        ShotSettings.read(code)


def test_wrong_values_are_refused() -> None:
    for wrong in ({"layout": "x"}, {"scale": None}, {"noise": True}, {"angle": "3"}, {"blur": 0}):
        with pytest.raises(DataError):
            ShotSettings(**wrong)  # type: ignore[arg-type]
    assert set(LAYOUTS) == {"stripe", "stripe_split", "chevron", "diamond", "pentile"}


def test_the_page_may_know_the_settings_without_torch() -> None:
    code = "import sys, demoire.ui.simulate_tab; sys.exit('torch' in sys.modules or 'scipy' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
