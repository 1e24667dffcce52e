"""Text benchmark: pages of known text, photographed in the simulator, read by Tesseract before and after restoring.

The clean target is read as well: the errors that remain in it are those of the reader and of the camera's blur, so what
counts is the error rate in excess of it.
"""

import io
import math
import os
import subprocess
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from demoire.errors import DataError
from demoire.fonts import FontBook
from demoire.training import words
from demoire.training.pages import draw_theme
from demoire.training.typeset import Canvas, wrap

if TYPE_CHECKING:
    from demoire.simulate.config import SimulatorConfig

BEFORE = "no processing"
TARGET = "clean target"
LANGUAGES = {"en": "eng", "zh": "chi_sim"}
_HEIGHT, _WIDTH, _MARGIN = 480, 560, 48
_TEXT_SIZES = (11, 12, 13, 14, 15)


@dataclass(frozen=True)
class TextCase:
    """A page of known text and its photo: language (``en``, ``zh``), lines, (H, W, 3) uint8 photo and clean target."""

    language: str
    lines: tuple[str, ...]
    moire: NDArray[np.uint8]
    clean: NDArray[np.uint8]


@dataclass(frozen=True)
class TextScore:
    """Of one page: characters of its text, and character errors for each way to process the photo.

    Errors are the edit distance, at most one for each character: on bands Tesseract invents text without end.
    """

    language: str
    characters: int
    errors: Mapping[str, int]


def text_page(rng: np.random.Generator, language: str, fonts: FontBook) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    """One column of text, (H, W, 3) uint8, and its lines; a fifth of the pages in dark mode."""
    theme = draw_theme(rng, dark_share=0.2)
    canvas = Canvas(_HEIGHT, _WIDTH, theme.paper, fonts, subpixel=bool(rng.random() < 0.5))
    face = fonts.face(rng, "zh" if language == "zh" else str(rng.choice(("sans", "serif"))))
    size = int(rng.choice(_TEXT_SIZES))
    lines: list[str] = []
    top = _MARGIN
    while top + 2 * size < _HEIGHT - _MARGIN:
        text = words.paragraph(rng, language, 3)
        for line in wrap(canvas, text, face, size, _WIDTH - 2 * _MARGIN):
            if top + 2 * size < _HEIGHT - _MARGIN:
                canvas.text(_MARGIN, top, line, face, size, theme.ink)
                lines.append(line)
                top += int(1.7 * size)
    return canvas.pixels(), tuple(lines)


def text_config() -> "SimulatorConfig":
    """The simulator's ranges, with a display that stands nearly upright, is always near a resonance and shows moire."""
    from demoire.simulate.config import SimulatorConfig

    return replace(
        SimulatorConfig(),
        resonances=(1.5, 2.0),
        resonant_share=1.0,
        reductions=((1.0, 1.0, 1.0, 1.0),),
        perspective=(0.0, 0.06),
        rotation=(0.0, math.radians(2)),
        free_rotation_share=0.0,
        psf_sigma=(0.2, 0.45),
        photo_share=0.0,
        untouched_share=0.0,
    )


def make_cases(count: int, seed: int, fonts: FontBook, device: str = "cpu") -> Iterator[TextCase]:
    """Photographs ``count`` pages, English and Chinese in turn; the same seed gives the same pages.

    Raises:
        DataError: there is no font for Chinese, or none at all.
    """
    if not (fonts.has("zh") and fonts.has("sans")):
        raise DataError(f"The text benchmark needs Latin and Chinese fonts. {fonts.complaint()}")
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        language = tuple(LANGUAGES)[number % len(LANGUAGES)]
        pixels, lines = text_page(rng, language, fonts)
        moire, clean = _photograph(pixels, rng, device)
        yield TextCase(language, lines, moire, clean)


