"""A comparison sheet to mail: crops of a photo and of what models made of it at 100 %, with settings and figures.

One A4 page at 200 dots per inch, as PNG or PDF, both without loss and in the photo's own colour profile. Labels need
fonts of this machine: Chinese ones become English where no font has Chinese.
"""

import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from demoire import __version__
from demoire.detect import Moire
from demoire.entries import WEIGHTS_FILE, ModelEntry
from demoire.errors import OutputError
from demoire.fonts import Font, FontBook
from demoire.metadata import on_white, to_8_bit
from demoire.pdf import picture_pdf
from demoire.picture import Notice, Picture
from demoire.restore import Box, Restored

#: From a key of the page's catalogue of texts to its words in one language.
Say = Callable[[str], str]

HEIGHT, WIDTH, DPI = 2339, 1654, 200
MARGIN, GAP = 60, 12
LARGEST = 8 << 20  # bytes: what any mail takes
SUFFIXES = (".png", ".pdf")
MOST_ENTRIES = 6
INK, FAINT, RULE, ACCENT = (26, 26, 30), (104, 104, 112), (214, 214, 220), (196, 30, 92)
TITLE, HEADING, TEXT, SMALL = 44, 24, 22, 19
_BLOCK = 32
_OVERVIEW = 400
_FIGURE = 128
_FIGURES = (("raw", "{:.2f}"), ("fitted", "{:.2f}"), ("ssim", "{:.4f}"), ("bands_left", "{:.2f}"))
_HEADS = {"raw": "sheet.raw", "fitted": "sheet.fitted", "ssim": "sheet.ssim", "bands_left": "sheet.bands"}
_CHINESE = 0x2E80  # the first of the characters that Latin fonts lack


@dataclass(frozen=True)
class Entry:
    """One picture of the sheet.

    Attributes:
        title: what it is called.
        picture: all entries have the same size.
        facts: lines of small print: model, revision, settings.
        figures: of `demoire.metrics.METRICS` by name; empty where there is no reference.
        made: whether a model made it.
    """

    title: str
    picture: Picture
    facts: tuple[str, ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)
    made: bool = False


@dataclass(frozen=True)
class Sheet:
    """What a sheet shows.

    Attributes:
        entries: the original first, then results, then the reference; 2 to 6.
        places: (y, x) of what the crops shall show, most important first; none: where results changed the most.
        notes: sentences to print beneath.
    """

    entries: tuple[Entry, ...]
    places: tuple[tuple[int, int], ...] = ()
    notes: tuple[str, ...] = ()


def result_entry(
    model: ModelEntry, restored: Restored, figures: Mapping[str, float], say: Say, looks_clean: float | None = None
) -> Entry:
    """The entry of a result: family, model id with revision or hash of its weights, and how it was computed.

    ``looks_clean``: the probability that it is a clean photo, where the discriminator was asked.
    """
    file = model.files.get(WEIGHTS_FILE)
    weights = restored.origin
    if model.revision and restored.origin != "bundled":
        weights = say("sheet.revision").format(revision=model.revision[:12])
    elif file is not None and file.sha256:
        weights = say("sheet.hash").format(hash=file.sha256[:12])
    run = {name: getattr(restored, name) for name in ("device", "dtype", "tiles")}
    facts = (
        say("sheet.model").format(model=model.id, weights=weights),
        say("sheet.run").format(**run, seconds=f"{restored.seconds:.1f}"),
        *([say("pane.photos").format(photos=restored.photos)] if (restored.photos or 1) > 1 else []),
        *([] if looks_clean is None else [say("pane.looks_clean").format(percent=f"{100 * looks_clean:.0f}")]),
    )
    family = model.family.upper()
    title = family if model.id == model.family else f"{family} {model.id}"
    return Entry(title, restored.picture, facts, figures, made=True)


def original_entry(photo: Picture, figures: Mapping[str, float], say: Say, moire: Moire | None = None) -> Entry:
    """The entry of the photo as it came; ``moire``: how much it has, where the detector was asked."""
    facts = [f"{photo.kind.upper()}, {photo.bits} bit", *([_moire_line(moire, say)] if moire else [])]
    return Entry(say("sheet.original"), photo, tuple(facts), figures)


def _moire_line(moire: Moire, say: Say) -> str:
    if moire.level == "none":
        return say("sheet.moire.none")
    percent = f"{100 * moire.area:.0f}" if moire.area >= 0.005 else "< 1"
    return say("moire.found").format(level=say(f"moire.level.{moire.level}"), percent=percent)


def reference_entry(fitted: Picture, say: Say) -> Entry:
    """The entry of the reference, brought onto the photo."""
    return Entry(say("sheet.reference"), fitted, (say("sheet.reference.fitted"),))


