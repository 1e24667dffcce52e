"""The text benchmark: distances, error rates, pages, Tesseract."""

import math
import shutil
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from demoire import ocr
from demoire.cli import main
from demoire.errors import DataError
from demoire.fonts import FontBook
from demoire.ocr import BEFORE, TARGET, TextCase, TextScore, edit_distance, make_cases, normalise, score_case, summarise
from demoire.training.typeset import Canvas

FONTS = FontBook.find()
needs_fonts = pytest.mark.skipif(not (FONTS.has("zh") and FONTS.has("sans")), reason="needs Latin and Chinese fonts")
needs_tesseract = pytest.mark.skipif(shutil.which("tesseract") is None, reason="needs Tesseract")


def by_definition(one: str, two: str) -> int:
    @cache
    def distance(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        changed = distance(i - 1, j - 1) + (one[i - 1] != two[j - 1])
        return min(changed, distance(i - 1, j) + 1, distance(i, j - 1) + 1)

    return distance(len(one), len(two))


def test_edit_distance_is_levenshteins() -> None:
    assert edit_distance("kitten", "sitting") == 3
    assert edit_distance("", "abc") == edit_distance("abc", "") == 3
    rng = np.random.default_rng(0)
    for _ in range(40):
        one, two = ("".join(rng.choice(list("ab屏"), rng.integers(0, 12))) for _ in range(2))
        assert edit_distance(one, two) == by_definition(one, two)


def test_texts_are_compared_without_layout() -> None:
    assert normalise(" two\n words ", "en") == "two words"
    assert normalise("屏 幕\n！", "zh") == "屏幕!"


def test_rates_count_characters_and_changes_count_the_excess() -> None:
    scores = [
        TextScore("en", 100, {BEFORE: 30, TARGET: 0, "m": 10}),
        TextScore("zh", 300, {BEFORE: 80, TARGET: 10, "m": 50}),
    ]
    summary = summarise(scores)
    assert summary.rates == {BEFORE: 110 / 400, TARGET: 10 / 400, "m": 60 / 400}
    assert summary.excess_change == {"m": 0.5 - 1}
    assert math.isnan(summarise([TextScore("en", 10, {BEFORE: 1, TARGET: 1, "m": 0})]).excess_change["m"])


@needs_fonts
def test_pages_are_seeded_photographed_and_their_target_is_calmer() -> None:
    one, two = list(make_cases(2, 3, FONTS))
    again = next(make_cases(1, 3, FONTS))
    assert (one.language, two.language) == ("en", "zh") and len(one.lines) > 8
    np.testing.assert_array_equal(again.moire, one.moire)
    assert again.lines == one.lines and again.clean.shape == one.moire.shape
    corner = (slice(10, 40), slice(10, 300))
    assert one.moire[corner].std((0, 1)).min() > one.clean[corner].std((0, 1)).max()


@needs_fonts
@needs_tesseract
def test_tesseract_reads_a_clean_page_and_bad_pages_count_at_most_one_error_a_character() -> None:
    canvas = Canvas(120, 500, (255, 255, 255), FONTS)
    canvas.text(30, 30, "The picture shows a river", FONTS.faces["sans"][0], 20, (0, 0, 0))
    canvas.text(30, 70, "and a mountain.", FONTS.faces["sans"][0], 20, (0, 0, 0))
    clean = canvas.pixels()
    case = TextCase("en", ("The picture shows a river", "and a mountain."), np.full_like(clean, 255), clean)
    score = score_case(case, {"copy": clean})
    assert score.characters == 41
    assert score.errors[TARGET] <= 1 and score.errors["copy"] == score.errors[TARGET]
    assert score.errors[BEFORE] == 41


def test_missing_reader_language_and_fonts_are_sentences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(DataError, match="needs Latin and Chinese fonts"):
        next(make_cases(1, 1, FontBook.find((str(tmp_path),))))
    assert main(["evaluate-text", "--pages", "0"]) == 1
    assert "--pages must be at least 1" in capsys.readouterr().err
    page = np.full((30, 30, 3), 255, np.uint8)
    if shutil.which("tesseract"):
        with monkeypatch.context() as patch, pytest.raises(DataError, match="install its data"):
            patch.setattr(ocr, "LANGUAGES", {"en": "xyz"})
            ocr.read_text(page, "en")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DataError, match="Tesseract is missing"):
        ocr.read_text(page, "en")
