"""Several photos of one screen into one: against a mean that is known, and against one photo alone."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pictures import screen

from demoire.burst import ALONE, LEFT_OUT, Burst, restore_burst
from demoire.entries import REMEMBERING
from demoire.errors import CancelledError, DemoireError, MemoryShortError, PictureError, WeightsError
from demoire.images import decode
from demoire.loading import ModelCache
from demoire.models import architectures, build_model
from demoire.picture import Picture, Samples
from demoire.restore import Restored, RestoreOptions, TileDone, restore
from tests.tiny import TINY_FIELDS, TINY_NEEDS, write_model, write_recurrent

OPTIONS = RestoreOptions(model="rnn", device="cpu")
HEIGHT, WIDTH = 130, 170


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def models(weights: Path) -> ModelCache:
    """The tiny models and "rnn", which is untrained: the running mean of what is aligned."""
    write_recurrent(weights)
    return ModelCache(weights)


def shot(number: int, noise: float = 0.0, seed: int = 4) -> Samples:
    """The screen from another place each time, with other noise."""
    down, right = 12 + 5 * number % 11, 12 + 3 * number % 7
    view = screen(HEIGHT + 24, WIDTH + 24, seed)[down : down + HEIGHT, right : right + WIDTH]
    grain = noise * np.random.default_rng(100 + number).normal(size=view.shape)
    return np.clip(np.rint(view + grain), 0, 255).astype(np.uint8)


def other_screen() -> Samples:
    """Another thing of the same size."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    rings = 128 + 90 * np.sin(np.hypot(x - 40, y - 90) / 5)
    return np.repeat(rings.astype(np.uint8)[..., None], 3, axis=2)


def burst_of(chosen: Samples | Picture, *others: Samples | Picture) -> Burst:
    first, *rest = (photo if isinstance(photo, Picture) else Picture(photo) for photo in (chosen, *others))
    return Burst(first, tuple((lambda photo=photo: photo) for photo in rest))


def merged(models: ModelCache, burst: Burst, options: RestoreOptions = OPTIONS) -> Restored:
    *_, result = restore_burst(burst, options, models)
    assert isinstance(result, Restored)
    return result


def alone(models: ModelCache, photo: Samples | Picture) -> Restored:
    *_, result = restore(photo if isinstance(photo, Picture) else Picture(photo), OPTIONS, models)
    assert isinstance(result, Restored)
    return result


def error(one: NDArray[np.generic], other: NDArray[np.generic]) -> float:
    """RMS of the difference, away from the edges that not every photo shows."""
    inside = np.index_exp[16:-16, 16:-16]
    return float(np.sqrt(np.mean((one[inside].astype(float) - other[inside]) ** 2)))


def test_the_catalogue_knows_which_architectures_remember() -> None:
    with torch.device("meta"):
        built = {name: build_model(name) for name in architectures()}
    able = [name for name, module in built.items() if all(hasattr(module, part) for part in ("start", "align", "fuse"))]
    assert sorted(able) == sorted(REMEMBERING)


def test_identical_photos_give_what_one_gives(models: ModelCache) -> None:
    photo = shot(0, noise=6)
    result = merged(models, burst_of(photo, photo, photo, photo))
    single = alone(models, photo)
    assert np.abs(result.picture.pixels.astype(int) - single.picture.pixels).max() <= 1
    assert (result.photos, single.photos, result.notices) == (4, 1, ())


def test_noise_falls_as_the_mean_of_all_photos_says(models: ModelCache) -> None:
    photos = [shot(number, noise=12) for number in range(6)]
    result = merged(models, burst_of(photos[5], *photos[:5]))
    assert result.photos == 6
    single = error(photos[5], shot(5))
    assert error(result.picture.pixels, shot(5)) < 1.25 * single / np.sqrt(6)


def test_the_result_lies_where_the_chosen_photo_does(models: ModelCache) -> None:
    photos = [shot(number, noise=3) for number in range(3)]
    for chosen in range(3):
        others = [photo for number, photo in enumerate(photos) if number != chosen]
        result = merged(models, burst_of(photos[chosen], *others)).picture.pixels
        errors = [error(result, shot(number)) for number in range(3)]
        assert errors.index(min(errors)) == chosen and min(errors) < 3


def test_the_order_of_the_others_counts_little_and_the_chosen_one_comes_last(models: ModelCache) -> None:
    photos = [shot(number, noise=6) for number in range(4)]
    one = merged(models, burst_of(photos[0], *photos[1:])).picture.pixels
    other = merged(models, burst_of(photos[0], *reversed(photos[1:]))).picture.pixels
    assert 0 < error(one, other) < 2


def test_what_shows_something_else_leaves_no_trace(models: ModelCache) -> None:
    chosen, near, far = shot(0, 6), shot(1, 6), shot(2, 6)
    result = merged(models, burst_of(chosen, other_screen()))
    assert np.array_equal(result.picture.pixels, alone(models, chosen).picture.pixels)
    assert (result.photos, result.notices) == (1, (ALONE,))
    result = merged(models, burst_of(chosen, near, other_screen(), far))
    assert np.array_equal(result.picture.pixels, merged(models, burst_of(chosen, near, far)).picture.pixels)
    assert (result.photos, result.notices) == (3, (LEFT_OUT,))