def compose(sheet: Sheet, say: Say, fonts: FontBook, rows: int | None = None) -> Image.Image:
    """Draws the sheet as (2339, 1654) RGB, less what stays empty at the bottom.

    Args:
        rows: how many crops, at most what fits; None: as many as fit.

    Raises:
        OutputError: fewer than 2 or more than 6 entries.
    """
    if not 2 <= len(sheet.entries) <= MOST_ENTRIES:
        raise OutputError(
            f"A sheet shows 2 to {MOST_ENTRIES} pictures, not {len(sheet.entries)}; choose fewer results."
        )
    pen = _Pen(fonts)
    top = _head(pen, sheet, say)
    notes = _notes(pen, sheet, say)
    boxes = _boxes(sheet, HEIGHT - MARGIN - top - _notes_height(notes), rows)
    below = _summary(pen, sheet, boxes, top, say)
    for number, box in enumerate(boxes, start=1):
        below = _crops(pen, sheet.entries, box, number, below, say)
    bottom = _foot(pen, notes, below)
    return pen.image.crop((0, 0, WIDTH, min(bottom + MARGIN, HEIGHT)))


def write_sheet(sheet: Sheet, path: Path, say: Say, fonts: FontBook) -> None:
    """Writes the sheet as PNG or PDF, by the file's suffix, in at most 8 MiB: fewer crops where need be.

    Raises:
        OutputError: another suffix, the file cannot be written, or too many entries.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise OutputError(f"A sheet is a .png or .pdf file, not '{path.name}'; change the name.")
    data = b""
    for rows in (None, 2, 1):
        data = _encoded(compose(sheet, say, fonts, rows), path.suffix.lower(), sheet.entries[0].picture, say)
        if len(data) <= LARGEST:
            break
    try:
        path.write_bytes(data)
    except OSError as error:
        raise OutputError(f"'{path}' cannot be written ({error.strerror}); choose another folder.") from error


def chinese_missing(fonts: FontBook) -> Notice | None:
    """What to say where Chinese labels are wanted and no font here has them; let them be English then."""
    if fonts.has("zh"):
        return None
    text = "No font with Chinese characters was found here, so labels are in English; install Noto Sans CJK, say."
    return Notice("sheet_english", text)


def _encoded(page: Image.Image, suffix: str, picture: Picture, say: Say) -> bytes:
    data = io.BytesIO()
    page.save(data, "PNG", dpi=(DPI, DPI), icc_profile=picture.icc)
    return data.getvalue() if suffix == ".png" else picture_pdf(data.getvalue(), DPI, say("sheet.title"), picture.icc)


class _Pen:
    """The page being drawn, and its fonts."""

    def __init__(self, fonts: FontBook) -> None:
        self.image = Image.new("RGB", (WIDTH, HEIGHT), "white")
        self.draw = ImageDraw.Draw(self.image)
        self._fonts = fonts

    def font(self, text: str, size: int, bold: bool) -> Font:
        """One that has all characters of the text, if any here has."""
        chinese = any(ord(character) >= _CHINESE for character in text)
        for style in ("zh",) if chinese else ("bold", "sans", "zh") if bold else ("sans", "zh"):
            if self._fonts.has(style):
                return self._fonts.open(self._fonts.faces[style][0], size)
        return self._fonts.open(("", 0), size)

    def length(self, text: str, size: int, bold: bool = False) -> float:
        return self.font(text, size, bold).getlength(text)

    def text(
        self,
        left: float,
        top: float,
        text: str,
        size: int = TEXT,
        colour: tuple[int, int, int] = INK,
        bold: bool = False,
        anchor: str = "ls",
    ) -> None:
        """Sets a line; ``top`` is where its tallest letters begin, so lines in several fonts stand level."""
        self.draw.text((left, top + round(0.8 * size)), text, colour, self.font(text, size, bold), anchor=anchor)

    def fitted(self, text: str, size: int, width: float, bold: bool = False) -> str:
        """The text, its middle left out where it is wider than ``width``."""
        kept = len(text)
        short = text
        while self.length(short, size, bold) > width and kept > 4:
            kept -= 1
            short = text[: math.ceil(kept / 2)] + "..." + text[len(text) - kept // 2 :]
        return short

    def wrapped(self, text: str, size: int, width: float) -> list[str]:
        """Lines of at most ``width``: broken at spaces, or anywhere in Chinese."""
        lines = [""]
        for piece in _pieces(text):
            if lines[-1] and self.length((lines[-1] + piece).rstrip(), size) > width:
                lines[-1] = lines[-1].rstrip()
                lines.append("")
            lines[-1] += piece
        return lines


def _pieces(text: str) -> list[str]:
    pieces = [""]
    for character in text:
        pieces[-1] += character
        if character == " " or ord(character) >= _CHINESE:
            pieces.append("")
    return [piece for piece in pieces if piece]


def _head(pen: _Pen, sheet: Sheet, say: Say) -> int:
    original = sheet.entries[0].picture
    pen.text(MARGIN, MARGIN, say("sheet.title"), TITLE, bold=True)
    made = say("sheet.made").format(version=__version__, date=date.today().isoformat())
    pen.text(WIDTH - MARGIN, MARGIN + TITLE - TEXT, made, TEXT, FAINT, anchor="rs")
    line = say("sheet.photo").format(name=original.name, width=original.width, height=original.height)
    pen.text(MARGIN, MARGIN + TITLE + 18, pen.fitted(line, TEXT, WIDTH - 2 * MARGIN), TEXT)
    return MARGIN + TITLE + 18 + TEXT + 34


def _notes(pen: _Pen, sheet: Sheet, say: Say) -> list[str]:
    texts = [say("sheet.note.view")]
    if not sheet.places:
        texts.append(say("sheet.note.crops"))
    if any(entry.figures for entry in sheet.entries):
        texts.append(say("sheet.note.figures"))
    return [line for text in (*texts, *sheet.notes) for line in pen.wrapped(text, SMALL, WIDTH - 2 * MARGIN)]


def _notes_height(notes: Sequence[str]) -> int:
    return 24 + len(notes) * (SMALL + 9)


def _foot(pen: _Pen, notes: Sequence[str], top: int) -> int:
    pen.draw.line((MARGIN, top, WIDTH - MARGIN, top), RULE, 2)
    top += 24
    for line in notes:
        pen.text(MARGIN, top, line, SMALL, FAINT)
        top += SMALL + 9
    return top


def _overview_size(picture: Picture) -> tuple[int, int]:
    """(height, width) of the whole photo, scaled."""
    factor = min(_OVERVIEW / picture.width, _OVERVIEW / picture.height, 1.0)
    return max(1, round(picture.height * factor)), max(1, round(picture.width * factor))


def _row_height(entry: Entry) -> int:
    return HEADING + 12 + len(entry.facts) * (SMALL + 8) + 16


def _summary_height(sheet: Sheet) -> int:
    table = 40 + sum(_row_height(entry) for entry in sheet.entries)
    return max(_overview_size(sheet.entries[0].picture)[0] + SMALL + 14, table) + 30


def _summary(pen: _Pen, sheet: Sheet, boxes: Sequence[Box], top: int, say: Say) -> int:
    """The whole photo with the places of the crops, beside it the table of all entries."""
    original = sheet.entries[0].picture
    height, width = _overview_size(original)
    pen.text(MARGIN, top, say("sheet.overview"), SMALL, FAINT)
    above = top + SMALL + 14
    whole = Image.fromarray(to_8_bit(original.pixels))
    pen.image.paste(whole.resize((width, height), Image.Resampling.BOX), (MARGIN, above))
    factor = width / original.width
    for number, (box_top, left, bottom, right) in enumerate(boxes, start=1):
        corner = MARGIN + round(left * factor), above + round(box_top * factor)
        far = MARGIN + round(right * factor), above + round(bottom * factor)
        pen.draw.rectangle((*corner, *far), outline="white", width=4)
        pen.draw.rectangle((*corner, *far), outline=ACCENT, width=2)
        pen.draw.rectangle((*corner, corner[0] + 22, corner[1] + 26), ACCENT)
        pen.text(corner[0] + 6, corner[1] + 5, str(number), SMALL, (255, 255, 255), bold=True)
    _table(pen, sheet.entries, top, MARGIN + _OVERVIEW + 40, say)
    return top + _summary_height(sheet)


def _table(pen: _Pen, entries: Sequence[Entry], top: int, left: int, say: Say) -> None:
    right = WIDTH - MARGIN
    scored = any(entry.figures for entry in entries)
    edges = [right - _FIGURE * (len(_FIGURES) - 1 - index) for index in range(len(_FIGURES))]
    for (name, _), edge in zip(_FIGURES, edges, strict=True):
        if scored:
            pen.text(edge, top, pen.fitted(say(_HEADS[name]), SMALL, _FIGURE - 10), SMALL, FAINT, anchor="rs")
    top += 40
    for entry in entries:
        pen.draw.line((left, top - 12, right, top - 12), RULE, 2)
        room = (edges[0] - _FIGURE if scored else right) - left
        pen.text(left, top, pen.fitted(entry.title, HEADING, room, bold=True), HEADING, bold=True)
        for (name, form), edge in zip(_FIGURES, edges, strict=True):
            if entry.figures:
                value = entry.figures.get(name, math.nan)
                pen.text(edge, top, form.format(value) if math.isfinite(value) else "-", HEADING, anchor="rs")
        line = top + HEADING + 12
        for fact in entry.facts:
            pen.text(left, line, pen.fitted(fact, SMALL, right - left), SMALL, FAINT)
            line += SMALL + 8
        top += _row_height(entry)


def _crops(pen: _Pen, entries: Sequence[Entry], box: Box, number: int, top: int, say: Say) -> int:
    """A row: the same place of every entry, pixel for pixel."""
    box_top, left, bottom, right = box
    size = {"number": number, "width": right - left, "height": bottom - box_top, "left": left, "top": box_top}
    pen.text(MARGIN, top, say("sheet.crop").format(**size), TEXT)
    top += TEXT + 12
    step = _column_width(len(entries)) + GAP
    for index, entry in enumerate(entries):
        across = MARGIN + index * step
        pen.text(across, top, pen.fitted(entry.title, SMALL, step - GAP, bold=True), SMALL, bold=True)
        pen.image.paste(Image.fromarray(_shown(entry.picture, box)), (across, top + SMALL + 10))
    return top + SMALL + 10 + (bottom - box_top) + 28


def _shown(picture: Picture, box: Box) -> NDArray[np.uint8]:
    top, left, bottom, right = box
    pixels = to_8_bit(picture.pixels[top:bottom, left:right])
    if picture.alpha is None:
        return pixels
    return on_white(pixels, to_8_bit(picture.alpha[top:bottom, left:right]))


def _column_width(count: int) -> int:
    return (WIDTH - 2 * MARGIN - (count - 1) * GAP) // count


def _boxes(sheet: Sheet, room: int, rows: int | None) -> list[Box]:
    """Where the crops lie: around the places asked for, else where results differ most from the original."""
    original = sheet.entries[0].picture
    count = rows or (3 if len(sheet.entries) <= 4 else 4)
    width = min(_column_width(len(sheet.entries)), original.width)
    frame = TEXT + 12 + SMALL + 10 + 28
    height = min((room - _summary_height(sheet)) // count - frame, round(1.2 * width), original.height)
    if sheet.places:
        return [_around(y, x, height, width, original) for y, x in sheet.places[:count]]
    changed = _changes(sheet.entries)
    boxes: list[Box] = []
    while len(boxes) < count and (found := _most_changed(changed, height, width, original)):
        boxes.append(found)
        top, left, bottom, right = (edge // _BLOCK for edge in found)
        changed[top : bottom + 1, left : right + 1] = -math.inf
    return boxes


def _around(y: int, x: int, height: int, width: int, picture: Picture) -> Box:
    top = min(max(0, y - height // 2), picture.height - height)
    left = min(max(0, x - width // 2), picture.width - width)
    return top, left, top + height, left + width


def _changes(entries: Sequence[Entry]) -> NDArray[np.float64]:
    """(rows, columns) of blocks of 32 pixels: how much structure, not mean colour, the results changed in each."""
    original = entries[0].picture
    rows, columns = -(-original.height // _BLOCK), -(-original.width // _BLOCK)
    changed = np.zeros((rows, columns))
    for entry in (entry for entry in entries if entry.made):
        for row in range(rows):
            strip = slice(row * _BLOCK, (row + 1) * _BLOCK)
            before, after = (to_8_bit(picture.pixels[strip]) for picture in (original, entry.picture))
            difference = (after.astype(np.float32) - before).mean(2)
            padded = np.pad(difference, ((0, 0), (0, columns * _BLOCK - original.width)), mode="edge")
            changed[row] += padded.reshape(len(padded), columns, _BLOCK).std((0, 2))
    return changed


def _most_changed(changed: NDArray[np.float64], height: int, width: int, picture: Picture) -> Box | None:
    """The box with the largest sum of changes that holds no block that is taken; None where there is no room left."""
    rows, columns = max(1, height // _BLOCK), max(1, width // _BLOCK)
    windows = np.lib.stride_tricks.sliding_window_view(changed, (rows, columns))
    sums = windows.sum((2, 3))
    row, column = np.unravel_index(int(sums.argmax()), sums.shape)
    if not math.isfinite(sums[row, column]):
        return None
    middle = int(row) * _BLOCK + rows * _BLOCK // 2, int(column) * _BLOCK + columns * _BLOCK // 2
    return _around(*middle, height, width, picture)
