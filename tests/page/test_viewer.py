"""The panes show the picture's own pixels, exactly; mouse and keyboard move them together."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from visitors import DESKTOP, PHONE, Invite, Visitor

pytestmark = pytest.mark.browser

SETTLED = """(wanted) => {
  const viewer = document.querySelector(".viewer");
  const pane = viewer.querySelector(".pane.before");
  return pane.dataset.origin && pane.dataset.zoom === wanted && performance.getEntriesByType("resource")
    .filter((entry) => entry.name.includes("/views/")).every((entry) => entry.responseEnd > 0);
}"""


def origin(visitor: Visitor) -> tuple[int, int]:
    left, top = (visitor.page.get_attribute(".pane.before", "data-origin") or "").split(",")
    return int(left), int(top)


def moved(visitor: Visitor, start: tuple[int, int]) -> tuple[int, int]:
    """Where the panes are once they have left ``start``."""
    visitor.page.wait_for_function(
        "start => document.querySelector('.pane.before').dataset.origin !== start", arg=f"{start[0]},{start[1]}"
    )
    return origin(visitor)


def canvas(visitor: Visitor, pane: str) -> NDArray[np.uint8]:
    """The screen pixels of a pane."""
    address = visitor.page.evaluate("name => document.querySelector(name).toDataURL()", pane)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))))


def expected(picture: NDArray[np.uint8], left: int, top: int, shape: tuple[int, ...], zoom: int) -> NDArray[np.uint8]:
    """What a pane of ``shape`` shows: the picture from (left, top), each pixel ``zoom`` times; else nothing."""
    height, width = shape[:2]
    rows, columns = np.arange(height) // zoom + top, np.arange(width) // zoom + left
    inside = np.ix_(*(((index >= 0) & (index < n)) for index, n in zip((rows, columns), picture.shape, strict=False)))
    result = np.zeros((height, width, 4), np.uint8)
    part = picture[np.ix_(np.clip(rows, 0, picture.shape[0] - 1), np.clip(columns, 0, picture.shape[1] - 1))]
    result[inside] = np.dstack((part, np.full(part.shape[:2], 255, np.uint8)))[inside]
    return result


@pytest.mark.parametrize("screen", [DESKTOP, PHONE, {**DESKTOP, "device_scale_factor": 1.5}], ids=["1x", "2x", "1.5x"])
def test_at_100_percent_a_screen_pixel_is_a_pixel_of_the_file(
    screen: dict[str, Any], visit: Invite, tmp_path: Path
) -> None:
    pixels = np.random.default_rng(7).integers(0, 256, (331, 707, 3), np.uint8)
    photo = tmp_path / "noise.png"
    Image.fromarray(pixels).save(photo)
    visitor = visit(**screen)
    visitor.give(photo)
    visitor.restore()
    restored = np.asarray(Image.open(visitor.download(tmp_path)))
    for zoom in (1, 2):
        visitor.page.click(f"[data-zoom='{zoom}']")
        for pane, picture in ((".pane.before", pixels), (".pane.after", restored)):
            visitor.page.wait_for_function(SETTLED, arg=str(zoom))
            _matches(visitor, pane, picture, zoom)


def _matches(visitor: Visitor, pane: str, picture: NDArray[np.uint8], zoom: int) -> None:
    """The tiles arrive one by one: looks until they are all drawn, as a visitor would, and compares the last look."""
    for _ in range(100):
        shown = canvas(visitor, pane)
        wanted = expected(picture, *origin(visitor), shown.shape, zoom)
        if np.array_equal(shown, wanted):
            break
        visitor.page.evaluate("() => new Promise(requestAnimationFrame)")
    np.testing.assert_array_equal(shown, wanted)


def test_mouse_and_keys_move_both_panes_together(visit: Invite) -> None:
    visitor = visit()
    page = visitor.page
    page.click("[data-example=sheet]")
    visitor.reach("ready")
    page.wait_for_function(SETTLED, arg="1")
    start = origin(visitor)
    page.focus(".pane.before")
    page.keyboard.press("ArrowRight")
    assert moved(visitor, start) == (start[0] + 16, start[1])
    box = page.locator(".pane.before").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 200, box["y"] + 200)
    page.mouse.down()
    page.mouse.move(box["x"] + 170, box["y"] + 190, steps=3)
    page.mouse.up()
    page.wait_for_function(
        "wanted => document.querySelector('.pane.before').dataset.origin === wanted",
        arg=f"{start[0] + 46},{min(start[1] + 10, 750)}",
    )
    assert page.get_attribute(".pane.after", "data-origin") == page.get_attribute(".pane.before", "data-origin")
    page.click(".whole-canvas", position={"x": 1, "y": 1})
    page.wait_for_function("() => document.querySelector('.pane.before').dataset.origin === '0,0'")


def test_the_divider_is_a_slider_for_the_keyboard(visit: Invite, photos: dict[str, Path]) -> None:
    visitor = visit()
    visitor.give(photos["jpeg"])
    assert not visitor.page.is_visible(".divider")
    visitor.restore()
    divider = visitor.page.locator(".divider")
    assert divider.get_attribute("aria-valuenow") == "50"
    divider.press("ArrowLeft")
    assert divider.get_attribute("aria-valuenow") == "48"
    assert divider.get_attribute("aria-label") == "Divider between before and after"


def test_a_phone_scrolls_over_the_panes(visit: Invite, photos: dict[str, Path]) -> None:
    visitor = visit(**PHONE)
    visitor.give(photos["jpeg"])
    styles = visitor.page.evaluate(
        "() => ['.pane.before', '.pane.after', '.whole-canvas'].map((name) =>"
        " getComputedStyle(document.querySelector(name)).touchAction)"
    )
    assert "none" not in styles
