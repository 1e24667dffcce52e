"""A canvas that sets text as screens show it: grey-level or sub-pixel anti-aliased.

Sub-pixel text follows ClearType's idea: coverage at three times the horizontal resolution, smoothed by a five-tap
filter so that no colour fringe is wider than a pixel, then one sample for each of the red, green and blue stripes
(Platt, "Optimal filtering for patterned displays", IEEE Signal Processing Letters 7(7), 2000).
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from demoire.fonts import FontBook

Colour = tuple[int, int, int]

_SMOOTHING = np.array([1, 2, 3, 2, 1], np.float32) / 9


class Canvas:
    """A page being drawn.

    Args:
        height, width: pixels.
        background: RGB, 0..255.
        fonts: where faces are opened.
        subpixel: set text with sub-pixel anti-aliasing.
    """

    def __init__(self, height: int, width: int, background: Colour, fonts: FontBook, subpixel: bool = False) -> None:
        self.image = Image.new("RGB", (width, height), background)
        self.pen = ImageDraw.Draw(self.image)
        self.height, self.width, self.fonts, self.subpixel = height, width, fonts, subpixel

    def pixels(self) -> NDArray[np.uint8]:
        """The page, (height, width, 3) uint8."""
        return np.asarray(self.image)

    def measure(self, text: str, face: tuple[str, int], size: int) -> int:
        """Width of the text in pixels, rounded up."""
        return int(np.ceil(self.fonts.open(face, size).getlength(text)))

    def text(self, left: int, top: int, text: str, face: tuple[str, int], size: int, colour: Colour) -> int:
        """Sets one line with its ascender at ``top``; returns where the next piece starts."""
        if not self.subpixel:
            self.pen.text((left, top), text, fill=colour, font=self.fonts.open(face, size))
        else:
            self._text_subpixel(left, top, text, face, size, colour)
        return left + self.measure(text, face, size)

    def _text_subpixel(self, left: int, top: int, text: str, face: tuple[str, int], size: int, colour: Colour) -> None:
        font = self.fonts.open(face, 3 * size)
        width, height = int(font.getlength(text)) // 3 + 4, size * 2
        width, height = min(width, self.width - left), min(height, self.height - top)
        if width < 1 or height < 1:
            return
        mask = Image.new("L", (3 * width, 3 * height), 0)
        ImageDraw.Draw(mask).text((3, 0), text, fill=255, font=font)
        rows = np.asarray(mask, np.float32).reshape(height, 3, 3 * width).mean(1) / 255
        padded = np.pad(rows, ((0, 0), (2, 2)))
        smooth = sum(tap * padded[:, i : i + 3 * width] for i, tap in enumerate(_SMOOTHING))
        cover = np.asarray(smooth, np.float32).reshape(height, width, 3)
        box = (left, top, left + width, top + height)
        under = np.asarray(self.image.crop(box), np.float32)
        over = under + cover * (np.array(colour, np.float32) - under)
        self.image.paste(Image.fromarray((over + 0.5).astype(np.uint8)), box)


def wrap(canvas: Canvas, text: str, face: tuple[str, int], size: int, width: int) -> list[str]:
    """Breaks text into lines of at most ``width`` pixels: at spaces, or anywhere in a text without spaces."""
    joint = " " if " " in text else ""
    pieces = text.split(" ") if joint else list(text)
    lines = [pieces[0]]
    for piece in pieces[1:]:
        longer = lines[-1] + joint + piece
        if canvas.measure(longer, face, size) <= width:
            lines[-1] = longer
        else:
            lines.append(piece)
    return lines
