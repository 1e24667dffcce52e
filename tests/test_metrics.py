"""Metrics against closed forms, and against the same definitions computed independently with SciPy and scikit-image."""

import math

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, uniform_filter
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from demoire import metrics
from demoire.errors import DataError
from tests.pictures import photo, screen, to_bytes


def reference_fit(image, clean):
    """The photometric fit, written down term by term."""

    def terms(picture):
        height, width = picture.shape[:2]
        y, x = np.mgrid[:height, :width].astype(np.float32)
        y, x = y / height - 0.5, x / width - 0.5
        r, g, b = (picture[..., i] for i in range(3))
        one = np.ones_like(r)
        tone = [one, r, g, b, r * r, g * g, b * b, r * g, g * b, r * b, r**3, g**3, b**3]
        return np.stack(tone + [p * c for p in (x, y, x * x, y * y, x * y) for c in (one, r, g, b)], -1)

    a = terms(gaussian_filter(image, (4, 4, 0)))[::4, ::4].reshape(-1, 33)
    b = gaussian_filter(clean, (4, 4, 0))[::4, ::4].reshape(-1, 3)
    return np.clip(terms(image) @ np.linalg.lstsq(a, b, rcond=None)[0], 0, 1).astype(np.float32)


def reference_bands(image, clean):
    mean = uniform_filter(clean, (24, 24, 0))
    variance = uniform_filter(clean * clean, (24, 24, 0)) - mean * mean
    flat = np.sqrt(np.maximum(variance, 0)).max(-1) < 2.5 / 255
    if flat.mean() < 0.02:
        return float("nan")
    a, b = ((gaussian_filter(p, (1, 1, 0)) - gaussian_filter(p, (10, 10, 0)))[flat] for p in (image, clean))
    rest = a - b @ np.linalg.lstsq(b, a, rcond=None)[0]
    return float(np.sqrt((rest * rest).mean()) * 255)


def compute(image, clean):
    comparison = metrics.Comparison(image, metrics.Reference(clean))
    return {name: metric.function(comparison) for name, metric in metrics.METRICS.items()}


def grey(picture):
    return np.repeat(picture[..., 1:2], 3, -1)


CASES = {
    "photo": lambda: (photo(screen()), screen()),
    "odd size": lambda: (photo(screen(101, 131)), screen(101, 131)),
    "grey": lambda: (grey(photo(screen())), grey(screen())),
    "black photo": lambda: (np.zeros((64, 80, 3), np.uint8), screen(64, 80)),
}


@pytest.mark.parametrize("case", CASES)
def test_agrees_with_an_independent_computation(case):
    image, clean = CASES[case]()
    a, b = (p.astype(np.float32) / 255 for p in (image, clean))
    fitted = reference_fit(a, b)
    found = compute(image, clean)
    assert found["raw"] == pytest.approx(peak_signal_noise_ratio(b, a, data_range=1), abs=1e-3)
    assert found["fitted"] == pytest.approx(peak_signal_noise_ratio(b, fitted, data_range=1), abs=2e-3)
    ssim = structural_similarity(fitted, b, channel_axis=2, data_range=1)
    assert found["ssim"] == pytest.approx(ssim, abs=1e-4)
    assert found["bands_left"] == pytest.approx(reference_bands(a, b), abs=1e-3)


def test_psnr_of_a_constant_offset():
    clean = np.full((20, 30, 3), 100, np.uint8)
    assert compute(clean + 5, clean)["raw"] == pytest.approx(20 * math.log10(255 / 5), abs=1e-4)


def test_identical_pictures_are_infinitely_close():
    found = compute(screen(), screen())
    assert found["raw"] == math.inf
    assert found["bands_left"] == pytest.approx(0, abs=1e-3)


def test_the_fit_undoes_tone_and_vignetting_but_not_bands():
    clean = screen()
    width = clean.shape[1]
    x = (np.arange(width) / width - 0.5)[None, :, None]
    toned = to_bytes((clean / 255 * 0.6 + 0.1) / (1 + 0.3 * x))
    banded = to_bytes(toned / 255 + 0.04 * np.sin(2 * np.pi * np.arange(width) / 9)[None, :, None])
    assert compute(toned, clean)["raw"] < 18
    assert compute(toned, clean)["fitted"] > 44
    assert compute(banded, clean)["fitted"] < 30


