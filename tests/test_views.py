"""What the browser is shown are the picture's own pixels."""

import io
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from demoire.picture import Picture
from demoire.ui.views import SIDE, View, Views


def noise(height: int, width: int, channels: int = 3, dtype: type = np.uint8) -> NDArray[np.unsignedinteger]:
    shape = (height, width, channels) if channels > 1 else (height, width)
    return np.random.default_rng(height + width).integers(0, np.iinfo(dtype).max + 1, shape, dtype)


def level(views: Views, view: View, index: int) -> NDArray[np.uint8]:
    """A level of a view put together from its tiles."""
    rows = []
    for row in range(99):
        tiles = []
        while (png := views.tile(view.token, index, row, len(tiles))) is not None:
            tiles.append(np.asarray(Image.open(io.BytesIO(png))))
        if not tiles:
            break
        rows.append(np.hstack(tiles))
    return np.vstack(rows)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (SIDE, SIDE), (SIDE + 1, 3), (700, 1301)])
def test_the_first_level_is_the_picture(tmp_path: Path, height: int, width: int) -> None:
    pixels = noise(height, width)
    views = Views()
    view = views.add(Picture(pixels), tmp_path)
    assert (view.height, view.width) == (height, width)
    np.testing.assert_array_equal(level(views, view, 0), pixels)


def test_further_levels_are_averages_and_the_last_is_one_tile(tmp_path: Path) -> None:
    pixels = noise(1100, 2051)
    views = Views()
    view = views.add(Picture(pixels), tmp_path)
    assert view.levels == 4
    half = level(views, view, 1)
    assert half.shape == (550, 1026, 3)
    oracle = pixels[:, :2050].reshape(550, 2, 1025, 2, 3).mean((1, 3))
    assert np.abs(half[:, :1025] - oracle).max() <= 0.5
    assert max(level(views, view, 3).shape) <= SIDE
    assert views.tile(view.token, 3, 0, 1) is None


def test_16_bits_show_their_upper_8(tmp_path: Path) -> None:
    pixels = noise(20, 30, dtype=np.uint16)
    views = Views()
    view = views.add(Picture(pixels), tmp_path)
    np.testing.assert_array_equal(level(views, view, 0), pixels >> 8)


def test_transparency_is_shown(tmp_path: Path) -> None:
    pixels, alpha = noise(20, 30), noise(20, 30, channels=1)
    views = Views()
    shown = level(views, views.add(Picture(pixels, alpha=alpha), tmp_path), 0)
    np.testing.assert_array_equal(shown, np.dstack((pixels, alpha)))


def test_the_profile_goes_along(tmp_path: Path) -> None:
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    views = Views()
    view = views.add(Picture(noise(8, 8), icc=icc), tmp_path)
    png = views.tile(view.token, 0, 0, 0)
    assert png is not None
    assert Image.open(io.BytesIO(png)).info["icc_profile"] == icc


def test_unknown_and_removed_views_have_no_tiles(tmp_path: Path) -> None:
    views = Views()
    view = views.add(Picture(noise(8, 8)), tmp_path)
    assert len(view.token) >= 22  # 128 bits
    for token, place in (
        ("../" + view.token, (0, 0, 0)),
        ("", (0, 0, 0)),
        (view.token, (9, 0, 0)),
        (view.token, (0, -1, 0)),
    ):
        assert views.tile(token, *place) is None
    views.remove(view)
    assert views.tile(view.token, 0, 0, 0) is None
    assert list(tmp_path.iterdir()) == []


def test_a_closed_folder_takes_nothing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Views().add(Picture(noise(8, 8)), tmp_path / "gone")


def test_parts_in_any_order_make_the_same_levels_as_the_whole(tmp_path: Path) -> None:
    pixels = noise(1101, 1333)
    views = Views()
    whole = views.add(Picture(pixels), tmp_path)
    grown = views.begin(Picture(pixels), tmp_path)
    assert views.tile(grown.token, 0, 0, 0) is not None  # black so far
    rows, columns = (0, 333, 640, 1101), (0, 7, 1000, 1333)
    boxes = [(top, left, bottom, right) for top, bottom in pairwise(rows) for left, right in pairwise(columns)]
    for top, left, bottom, right in reversed(boxes):
        views.put(grown, (top, left, bottom, right), pixels[top:bottom, left:right])
    assert grown.levels == whole.levels == 3
    for index in range(whole.levels):
        np.testing.assert_array_equal(grown.level(index), whole.level(index))
