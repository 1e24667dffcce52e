"""The viewer: exact pixels in every mode, one place for all panes, by mouse, keys and fingers."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from looks import VIEWER, Bytes, Place, assert_shows, canvas, expected, moved, place, settled
from PIL import Image
from visitors import DESKTOP, PHONE, Invite, Visitor

pytestmark = pytest.mark.browser

SCREENS = {"1x": DESKTOP, "2x": PHONE, "1.5x": {**DESKTOP, "device_scale_factor": 1.5}}
KEYS = f"{VIEWER} .stage"


@pytest.fixture
def noise(tmp_path: Path) -> Path:
    """A picture in which no pixel is like its neighbour, of more than one tile."""
    path = tmp_path / "noise.png"
    Image.fromarray(np.random.default_rng(7).integers(0, 256, (731, 1207, 3), np.uint8)).save(path)
    return path


def read(path: Path) -> Bytes:
    return np.asarray(Image.open(path))


def compared(visitor: Visitor, photo: Path, folder: Path) -> dict[str, Bytes]:
    """Restores a photo by one model; both pictures by the keys of their panes."""
    visitor.give(photo)
    visitor.tick("cnn")
    visitor.restore()
    return {"original": read(photo), "result-1": read(visitor.download(folder))}


def mode(visitor: Visitor, name: str) -> None:
    visitor.page.click(f"{VIEWER} [data-mode={name}]")
    settled(visitor)


def type_zoom(visitor: Visitor, text: str) -> None:
    visitor.page.fill(f"{VIEWER} .zoom", text)
    visitor.page.press(f"{VIEWER} .zoom", "Enter")
    settled(visitor)


@pytest.mark.parametrize("screen", SCREENS.values(), ids=SCREENS)
def test_at_100_percent_a_screen_pixel_is_a_pixel_of_the_file(
    screen: dict[str, Any], visit: Invite, noise: Path, tmp_path: Path
) -> None:
    visitor = visit(**screen)
    pictures = compared(visitor, noise, tmp_path)
    for zoom in (1, 2):
        type_zoom(visitor, f"{zoom}00 %")
        assert place(visitor).scale == zoom
        for key, picture in pictures.items():
            assert_shows(visitor, key, picture)


def test_every_mode_shows_the_pixels_of_the_two_that_are_compared(visit: Invite, noise: Path, tmp_path: Path) -> None:
    visitor = visit(reduced_motion="reduce", **DESKTOP)
    pictures = compared(visitor, noise, tmp_path)
    a, b = pictures.values()
    mode(visitor, "split")
    shown, at = canvas(visitor, "both"), place(visitor)
    half = shown.shape[1] // 2
    np.testing.assert_array_equal(shown[:, : half - 1], expected(a, at, shown.shape)[:, : half - 1])
    np.testing.assert_array_equal(shown[:, half + 1 :], expected(b, at, shown.shape)[:, half + 1 :])
    mode(visitor, "blink")
    assert_shows(visitor, "both", a)
    visitor.page.press(KEYS, " ")
    assert_shows(visitor, "both", b)
    mode(visitor, "difference")
    change = b.astype(int) - a
    assert_shows(visitor, "both", np.clip(4 * np.abs(change), 0, 255).astype(np.uint8))
    visitor.page.select_option(f"{VIEWER} .gain", "16")
    visitor.page.check(f"{VIEWER} .signed")
    assert_shows(visitor, "both", np.clip(128 + 16 * change, 0, 255).astype(np.uint8))
    mode(visitor, "side")
    visitor.page.click(f"{VIEWER} [data-pane=difference]")
    settled(visitor)
    assert_shows(visitor, "difference", np.clip(128 + 16 * change, 0, 255).astype(np.uint8))


def test_below_100_percent_areas_are_averaged_and_a_note_warns(visit: Invite, noise: Path) -> None:
    visitor = visit()
    visitor.give(noise)
    type_zoom(visitor, "50")
    at = settled(visitor)
    assert at.scale == 0.5
    shown = canvas(visitor, "original")
    halves = read(noise)[:730, :1206].reshape(365, 2, 603, 2, 3).mean((1, 3))
    part = shown[-at.top : -at.top + 365, -at.left : -at.left + 603, :3]
    assert np.abs(part - halves).max() <= 1
    note = visitor.page.inner_text(f"{VIEWER} .viewer-note")
    assert "50 %" in note and "judge at 100 %" in note
    visitor.page.click(f"{VIEWER} .zoom-fit")
    at = settled(visitor)
    assert at.left <= 0 and at.top <= 0 and min(at.left, at.top) < 0


def test_magnification_is_typed_within_its_bounds(visit: Invite, noise: Path) -> None:
    visitor = visit()
    visitor.give(noise)
    for typed, scale in {"9999": 16, "1": 0.25, "150 %": 1.5, "none": 1.5, "100": 1}.items():
        type_zoom(visitor, typed)
        assert place(visitor).scale == scale
    assert visitor.page.input_value(f"{VIEWER} .zoom") == "100 %"


def pressed(visitor: Visitor, key: str) -> Place:
    """Where the panes are after a key that moves them."""
    start = place(visitor)
    visitor.page.keyboard.press(key)
    return moved(visitor, start)


def test_everything_can_be_done_by_keys(visit: Invite, noise: Path, tmp_path: Path) -> None:
    visitor = visit()
    compared(visitor, noise, tmp_path)
    page = visitor.page
    page.locator(KEYS).focus()
    start = settled(visitor)
    assert pressed(visitor, "ArrowRight") == (start.left + 64, start.top, 1)
    assert pressed(visitor, "Shift+ArrowLeft").left < start.left
    assert pressed(visitor, "+").scale == 1.5
    assert pressed(visitor, "0").scale < 1
    assert pressed(visitor, "1").scale == 1
    for key, name in {"s": "split", "b": "blink", "d": "difference"}.items():
        page.keyboard.press(key)
        page.wait_for_selector(f"{KEYS}[data-mode={name}]")
    page.keyboard.press("d")
    page.wait_for_selector(f"{KEYS}[data-mode=side]")
    page.keyboard.press("2")
    page.wait_for_selector(f"{VIEWER} .cell[data-key=result-1]", state="detached")
    page.keyboard.press("2")
    page.wait_for_selector(f"{VIEWER} .cell[data-key=result-1]")
    page.keyboard.press("f")
    page.wait_for_function("document.fullscreenElement !== null")
    page.keyboard.press("f")
    page.wait_for_function("document.fullscreenElement === null")
    mode(visitor, "split")
    divider = page.locator(f"{VIEWER} .divider")
    divider.press("ArrowLeft")
    assert divider.get_attribute("aria-valuenow") == "48"
    assert divider.get_attribute("aria-label") == "Divider between the two pictures"


def test_the_mouse_moves_and_magnifies_all_panes_about_the_pointer(visit: Invite, noise: Path, tmp_path: Path) -> None:
    visitor = visit()
    pictures = compared(visitor, noise, tmp_path)
    page = visitor.page
    start = settled(visitor)
    box = page.locator(f"{VIEWER} .cell[data-key=result-1] canvas").bounding_box()
    assert box is not None
    x, y = box["x"] + 200, box["y"] + 150
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 30, y - 10, steps=3)
    page.mouse.up()
    at = moved(visitor, start)
    assert (at.left, at.top) == (start.left + 30, start.top + 10)
    before = ((at.left + 170) / at.scale, (at.top + 140) / at.scale)
    page.mouse.wheel(0, -300)
    at = moved(visitor, at)
    assert at.scale == pytest.approx(2, rel=1e-6)
    assert ((at.left + 170) / at.scale, (at.top + 140) / at.scale) == pytest.approx(before, abs=1)
    for key, picture in pictures.items():
        assert_shows(visitor, key, picture)


def test_place_magnification_and_mode_stay_when_results_come(visit: Invite, noise: Path) -> None:
    visitor = visit()
    visitor.give(noise)
    type_zoom(visitor, "300")
    visitor.page.press(KEYS, "Shift+ArrowRight")
    start = settled(visitor)
    shares = visitor.page.evaluate("window.demoire.views.restore()")
    visitor.tick("cnn")
    visitor.restore()
    settled(visitor)
    later = visitor.page.evaluate("window.demoire.views.restore()")
    assert (later["x"], later["y"], later["zoom"]) == (shares["x"], shares["y"], 3)
    mode(visitor, "split")
    visitor.tick("gan")
    visitor.restore()
    visitor.page.wait_for_selector(f"{VIEWER} .divider .tag-b:has-text('GAN')")
    assert visitor.page.evaluate("window.demoire.views.restore()")["mode"] == "split"
    assert settled(visitor).scale == start.scale


TOUCH = """async ([selector, points]) => {
  const stage = document.querySelector(selector);
  const canvas = stage.querySelector("canvas");
  const send = (type, id, x, y) => canvas.dispatchEvent(new PointerEvent(type, {
    pointerId: id, pointerType: "touch", clientX: x, clientY: y, bubbles: true, cancelable: true, isPrimary: id === 1,
  }));
  stage.setPointerCapture = () => {};
  const box = canvas.getBoundingClientRect();
  const at = ([x, y]) => [box.left + x, box.top + y];
  points[0].forEach((point, id) => send("pointerdown", id + 1, ...at(point)));
  for (const step of points.slice(1)) step.forEach((point, id) => send("pointermove", id + 1, ...at(point)));
  points.at(-1).forEach((point, id) => send("pointerup", id + 1, ...at(point)));
}"""


def test_fingers_move_and_pinch_and_the_page_still_scrolls(visit: Invite, noise: Path, tmp_path: Path) -> None:
    visitor = visit(**PHONE)
    compared(visitor, noise, tmp_path)
    page = visitor.page
    start = settled(visitor)
    page.evaluate(TOUCH, [KEYS, [[[200, 100]], [[150, 100]], [[120, 100]]]])
    at = moved(visitor, start)
    assert (at.left, at.top) == (start.left + 160, start.top)  # two screen pixels to each of the page's
    page.evaluate(TOUCH, [KEYS, [[[100, 100], [200, 100]], [[50, 100], [250, 100]]]])
    assert moved(visitor, at).scale == pytest.approx(2)
    assert page.evaluate("name => getComputedStyle(document.querySelector(name)).touchAction", KEYS) == "pan-y"
    boxes = [cell.bounding_box() for cell in page.locator(f"{VIEWER} .cell").all()]
    assert len(boxes) == 2 and boxes[0] and boxes[1]
    assert boxes[1]["y"] > boxes[0]["y"] and boxes[1]["x"] == boxes[0]["x"]  # one below the other
