"""Pages rendered here: text, code, tables, user interfaces, flat fields and gradients, all from a seed.

A page depends on its seed, its number and the fonts of the machine, nothing else.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from demoire.fonts import FontBook
from demoire.training import words
from demoire.training.typeset import Canvas, Colour, wrap

# Part of what a store is made from: raise it with every change that gives other pixels.
VERSION = 2
SIZES = ((800, 1280), (900, 1440), (1050, 1680), (1080, 1920), (768, 1366), (1024, 1280))
_SUBPIXEL_SHARE = 0.45
_ACCENTS: tuple[Colour, ...] = (
    (26, 115, 232),
    (0, 120, 212),
    (46, 125, 50),
    (198, 40, 40),
    (106, 27, 154),
    (239, 108, 0),
)


@dataclass(frozen=True)
class Page:
    """A rendered page: layout name, kind (``page`` or ``plain``), (H, W, 3) uint8 pixels, and its lines of text."""

    layout: str
    kind: str
    pixels: NDArray[np.uint8]
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Theme:
    """Colours of a page: background, text, a weaker text, rules, panels and an accent."""

    paper: Colour
    ink: Colour
    faint: Colour
    rule: Colour
    panel: Colour
    accent: Colour


def draw_theme(rng: np.random.Generator, dark_share: float = 0.25) -> Theme:
    """White, light grey or tinted paper with dark ink, or a dark mode."""
    accent = _ACCENTS[int(rng.integers(len(_ACCENTS)))]
    if rng.random() < dark_share:
        level = int(rng.integers(14, 48))
        paper = (level, level, min(level + int(rng.integers(0, 12)), 255))
        return Theme(
            paper, _grey(rng, 200, 250), _grey(rng, 130, 170), _grey(rng, 60, 85), _shift(paper, 14), _shift(accent, 70)
        )
    level = int(rng.choice((255, 255, 255, 250, 245, 240, 232, 222)))
    paper = (level, level, level) if rng.random() < 0.8 else (level, max(level - 6, 0), max(level - 22, 0))
    return Theme(paper, _grey(rng, 0, 60), _grey(rng, 95, 150), _grey(rng, 200, 224), _shift(paper, -10), accent)


def _grey(rng: np.random.Generator, low: int, high: int) -> Colour:
    level = int(rng.integers(low, high))
    return level, level, level


def _shift(colour: Colour, by: int) -> Colour:
    red, green, blue = (min(max(channel + by, 0), 255) for channel in colour)
    return red, green, blue


def _blank(rng: np.random.Generator, fonts: FontBook, theme: Theme) -> Canvas:
    height, width = SIZES[int(rng.integers(len(SIZES)))]
    return Canvas(height, width, theme.paper, fonts, subpixel=bool(rng.random() < _SUBPIXEL_SHARE))


def set_column(
    canvas: Canvas, rng: np.random.Generator, theme: Theme, box: tuple[int, int, int, int], style: str, language: str
) -> list[str]:
    """Fills (top, left, bottom, right) with headings and paragraphs; returns the lines set."""
    top, left, bottom, right = box
    face, heading = canvas.fonts.face(rng, style), canvas.fonts.face(rng, "zh" if language == "zh" else "bold")
    size = int(rng.choice((11, 12, 13, 14, 15, 16, 18)))
    lines: list[str] = []
    while top + 3 * size < bottom:
        large = int(size * rng.choice((1.0, 1.25, 1.6, 2.2)))
        title = wrap(canvas, words.phrase(rng, language, int(rng.integers(2, 6))), heading, large, right - left)[0]
        if top + int(1.6 * large) > bottom:
            break
        canvas.text(left, top, title, heading, large, theme.accent if rng.random() < 0.3 else theme.ink)
        lines.append(title)
        top += int(1.6 * large)
        for _ in range(int(rng.integers(1, 4))):
            text = words.paragraph(rng, language, int(rng.integers(2, 6)))
            for line in wrap(canvas, text, face, size, right - left):
                if top + int(1.5 * size) > bottom:
                    return lines
                canvas.text(left, top, line, face, size, theme.ink)
                lines.append(line)
                top += int(1.5 * size)
            top += size // 2
    return lines


def article(rng: np.random.Generator, fonts: FontBook, language: str = "en") -> Page:
    """One or two columns of running text."""
    theme = draw_theme(rng)
    canvas = _blank(rng, fonts, theme)
    style = "zh" if language == "zh" else str(rng.choice(("sans", "sans", "serif")))
    margin, count = int(rng.integers(24, 120)), int(rng.integers(1, 3))
    width = (canvas.width - margin * (count + 1)) // count
    lines: list[str] = []
    for column in range(count):
        left = margin + column * (width + margin)
        lines += set_column(canvas, rng, theme, (margin // 2, left, canvas.height - 16, left + width), style, language)
    return Page(f"article-{language}", "page", canvas.pixels(), tuple(lines))


def chinese_article(rng: np.random.Generator, fonts: FontBook) -> Page:
    """Running Chinese text; English where no Chinese font exists."""
    return article(rng, fonts, "zh" if fonts.has("zh") else "en")


def code(rng: np.random.Generator, fonts: FontBook) -> Page:
    """An editor: line numbers and coloured pseudo-code, mostly dark."""
    theme = draw_theme(rng, dark_share=0.55)
    canvas = _blank(rng, fonts, theme)
    face, size = fonts.face(rng, "mono"), int(rng.integers(11, 17))
    hues = [_ACCENTS[int(i)] for i in rng.permutation(len(_ACCENTS))[:3]]
    dark = sum(theme.paper) < 384
    keyword, text, figure = (_shift(hue, 80) if dark else hue for hue in hues)
    roles = {
        "keyword": keyword,
        "text": text,
        "number": figure,
        "comment": theme.faint,
        "name": theme.ink,
        "mark": theme.ink,
    }
    step, indent = int(size * 1.45), 0
    gutter = 4 * canvas.measure("0", face, size)
    canvas.pen.rectangle((0, 0, gutter + 6, canvas.height), fill=theme.panel)
    for row, top in enumerate(range(8, canvas.height - step, step), start=1):
        canvas.text(6, top, f"{row:3d}", face, size, theme.faint)
        if rng.random() < 0.12:
            continue
        left = gutter + 14 + indent * canvas.measure("    ", face, size)
        pieces = words.code_line(rng)
        for role, piece in pieces:
            left = canvas.text(left, top, piece, face, size, roles[role])
        opens = pieces[-1][1].endswith(":")
        indent = min(indent + 1, 4) if opens else max(indent - int(rng.random() < 0.3), 0)
    return Page("code", "page", canvas.pixels())


def table(rng: np.random.Generator, fonts: FontBook) -> Page:
    """A spreadsheet with rules, zebra stripes and numbers."""
    theme = draw_theme(rng, dark_share=0.15)
    canvas = _blank(rng, fonts, theme)
    zh = fonts.has("zh") and rng.random() < 0.3
    face, size = fonts.face(rng, "zh" if zh else "sans"), int(rng.integers(11, 17))
    step, width = int(size * rng.uniform(1.6, 2.2)), int(rng.integers(70, 190))
    zebra, rules = rng.random() < 0.5, rng.random() < 0.7
    canvas.pen.rectangle((0, 0, canvas.width, step), fill=theme.accent if rng.random() < 0.4 else theme.panel)
    for row, top in enumerate(range(0, canvas.height, step)):
        if zebra and row % 2 and row:
            canvas.pen.rectangle((0, top, canvas.width, top + step), fill=theme.panel)
        if rules:
            canvas.pen.line((0, top, canvas.width, top), fill=theme.rule)
        for column, left in enumerate(range(0, canvas.width, width)):
            label = column == 0 or row == 0
            text = words.phrase(rng, "zh" if zh else "en", 1) if label else words.number(rng)
            indent = 6 if label else width - 6 - canvas.measure(text, face, size)
            canvas.text(left + indent, top + (step - size) // 2 - 1, text, face, size, theme.ink)
    if rules:
        for left in range(0, canvas.width, width):
            canvas.pen.line((left, 0, left, canvas.height), fill=theme.rule)
    return Page("table", "page", canvas.pixels())


def gradient(rng: np.random.Generator, height: int, width: int) -> NDArray[np.uint8]:
    """A smooth field of colour, (height, width, 3) uint8."""
    corners = rng.uniform(0, 255, (2, 2, 3))
    if rng.random() < 0.5:
        corners = corners.mean(2, keepdims=True) + rng.normal(0, 12, (2, 2, 3))
    down, along = np.linspace(0, 1, height)[:, None, None], np.linspace(0, 1, width)[None, :, None]
    top = corners[0, 0] * (1 - along) + corners[0, 1] * along
    bottom = corners[1, 0] * (1 - along) + corners[1, 1] * along
    field = top * (1 - down) + bottom * down
    rounded: NDArray[np.uint8] = np.clip(np.rint(field), 0, 255).astype(np.uint8)
    return rounded


def _icon(canvas: Canvas, rng: np.random.Generator, left: int, top: int, size: int, colour: Colour) -> None:
    """A small picture of a few shapes."""
    box = (left, top, left + size, top + size)
    shape = int(rng.integers(5))
    if shape == 0:
        canvas.pen.ellipse(box, outline=colour, width=max(size // 8, 1))
    elif shape == 1:
        canvas.pen.rounded_rectangle(box, size // 4, fill=colour)
    elif shape == 2:
        canvas.pen.polygon(((left, top + size), (left + size // 2, top), (left + size, top + size)), fill=colour)
    elif shape == 3:
        for row in range(3):
            canvas.pen.line(
                (left, top + row * size // 3 + 2, left + size, top + row * size // 3 + 2), fill=colour, width=2
            )
    else:
        canvas.pen.rectangle((left, top + size // 3, left + size, top + size), outline=colour)
        canvas.pen.line((left, top + size // 3, left + size // 2, top, left + size, top + size // 3), fill=colour)


def _button(
    canvas: Canvas, rng: np.random.Generator, theme: Theme, left: int, top: int, text: str, face: tuple[str, int]
) -> int:
    size = int(rng.integers(11, 15))
    right = left + canvas.measure(text, face, size) + 22
    filled = rng.random() < 0.5
    canvas.pen.rounded_rectangle(
        (left, top, right, top + size + 14),
        int(rng.integers(0, 9)),
        fill=theme.accent if filled else theme.panel,
        outline=theme.rule,
    )
    canvas.text(left + 11, top + 5, text, face, size, (255, 255, 255) if filled else theme.ink)
    return right + 10


def _window(canvas: Canvas, rng: np.random.Generator, theme: Theme, box: tuple[int, int, int, int]) -> None:
    """A window at (top, left, bottom, right): title bar, toolbar, side bar, text or picture, buttons."""
    top, left, bottom, right = box
    zh = canvas.fonts.has("zh") and rng.random() < 0.3
    language, style = ("zh", "zh") if zh else ("en", "sans")
    face, size = canvas.fonts.face(rng, style), int(rng.integers(11, 16))
    canvas.pen.rectangle((left, top, right, bottom), fill=theme.paper, outline=theme.rule)
    canvas.pen.rectangle((left, top, right, top + 2 * size), fill=theme.panel)
    canvas.text(left + 10, top + size // 3, words.phrase(rng, language, 3), face, size, theme.ink)
    for index in range(3):
        _icon(canvas, rng, right - 28 * (index + 1), top + size // 2, size, theme.faint)
    shelf = top + 2 * size
    for index, place in enumerate(range(left + 10, right - 40, 40)):
        if index < 12:
            _icon(canvas, rng, place, shelf + 8, 20, theme.accent if rng.random() < 0.4 else theme.faint)
    shelf += 36
    canvas.pen.line((left, shelf, right, shelf), fill=theme.rule)
    side = left + min(int(rng.integers(120, 240)), (right - left) // 3)
    canvas.pen.rectangle((left + 1, shelf + 1, side, bottom - 1), fill=theme.panel)
    for place in range(shelf + 8, bottom - 2 * size, 2 * size):
        canvas.text(left + 12, place, words.phrase(rng, language, int(rng.integers(1, 3))), face, size, theme.ink)
    inner = (shelf + 14, side + 16, bottom - 50, right - 16)
    if rng.random() < 0.3 and inner[2] - inner[0] > 40 and inner[3] - inner[1] > 40:
        picture = gradient(rng, inner[2] - inner[0], inner[3] - inner[1])
        canvas.image.paste(Image.fromarray(picture), (inner[1], inner[0]))
    else:
        set_column(canvas, rng, theme, inner, style, language)
    place = side + 16
    while place < right - 160:
        place = _button(canvas, rng, theme, place, bottom - 40, words.phrase(rng, language, 1), face)


def interface(rng: np.random.Generator, fonts: FontBook) -> Page:
    """A desktop: a coloured or graded background, one to three windows, a task bar."""
    theme = draw_theme(rng)
    canvas = _blank(rng, fonts, theme)
    canvas.image.paste(Image.fromarray(gradient(rng, canvas.height, canvas.width)), (0, 0))
    for _ in range(int(rng.integers(1, 4))):
        height, width = int(rng.uniform(0.45, 0.9) * canvas.height), int(rng.uniform(0.4, 0.85) * canvas.width)
        top, left = int(rng.integers(0, canvas.height - height)), int(rng.integers(0, canvas.width - width))
        _window(canvas, rng, draw_theme(rng), (top, left, top + height, left + width))
    bar = canvas.height - 44
    canvas.pen.rectangle((0, bar, canvas.width, canvas.height), fill=theme.panel)
    for place in range(12, canvas.width // 2, 48):
        _icon(canvas, rng, place, bar + 9, 26, _ACCENTS[int(rng.integers(len(_ACCENTS)))])
    canvas.text(
        canvas.width - 90,
        bar + 14,
        f"{rng.integers(24):02d}:{rng.integers(60):02d}",
        fonts.face(rng, "sans"),
        14,
        theme.ink,
    )
    return Page("interface", "page", canvas.pixels())


def chart(rng: np.random.Generator, fonts: FontBook) -> Page:
    """Bars and curves over a grid of thin rules, labelled."""
    theme = draw_theme(rng)
    canvas = _blank(rng, fonts, theme)
    face, size = fonts.face(rng, "sans"), int(rng.integers(11, 16))
    left, bottom = 80, canvas.height - 60
    canvas.text(left, 16, words.phrase(rng, "en", 4), fonts.face(rng, "bold"), 2 * size, theme.ink)
    for top in range(80, bottom, int(rng.integers(30, 80))):
        canvas.pen.line((left, top, canvas.width - 20, top), fill=theme.rule)
        canvas.text(10, top - size // 2, words.number(rng)[:8], face, size, theme.faint)
    bar = int(rng.integers(6, 60))
    for place in range(left + 8, canvas.width - 20 - bar, int(bar * 1.5) + 2):
        colour = _ACCENTS[int(rng.integers(len(_ACCENTS)))]
        canvas.pen.rectangle((place, int(rng.integers(90, bottom - 5)), place + bar, bottom), fill=colour)
    across = np.linspace(left, canvas.width - 20, 60)
    for _ in range(int(rng.integers(1, 4))):
        height = 90 + (bottom - 90) * (0.5 + 0.45 * np.sin(across / rng.uniform(40, 400) + rng.uniform(0, 6)))
        canvas.pen.line(
            [(float(x), float(y)) for x, y in zip(across, height, strict=True)],
            fill=theme.ink,
            width=int(rng.integers(1, 4)),
        )
    return Page("chart", "page", canvas.pixels())


def flat(rng: np.random.Generator, fonts: FontBook) -> Page:
    """One to four fields of one colour each, mostly light and nearly grey."""
    canvas = _blank(rng, fonts, Theme(*(_grey(rng, 120, 256) for _ in range(6))))
    for part in range(int(rng.integers(0, 4))):
        level = rng.uniform(90, 255)
        red, green, blue = np.clip(level + rng.normal(0, rng.choice((3.0, 40.0)), 3), 0, 255).astype(int).tolist()
        left = int(canvas.width * rng.uniform(0.1, 0.9)) if part else 0
        canvas.pen.rectangle(
            (left, int(canvas.height * rng.uniform(0, 0.7)), canvas.width, canvas.height), fill=(red, green, blue)
        )
    return Page("flat", "plain", canvas.pixels())


def graded(rng: np.random.Generator, fonts: FontBook) -> Page:
    """A full-screen gradient."""
    del fonts
    height, width = SIZES[int(rng.integers(len(SIZES)))]
    return Page("gradient", "plain", gradient(rng, height, width))


# Drawn in turn, so that any number of pages has them in these proportions.
LAYOUTS: tuple[Callable[[np.random.Generator, FontBook], Page], ...] = (
    article,
    interface,
    chinese_article,
    code,
    table,
    article,
    flat,
    interface,
    chinese_article,
    code,
    chart,
    graded,
)


def render_page(number: int, seed: int, fonts: FontBook) -> Page:
    """Page ``number`` of the series ``seed``."""
    return LAYOUTS[number % len(LAYOUTS)](np.random.default_rng((seed, number)), fonts)
