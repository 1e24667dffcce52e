"""The colours of the page are told apart well enough (WCAG 2.2, AA)."""

import re

import pytest

from demoire.ui.theme import COLOURS, stylesheet


def luminance(colour: str) -> float:
    """Relative luminance as WCAG defines it."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_contrast_of_black_and_white_is_21() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("front", "back"),
    [(front, back) for front in ("ink", "muted") for back in ("page", "surface", "well")]
    + [("alarm", "surface"), ("action-ink", "action"), ("action-ink", "action-hover")],
)
def test_text_has_4_5_to_1(front: str, back: str, mode: int) -> None:
    assert contrast(COLOURS[front][mode], COLOURS[back][mode]) >= 4.5


@pytest.mark.parametrize("mode", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("front", "back"),
    [("edge", "page"), ("edge", "surface"), ("focus", "page"), ("action", "page"), ("checked", "surface")],
)
def test_edges_of_controls_have_3_to_1(front: str, back: str, mode: int) -> None:
    assert contrast(COLOURS[front][mode], COLOURS[back][mode]) >= 3


def test_the_stylesheet_knows_every_colour_that_it_uses_and_fetches_nothing() -> None:
    css = stylesheet()
    used = set(re.findall(r"var\(--([a-z-]+)[,)]", css))
    assert used - set(COLOURS) == {"fringe", "split", "columns", "rows"}
    assert "url(" not in css and "@import" not in css