def test_other_sizes_and_profiles_are_left_out(models: ModelCache) -> None:
    chosen = shot(0, 6)
    odd = [Picture(shot(1)[:-2]), Picture(shot(2), icc=b"another"), Picture(np.rot90(shot(3)).copy())]
    result = merged(models, burst_of(chosen, *odd))
    assert (result.photos, result.notices, result.tiles) == (1, (ALONE,), 2)
    assert merged(models, burst_of(chosen, shot(1, 6), *odd)).notices == (LEFT_OUT,)


def test_everything_of_the_chosen_photo_is_kept(models: ModelCache) -> None:
    deep = shot(0).astype(np.uint16) * 256 + 3
    alpha = np.full((HEIGHT, WIDTH), 40000, np.uint16)
    chosen = Picture(deep, alpha=alpha, icc=b"profile", exif=b"exif", dpi=(72, 72), kind="tiff", name="a.tif")
    other = Picture(shot(0), icc=b"profile", name="b.jpg", kind="jpeg")
    picture = merged(models, burst_of(chosen, other)).picture
    assert replace(picture, pixels=chosen.pixels) == chosen and picture.alpha is alpha
    assert picture.pixels.dtype == np.uint16
    assert np.abs(picture.pixels.astype(int) - deep).max() < 257
    grey = Picture(np.repeat(shot(0, 6)[..., :1], 3, axis=2), grey=True)
    pixels = merged(models, burst_of(grey, Picture(shot(1, 6)))).picture.pixels
    assert (pixels == pixels[..., :1]).all()


def test_tiles_show_the_photo_alone_and_then_the_whole(models: ModelCache) -> None:
    photos = [shot(number, 6) for number in range(3)]
    options = replace(OPTIONS, tile=1)
    events = list(restore_burst(burst_of(*photos), options, models))
    result, tiles = events[-1], [event for event in events if isinstance(event, TileDone)]
    assert isinstance(result, Restored)
    shown = [tile for tile in tiles if tile.box[2]]
    assert len(shown) == 2 * len(tiles) / 6 and [tile.index for tile in tiles] == list(range(1, len(tiles) + 1))
    assert (tiles[-1].index, tiles[-1].share, tiles[-1].seconds_left) == (tiles[-1].total, 1, 0)
    assert all(one.share < other.share for one, other in pairwise(tiles))
    assert not any(tile.pixels.size for tile in tiles if tile not in shown) and result.tiles == len(tiles)
    covered = np.zeros((HEIGHT, WIDTH), int)
    for tile in shown:
        top, left, bottom, right = tile.box
        covered[top:bottom, left:right] += 1
        assert tile.pixels.shape == (bottom - top, right - left, 3) and not tile.pixels.flags.writeable
    assert (covered == 2).all()


def test_tiles_equal_the_whole(weights: Path) -> None:
    write_recurrent(weights, noise=0.02)
    models = ModelCache(weights)
    burst = burst_of(*(shot(number, 6) for number in range(3)))
    whole, tiled = merged(models, burst), merged(models, burst, replace(OPTIONS, tile=1))
    assert tiled.tiles > whole.tiles == 6
    assert np.abs(whole.picture.pixels.astype(int) - tiled.picture.pixels).max() <= 1


def test_it_ends_early_when_asked_or_when_the_time_is_over(models: ModelCache) -> None:
    burst = burst_of(shot(0), shot(1))
    asked: list[int] = []
    with pytest.raises(CancelledError, match="was cancelled"):
        list(restore_burst(burst, OPTIONS, models, lambda: len(asked) > 30 or asked.append(1) is not None))
    with pytest.raises(CancelledError, match=r"time limit of 0\.001 s"):
        list(restore_burst(burst, replace(OPTIONS, deadline=0.001), models))
    events = restore_burst(burst, OPTIONS, models)
    assert isinstance(next(events), TileDone)
    events.close()


def broken(path: Path) -> Callable[[], Picture]:
    path.write_bytes(b"no picture")
    return lambda: decode(path)


def test_what_cannot_be_is_refused_in_a_sentence(
    models: ModelCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    still = tmp_path / "still"
    write_model(still, "tiny", build_model("unet", **TINY_FIELDS).state_dict(), TINY_NEEDS)
    with pytest.raises(WeightsError, match=r"'tiny' sees one photo at a time; choose one that takes several: rnn\.$"):
        merged(models, burst_of(shot(0), shot(1)), replace(OPTIONS, model="tiny"))
    with pytest.raises(WeightsError, match=r"; restore the photos one by one\.$"):
        merged(ModelCache(still), burst_of(shot(0), shot(1)), replace(OPTIONS, model="tiny"))
    for count in (1, 11):
        with pytest.raises(DemoireError, match=f"has 2 to 10 photos, not {count};"):
            burst_of(*[shot(0)] * count)
    with pytest.raises(PictureError, match="broken"):
        merged(models, Burst(Picture(shot(0)), (broken(tmp_path / "broken.jpg"),)))
    monkeypatch.setattr("demoire.clips.merging.memory_budget", lambda *_, **__: 1 << 20)
    with pytest.raises(MemoryShortError, match=r"several photos of 0\.0 megapixels; reduce them"):
        merged(models, burst_of(shot(0), shot(1)))
