"""The discriminator over whole pictures: patches by a second way of computing them, samples of large ones."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from demoire import look
from demoire.errors import CancelledError, UnknownNameError, WeightsError
from demoire.judge import judge
from demoire.loading import ModelCache, load_model
from demoire.models.discriminator import Discriminator, probability
from demoire.picture import Picture
from demoire.stop import Stop
from demoire.tiling import Grid
from tests.tiny import padded, write_discriminator


@pytest.fixture
def models(tmp_path: Path) -> ModelCache:
    write_discriminator(tmp_path)
    return ModelCache(weights=tmp_path)


def noise(height: int, width: int, seed: int = 0) -> Picture:
    return Picture(np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8))


@pytest.mark.parametrize("size", [(61, 100), (96, 64)])
def test_patches_and_probability_are_the_networks_own(models: ModelCache, size: tuple[int, int]) -> None:
    photo, restored = noise(*size), noise(*size, seed=1)
    found = judge(restored, photo, models)
    loaded = models.get("discriminator")
    network, cell = loaded.module, loaded.needs.size_multiple
    assert isinstance(network, Discriminator)
    with torch.inference_mode():
        logits = network(padded(restored.pixels, cell), padded(photo.pixels, cell))
    assert found.cell == cell
    assert found.patches.shape == tuple(math.ceil(side / cell) for side in size)
    np.testing.assert_allclose(found.patches, torch.sigmoid(logits)[0, 0].numpy(), atol=1e-5)
    assert found.probability == pytest.approx(float(probability(logits)), abs=1e-5)
    assert found.probability != pytest.approx(judge(photo, restored, models).probability, abs=1e-4), "no symmetry"


def test_windows_give_the_patches_of_the_whole(models: ModelCache, monkeypatch: pytest.MonkeyPatch) -> None:
    photo, restored = noise(64, 700), noise(64, 700, seed=1)
    whole = judge(restored, photo, models)
    monkeypatch.setattr(look, "largest_area", lambda *_: 64 * 256)
    np.testing.assert_allclose(judge(restored, photo, models).patches, whole.patches, atol=1e-5)


def test_large_pictures_are_judged_by_samples_of_their_own_scale(
    models: ModelCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo, restored = noise(1000, 1400), noise(1000, 1400, seed=1)
    whole = judge(restored, photo, models)
    monkeypatch.setattr(look, "MOST_APPRAISED", 500_000)
    sampled = judge(restored, photo, models)
    seen = np.isfinite(sampled.patches)
    assert sampled.patches.shape == whole.patches.shape
    assert 0.2 < seen.mean() <= 500_000 / 1_400_000
    halves = [seen[:31], seen[31:], seen[:, :44], seen[:, 44:]]
    assert max(half.mean() for half in halves) < 1.5 * min(half.mean() for half in halves), "spread evenly"
    inner = seen & np.roll(seen, 4, 0) & np.roll(seen, -4, 0) & np.roll(seen, 4, 1) & np.roll(seen, -4, 1)
    assert inner.any()
    np.testing.assert_allclose(sampled.patches[inner], whole.patches[inner], atol=1e-5)
    assert sampled.probability == pytest.approx(whole.probability, abs=0.02)


@pytest.mark.parametrize(
    "size", [(3000, 4000), (4000, 3000), (120, 60_000), (60_000, 120), (8000, 12_500), (2237, 2236)]
)
def test_samples_lie_in_the_picture_apart_from_each_other(size: tuple[int, int]) -> None:
    grid = Grid(*size, 16)
    taken = np.zeros([side // 16 for side in grid.padded], int)
    windows = list(look._squares(grid, 256, look.MOST_APPRAISED))
    for window in windows:
        assert all(edge % 16 == 0 for edge in window.core)
        top, left, bottom, right = (edge // 16 for edge in window.core)
        assert min(top, left) >= 0 and bottom <= taken.shape[0] and right <= taken.shape[1]
        taken[top:bottom, left:right] += 1
    assert taken.max() == 1
    assert 0.5 * look.MOST_APPRAISED < sum(window.area for window in windows) <= look.MOST_APPRAISED


def test_sixteen_bits_are_judged_like_eight(models: ModelCache) -> None:
    pictures = [noise(40, 60, seed) for seed in (1, 0)]
    deep = [replace(picture, pixels=picture.pixels.astype(np.uint16) * 257) for picture in pictures]
    assert judge(*deep, models).probability == pytest.approx(judge(*pictures, models).probability, abs=1e-5)


def test_cancelling_ends_it(models: ModelCache) -> None:
    asked: list[int] = []

    def cancelled() -> bool:
        asked.append(1)
        return len(asked) > 3

    with pytest.raises(CancelledError):
        judge(noise(64, 64), noise(64, 64), models, cancelled)
    assert len(asked) == 4


def test_other_models_are_refused(weights: Path) -> None:
    pixels = noise(16, 16).pixels
    with pytest.raises(WeightsError, match="does not judge"):
        look.appraise(load_model("tiny", weights=weights), pixels, pixels, Stop())
    with pytest.raises(UnknownNameError):
        judge(noise(16, 16), noise(16, 16), ModelCache(weights=weights))
