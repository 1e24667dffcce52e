"""What the viewer shows, read from its canvases."""

import base64
import io
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from visitors import Visitor

VIEWER = "#viewer-restore"
Bytes = NDArray[np.uint8]


class Place(NamedTuple):
    """The panes' corner in the scaled picture, in device pixels, and how many of them a picture's pixel takes."""

    left: int
    top: int
    scale: float


def place(visitor: Visitor) -> Place:
    """Where the panes are now."""
    left, top, scale = (visitor.page.get_attribute(f"{VIEWER} .stage", "data-place") or "").split(",")
    return Place(int(left), int(top), float(scale))


def settled(visitor: Visitor) -> Place:
    """Waits until all tiles are there and two frames have been drawn since."""
    visitor.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    visitor.page.wait_for_selector(f"{VIEWER} .stage[data-complete=yes]")
    return place(visitor)


def moved(visitor: Visitor, start: Place) -> Place:
    """Where the panes are once they have left ``start``."""
    visitor.page.wait_for_function(
        "([stage, start]) => document.querySelector(stage).dataset.place !== start",
        arg=[f"{VIEWER} .stage", f"{start.left},{start.top},{start.scale:g}"],
    )
    return settled(visitor)


def canvas(visitor: Visitor, key: str) -> Bytes:
    """The screen pixels (height, width, 4) of a pane."""
    selector = f"{VIEWER} .cell[data-key={key}] canvas"
    address = visitor.page.evaluate("name => document.querySelector(name).toDataURL()", selector)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))))


def expected(picture: Bytes, at: Place, shape: tuple[int, ...]) -> Bytes:
    """What a pane of ``shape`` shows at a whole magnification: each pixel so many times; nothing beside the picture."""
    height, width = shape[:2]
    zoom = round(at.scale)
    rows, columns = (np.arange(height) + at.top) // zoom, (np.arange(width) + at.left) // zoom
    inside = np.ix_(*(((index >= 0) & (index < n)) for index, n in zip((rows, columns), picture.shape, strict=False)))
    part = picture[np.ix_(np.clip(rows, 0, picture.shape[0] - 1), np.clip(columns, 0, picture.shape[1] - 1))]
    result = np.zeros((height, width, 4), np.uint8)
    result[inside] = np.dstack((part, np.full(part.shape[:2], 255, np.uint8)))[inside]
    return result


def assert_shows(visitor: Visitor, key: str, picture: Bytes) -> None:
    """The pane shows the picture's own pixels, all of them right."""
    at = settled(visitor)
    shown = canvas(visitor, key)
    np.testing.assert_array_equal(shown, expected(picture, at, shown.shape))
