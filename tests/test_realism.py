"""Spectra of moire: closed forms, and the report of real beside simulated pictures."""

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from demoire.cli import main
from demoire.realism import SIGMAS, Spectrum, moire_spectrum, spread_of


def blocks(side: int = 480) -> np.ndarray:
    """Flat squares of many colours, so that the photometric fit cannot take waves for a change of tone."""
    colours = np.random.default_rng(0).integers(40, 216, (8, 8, 3), np.uint8)
    return colours.repeat(side // 8, 0).repeat(side // 8, 1)


def waves(period: float, amplitude: tuple[float, float, float], side: int = 480) -> np.ndarray:
    wave = np.sin(2 * math.pi * np.arange(side) / period)[None, :, None] * np.array(amplitude)
    return (blocks(side) + wave).round().astype(np.uint8)


@pytest.mark.parametrize("period", [4.0, 8.0, 16.0])
def test_a_sine_is_found_at_its_scale_with_its_strength(period: float) -> None:
    found = moire_spectrum(waves(period, (20, 20, 20)), blocks())
    assert found is not None
    expected = np.diff([0, *(20 / math.sqrt(2) * (1 - math.exp(-2 * (math.pi * s / period) ** 2)) for s in SIGMAS)])
    strongest = int(found.luma.argmax())
    # A Gaussian passes half of the amplitude of a sine of 5.3 sigma.
    assert 0.5 < SIGMAS[strongest] * 5.3 / period < 2
    assert found.luma[strongest] == pytest.approx(expected[strongest], rel=0.2)
    assert found.chroma.max() < 0.05 * found.luma.max()


def test_bands_of_colour_are_chroma() -> None:
    found = moire_spectrum(waves(12, (20, -20 * 0.299 / 0.587, 0)), blocks())
    assert found is not None
    assert found.luma.max() < 0.1 * found.chroma.max()


def test_no_moire_is_nothing_and_no_flat_area_no_answer() -> None:
    found = moire_spectrum(blocks(), blocks())
    assert found is not None
    assert found.luma.max() == pytest.approx(0, abs=1e-3)
    busy = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    assert moire_spectrum(busy, busy) is None


def test_spread_is_percentiles_band_by_band() -> None:
    spectra = [Spectrum(np.full(2, float(i)), np.full(2, 2.0 * i)) for i in range(5)]
    spread = spread_of(spectra)
    assert spread.pictures == 5
    assert spread.luma[1].tolist() == [2, 2]
    assert spread.chroma[2].tolist() == [6, 6]


def test_report_needs_pairs_and_content(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--report", str(tmp_path / "r.png")]) == 1
    assert "--pairs" in capsys.readouterr().err
    assert main(["simulate"]) == 1
    assert "--report" in capsys.readouterr().err


def test_report_draws_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pictures, store = tmp_path / "photos", tmp_path / "store"
    for folder in ("moire", "clean"):
        (tmp_path / "pairs" / folder).mkdir(parents=True)
    pictures.mkdir()
    for number in range(4):
        Image.new("RGB", (700, 700), (200, 210 + number, 220)).save(pictures / f"{number}.png")
    Image.fromarray(waves(12, (20, 20, 20))).save(tmp_path / "pairs" / "moire" / "1.png")
    Image.fromarray(blocks()).save(tmp_path / "pairs" / "clean" / "1.png")
    prepare = ["prepare", "--content", str(pictures), "-o", str(store), "--pages", "0", "--licence", "CC0-1.0"]
    assert main([*prepare, "--workers", "1"]) == 0
    report = ["simulate", "--report", str(tmp_path / "r.png"), "--pairs", str(tmp_path / "pairs")]
    assert main([*report, "--content", str(store), "--count", "1"]) == 0
    printed = capsys.readouterr().out
    assert "real      luma" in printed
    assert "simulated chroma" in printed
    with Image.open(tmp_path / "r.png") as image:
        assert image.size == (1200, 500)