@pytest.mark.parametrize("period", [6, 16, 32])
def test_bands_of_a_cosine_on_a_flat_field(period):
    """A cosine that the mirrored border continues passes the two blurs with their Gaussian transfer functions."""
    amplitude, width = 20 / 255, 192
    x = np.arange(width) + 0.5
    clean = np.full((40, width, 3), 0.5)
    stripes = amplitude * np.cos(2 * np.pi * x / period)
    image = metrics.to_float(to_bytes(clean + stripes[None, :, None]))
    gain = math.exp(-2 * (math.pi / period) ** 2) - math.exp(-200 * (math.pi / period) ** 2)
    reference = metrics.Reference(to_bytes(clean))
    found = metrics.bands_left(metrics.Comparison(metrics.to_bytes(image), reference))
    assert found == pytest.approx(255 * amplitude * gain / math.sqrt(2), rel=0.02)


def test_half_the_amplitude_is_six_decibels():
    clean = screen()
    strong, weak = (compute(photo(clean, bands), clean)["bands_left"] for bands in (0.08, 0.04))
    assert metrics.bands_removed(strong, weak) == pytest.approx(6.02, abs=0.25)


def test_bands_do_not_count_what_the_truth_shows():
    clean = to_bytes(0.5 + 0.006 * np.cos(2 * np.pi * np.arange(192) / 16)[None, :, None] * np.ones((64, 1, 3)))
    stronger = to_bytes((clean / 255 - 0.5) * 3 + 0.4)
    assert compute(stronger, clean)["bands_left"] < 0.6
    assert compute(photo(clean), clean)["bands_left"] > 3


def test_bands_need_flat_areas():
    busy = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    assert math.isnan(compute(busy, busy)["bands_left"])
    assert math.isnan(metrics.bands_removed(math.nan, math.nan))


def test_other_sizes_and_kinds_are_refused_with_both_named():
    reference = metrics.Reference(screen(40, 60))
    with pytest.raises(DataError, match=r"64x40.*60x40"):
        metrics.Comparison(screen(40, 64), reference)
    with pytest.raises(DataError, match="8-bit RGB"):
        metrics.Reference(np.zeros((40, 60), np.uint8))
    with pytest.raises(DataError, match="8-bit RGB"):
        metrics.Reference(np.zeros((40, 60, 3), np.uint16))
    with pytest.raises(DataError, match="too small"):
        metrics.Reference(np.zeros((6, 60, 3), np.uint8))


def test_every_metric_states_its_direction():
    better, worse = photo(screen(), bands=0.01), photo(screen(), bands=0.1)
    good, bad = compute(better, screen()), compute(worse, screen())
    for name, metric in metrics.METRICS.items():
        assert (good[name] > bad[name]) is metric.higher_is_better, name
        assert metric.function.__doc__


def test_blur_is_seen_without_the_reference():
    blurred = metrics.WITHOUT_REFERENCE["blur"]
    picture, other = screen(), np.zeros_like(screen())

    def of(image, clean=picture):
        return blurred.function(metrics.Comparison(image, metrics.Reference(clean)))

    softer = [of(to_bytes(gaussian_filter(picture / 255, (sigma, sigma, 0)))) for sigma in (0.5, 1, 2, 4)]
    assert softer == sorted(softer) and of(picture) < softer[0] and 0 < of(picture) < softer[-1] < 1
    assert of(picture, other) == of(picture) and not blurred.higher_is_better
    assert of(other) == 1


def test_scoring_leaves_the_picture_alone():
    image, clean = photo(screen()), screen()
    kept = image.copy(), clean.copy()
    compute(image, clean)
    assert (image == kept[0]).all() and (clean == kept[1]).all()


def test_a_fit_that_makes_things_worse_is_not_taken():
    y, x = np.mgrid[:203, :307]
    clean = np.repeat(np.where((y % 16 < 5) & (x % 9 < 6) & (x > 30), 40, 225)[..., None], 3, 2).astype(np.uint8)
    clean[40:80, 60:140] = (180, 60, 40)
    moire = np.clip(clean + 10.0 * np.sin(x / 3.1)[..., None], 0, 255).astype(np.uint8)
    comparison = metrics.Comparison(moire, metrics.Reference(clean))
    assert metrics.METRICS["fitted"].function(comparison) >= metrics.METRICS["raw"].function(comparison) > 20
    assert metrics.METRICS["ssim"].function(comparison) > 0