def _photograph(
    pixels: NDArray[np.uint8], rng: np.random.Generator, device: str
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Photo and target of a whole page."""
    import torch

    from demoire.simulate.picture import photograph, picture_of

    captures = photograph(pixels, text_config(), rng, torch.device(device)).captures
    return picture_of(captures.moire), picture_of(captures.clean)


def read_text(picture: NDArray[np.uint8], language: str) -> str:
    """What Tesseract reads in one block of text.

    Args:
        picture: (H, W, 3) uint8.
        language: ``en`` or ``zh``.

    Raises:
        DataError: Tesseract, or its data for the language, is not installed.
    """
    stream = io.BytesIO()
    Image.fromarray(picture).convert("L").save(stream, "PNG", compress_level=1)
    command = ["tesseract", "stdin", "stdout", "-l", LANGUAGES[language], "--psm", "6", "--dpi", "150"]
    try:
        done = subprocess.run(
            command,
            input=stream.getvalue(),
            capture_output=True,
            check=True,
            env={**os.environ, "OMP_THREAD_LIMIT": "1"},
        )
    except FileNotFoundError as error:
        raise DataError(
            "Tesseract is missing; install it with English and simplified Chinese "
            "(on Debian tesseract-ocr and tesseract-ocr-chi-sim)."
        ) from error
    except subprocess.CalledProcessError as error:
        reason = (error.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"])[-1]
        raise DataError(f"Tesseract cannot read '{LANGUAGES[language]}' ({reason}); install its data.") from error
    return done.stdout.decode(errors="replace")


def normalise(text: str, language: str) -> str:
    """Text as it is compared: compatibility forms unified, white space reduced to one space, in Chinese to none."""
    joint = "" if language == "zh" else " "
    return joint.join(unicodedata.normalize("NFKC", text).split())


def edit_distance(one: str, two: str) -> int:
    """Fewest insertions, deletions and substitutions that turn one text into the other (Levenshtein)."""
    codes = np.array([ord(character) for character in two], np.int64)
    steps = np.arange(len(two) + 1)
    row = steps.copy()
    for character in one:
        changed = np.minimum(row[1:] + 1, row[:-1] + (codes != ord(character)))
        # Insertions run along the row: the cheapest start to the left plus one for each step from there.
        row = np.minimum.accumulate(np.concatenate(([row[0] + 1], changed)) - steps) + steps
    return int(row[-1])


def score_case(case: TextCase, restored: Mapping[str, NDArray[np.uint8]]) -> TextScore:
    """Reads the photo, the target and the restored pictures, which are named by their models.

    Raises:
        DataError: as of ``read_text``.
    """
    truth = normalise(" ".join(case.lines), case.language)
    pictures = {BEFORE: case.moire, TARGET: case.clean, **restored}
    errors = {
        name: min(edit_distance(truth, normalise(read_text(picture, case.language), case.language)), len(truth))
        for name, picture in pictures.items()
    }
    return TextScore(case.language, len(truth), errors)


@dataclass(frozen=True)
class TextSummary:
    """Over some pages: how many, and for each way of processing the character error rate and the change of its excess.

    Attributes:
        pages: how many.
        rates: errors per character of the text.
        excess_change: how the rate in excess of the clean target's compares with no processing, e.g. -0.4 for 40 %
            fewer errors; NaN where the photos are read as well as the target.
    """

    pages: int
    rates: Mapping[str, float]
    excess_change: Mapping[str, float]


def summarise(scores: Sequence[TextScore]) -> TextSummary:
    """Error rates over all characters of the pages."""
    characters = sum(score.characters for score in scores)
    totals = {name: sum(score.errors[name] for score in scores) for name in scores[0].errors}
    excess = totals[BEFORE] - totals[TARGET]
    changes = {
        name: (total - totals[TARGET]) / excess - 1 if excess > 0 else math.nan
        for name, total in totals.items()
        if name not in (BEFORE, TARGET)
    }
    return TextSummary(len(scores), {name: total / characters for name, total in totals.items()}, changes)
