"""Fonts of this machine and a canvas that sets text as screens show it: grey-level or sub-pixel anti-aliased.

Sub-pixel text follows ClearType's idea: coverage at three times the horizontal resolution, smoothed by a five-tap
filter so that no colour fringe is wider than a pixel, then one sample for each of the red, green and blue stripes
(Platt, "Optimal filtering for patterned displays", IEEE Signal Processing Letters 7(7), 2000).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

FONT_FOLDERS = (
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "~/.local/share/fonts",
    "~/.fonts",
    "/System/Library/Fonts",
    "/Library/Fonts",
    "C:/Windows/Fonts",
)
# Of each style the fonts to look for: file name and face number inside a collection.
FONT_FILES: dict[str, tuple[tuple[str, int], ...]] = {
    "sans": (
        ("DejaVuSans.ttf", 0),
        ("LiberationSans-Regular.ttf", 0),
        ("NotoSans-Regular.ttf", 0),
        ("NotoSansDisplay-Regular.ttf", 0),
        ("LiberationSansNarrow-Regular.ttf", 0),
        ("arial.ttf", 0),
        ("segoeui.ttf", 0),
        ("Helvetica.ttc", 0),
    ),
    "bold": (
        ("DejaVuSans-Bold.ttf", 0),
        ("LiberationSans-Bold.ttf", 0),
        ("NotoSans-Bold.ttf", 0),
        ("arialbd.ttf", 0),
        ("segoeuib.ttf", 0),
    ),
    "serif": (
        ("DejaVuSerif.ttf", 0),
        ("LiberationSerif-Regular.ttf", 0),
        ("NotoSerif-Regular.ttf", 0),
        ("times.ttf", 0),
        ("georgia.ttf", 0),
    ),
    "mono": (
        ("DejaVuSansMono.ttf", 0),
        ("LiberationMono-Regular.ttf", 0),
        ("NotoSansMono-Regular.ttf", 0),
        ("consola.ttf", 0),
        ("Menlo.ttc", 0),
    ),
    "zh": (
        ("NotoSansCJK-Regular.ttc", 2),
        ("NotoSerifCJK-Regular.ttc", 2),
        ("NotoSansCJK-Bold.ttc", 2),
        ("wqy-zenhei.ttc", 0),
        ("msyh.ttc", 0),
        ("PingFang.ttc", 2),
    ),
}
_SMOOTHING = np.array([1, 2, 3, 2, 1], np.float32) / 9


@dataclass
class FontBook:
    """Fonts found on this machine, by style; sizes are opened once.

    Attributes:
        faces: for each style the (path, face number) pairs that exist here.
    """

    faces: dict[str, list[tuple[str, int]]]
    _open: dict[tuple[str, int, int], Font] = field(default_factory=dict)

    @classmethod
    def find(cls, folders: Sequence[str] = FONT_FOLDERS) -> "FontBook":
        """Looks for the fonts of ``FONT_FILES`` below the given folders."""
        roots = [Path(folder).expanduser() for folder in folders]
        paths = sorted(
            path for root in roots if root.is_dir() for path in root.rglob("*") if path.suffix in (".ttf", ".ttc")
        )
        by_name = {path.name: str(path) for path in reversed(paths)}
        faces = {
            style: [(by_name[name], face) for name, face in files if name in by_name]
            for style, files in FONT_FILES.items()
        }
        return cls(faces)

    def has(self, style: str) -> bool:
        """Whether a font of the style exists here."""
        return bool(self.faces[style])

    def complaint(self) -> str:
        """One sentence on what is missing, or ""."""
        missing = [style for style in FONT_FILES if not self.has(style)]
        if not missing:
            return ""
        return (
            f"No font for {', '.join(missing)} was found in {', '.join(FONT_FOLDERS)}: such text is set in another "
            "font or left out; install DejaVu and Noto CJK fonts (on Debian fonts-dejavu, fonts-noto-cjk) for more."
        )

    def names(self) -> list[str]:
        """File names of all fonts found, sorted."""
        return sorted({Path(path).name for faces in self.faces.values() for path, _ in faces})

    def face(self, rng: np.random.Generator, style: str) -> tuple[str, int]:
        """A random face of the style, of any other Latin style where that is missing, or ("", 0) for Pillow's own."""
        for candidate in (style, "sans", "serif", "mono", "bold"):
            if self.faces[candidate]:
                return self.faces[candidate][int(rng.integers(len(self.faces[candidate])))]
        return "", 0

    def open(self, face: tuple[str, int], size: int) -> Font:
        """The face at a size in pixels."""
        key = (*face, size)
        if key not in self._open:
            path, number = face
            self._open[key] = ImageFont.truetype(path, size, index=number) if path else ImageFont.load_default(size)
        return self._open[key]


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
