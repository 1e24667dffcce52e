"""What detector and discriminator say, as visitors see it: a line for each photo, maps over the pictures, a number."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from conftest import inviting
from gradio_client import Client, handle_file
from looks import VIEWER, Bytes, Place, assert_shows, canvas, expected, settled
from photos import banded
from PIL import Image
from playwright.sync_api import Browser
from serving import serving
from visitors import DESKTOP, PHONE, Invite, Server, Visitor

from demoire.detect import CELL, detect
from demoire.images import decode
from demoire.judge import judge
from demoire.loading import ModelCache
from demoire.ui.overlays import mask_picture, patches_picture
from tests.tiny import write_detector, write_discriminator

pytestmark = pytest.mark.browser

MOIRE, CLEAN = banded(404, 604), banded(404, 604, period=1e9)
LINE = ".moire-line[data-looked=done]"


@pytest.fixture(scope="module")
def telling(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The models of other pages, with a detector that tells MOIRE from CLEAN, and a discriminator."""
    folder = tmp_path_factory.mktemp("telling") / "weights"
    shutil.copytree(models, folder)
    write_detector(folder, CLEAN, MOIRE)
    write_discriminator(folder)
    return folder


@pytest.fixture(scope="module")
def telling_server(telling: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("telling-server"), {"DEMOIRE_WEIGHTS": str(telling)}) as running:
        yield running


@pytest.fixture
def visit_telling(browser: Browser, telling_server: Server) -> Iterator[Invite]:
    with inviting(browser, telling_server.address) as invite:
        yield invite


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pictures")
    paths = {"moire": folder / "moire.png", "clean": folder / "clean.png"}
    for path, pixels in zip(paths.values(), (MOIRE, CLEAN), strict=True):
        Image.fromarray(pixels).save(path)
    return paths


def laid(picture: Bytes, overlay: Bytes, cell: int) -> Bytes:
    """A picture with a map of (h, w, 4) over it, each of whose pixels covers ``cell`` x ``cell``."""
    height, width = picture.shape[:2]
    large = overlay.repeat(cell, 0).repeat(cell, 1)[:height, :width].astype(float)
    share = large[..., 3:] / 255
    return np.rint(picture * (1 - share) + large[..., :3] * share).astype(np.uint8)


def assert_nearly_shows(visitor: Visitor, pane: str, picture: Bytes) -> None:
    """Waits, since tiles of a place may still be on their way."""
    for _ in range(60):
        at, shown = settled(visitor), canvas(visitor, pane)
        if nearly(shown, picture, at):
            return
        visitor.page.wait_for_timeout(250)
    raise AssertionError(f"{pane} does not show the picture with its map")


def nearly(shown: Bytes, picture: Bytes, at: Place) -> bool:
    """Browsers blend in 8 bits."""
    return int(np.abs(shown.astype(int) - expected(picture, at, shown.shape)).max()) <= 3


def rgba(picture: object) -> Bytes:
    return np.dstack((picture.pixels, picture.alpha))  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("locale", "words", "none"),
    [
        ("en-US", r"Moiré: (weak|medium|strong), \d+ % of the picture", "No moiré found: results will look the same."),
        ("zh-CN", r"摩尔纹：(弱|中等|强)，占画面 \d+ %", "未发现摩尔纹：处理前后看起来会一样。"),
    ],
)
def test_a_photo_gets_one_line_and_is_refused_in_no_case(
    locale: str, words: str, none: str, visit_telling: Invite, pictures: dict[str, Path], telling: Path
) -> None:
    visitor = visit_telling(locale, **DESKTOP)
    visitor.give(pictures["moire"])
    visitor.page.wait_for_selector(LINE)
    line = visitor.page.inner_text(".moire-line")
    assert re.fullmatch(words, line)
    found = detect(decode(pictures["moire"]), ModelCache(weights=telling))
    assert f"{100 * found.area:.0f} %" in line
    assert visitor.page.get_attribute("html", "data-phase") == "ready"
    visitor.give(pictures["clean"])
    visitor.page.wait_for_selector(f".moire-line:has-text('{none}')")
    assert not visitor.page.is_visible(f"{VIEWER} .maps")
    visitor.restore()
    assert visitor.page.inner_text(".moire-line") == none


def test_the_mask_lies_over_the_original_until_it_is_switched_off(
    visit_telling: Invite, pictures: dict[str, Path], telling: Path
) -> None:
    visitor = visit_telling()
    page = visitor.page
    visitor.give(pictures["moire"])
    page.wait_for_selector(LINE)
    assert_shows(visitor, "original", MOIRE)
    button = page.locator(f"{VIEWER} [data-map=mask]")
    assert button.get_attribute("aria-pressed") == "false" and not page.is_visible(f"{VIEWER} [data-map=patches]")
    button.click()
    found = detect(decode(pictures["moire"]), ModelCache(weights=telling))
    masked = laid(MOIRE, rgba(mask_picture(found.mask)), CELL)
    for percent in ("100", "200"):
        page.fill(f"{VIEWER} .zoom", percent)
        page.press(f"{VIEWER} .zoom", "Enter")
        assert_nearly_shows(visitor, "original", masked)
    assert button.get_attribute("aria-pressed") == "true"
    assert page.inner_text(f"{VIEWER} [data-legend=mask]").strip() == "Moiré, as far as the detector sees it"
    assert page.evaluate("window.demoire.views.restore().mask") is True
    page.locator(f"{VIEWER} .stage").press("1")
    page.keyboard.press("m")
    settled(visitor)
    assert_shows(visitor, "original", MOIRE)
    assert not page.is_visible(f"{VIEWER} [data-legend=mask]")


def test_results_are_judged_and_their_patches_shown_on_demand(
    visit_telling: Invite, pictures: dict[str, Path], telling: Path, tmp_path: Path
) -> None:
    visitor = visit_telling()
    page = visitor.page
    visitor.give(pictures["moire"])
    visitor.tick("cnn", "gan")
    visitor.restore()
    page.wait_for_selector(f"{VIEWER} .cell[data-key=result-2]:has-text('looks like a clean photo')")
    result = Image.open(visitor.download(tmp_path))
    said = judge(decode(tmp_path / "moire_demoired_cnn.png"), decode(pictures["moire"]), ModelCache(weights=telling))
    label = page.inner_text(f"{VIEWER} .cell[data-key=result-1] .cell-figures")
    assert label == f"looks like a clean photo: {100 * said.probability:.0f} %"
    page.locator(f"{VIEWER} .stage").press("1")
    page.keyboard.press("p")
    judged = laid(np.asarray(result), rgba(patches_picture(said.patches)), said.cell)
    assert_nearly_shows(visitor, "result-1", judged)
    assert_shows(visitor, "original", MOIRE)
    assert page.is_visible(f"{VIEWER} [data-legend=patches]")
    page.keyboard.press("m")
    page.click(f"{VIEWER} [data-mode=split]")
    at = settled(visitor)
    shown = canvas(visitor, "both")
    half = shown.shape[1] // 2
    left = laid(MOIRE, rgba(mask_picture(detect(decode(pictures["moire"]), ModelCache(weights=telling)).mask)), CELL)
    assert nearly(shown[:, : half - 1], left, at)
    state = page.evaluate("window.demoire.views.restore()")
    assert (state["mask"], state["patches"]) == (True, True)


def test_several_photos_have_each_its_line(visit_telling: Invite, pictures: dict[str, Path]) -> None:
    visitor = visit_telling()
    visitor.page.set_input_files(".photo-input", list(pictures.values()))
    visitor.reach("ready")
    visitor.page.wait_for_selector(".photos li:nth-child(2) small")
    short = visitor.page.locator(".photos small").all_inner_texts()
    assert re.fullmatch(r"(weak|medium|strong), \d+ %", short[0]) and short[1] == "no moiré"
    assert visitor.page.inner_text(".moire-line").startswith("Moiré: ")
    visitor.page.click(".photos li:nth-child(2) button")
    visitor.page.wait_for_selector(".moire-line:has-text('No moiré found')")


def test_a_detector_that_fails_says_so_in_a_sentence(
    browser: Browser, telling: Path, pictures: dict[str, Path], tmp_path: Path
) -> None:
    weights = tmp_path / "weights"
    shutil.copytree(telling, weights)
    for name in ("detector", "discriminator"):
        (weights / name / "model.safetensors").write_bytes(b"damaged")
    with serving(tmp_path, {"DEMOIRE_WEIGHTS": str(weights)}) as server, inviting(browser, server.address) as invite:
        visitor = invite()
        visitor.give(pictures["moire"])
        visitor.page.wait_for_selector(".moire-line[data-looked=failed]")
        assert visitor.page.inner_text(".moire-line").startswith("Whether there is moiré could not be told")
        visitor.restore()
        assert visitor.page.get_attribute("html", "data-phase") == "done"


def test_without_a_detector_there_is_no_line(visit: Invite, pictures: dict[str, Path]) -> None:
    visitor = visit()
    visitor.give(pictures["moire"])
    visitor.restore()
    assert not visitor.page.is_visible(".moire-line") and not visitor.page.is_visible(f"{VIEWER} .maps")


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
def test_lines_maps_and_legends_fit_a_phone(locale: str, visit_telling: Invite, pictures: dict[str, Path]) -> None:
    visitor = visit_telling(locale, **PHONE)
    visitor.give(pictures["moire"])
    visitor.page.wait_for_selector(LINE)
    visitor.restore()
    visitor.page.wait_for_selector(f"{VIEWER} [data-map=patches]", state="visible")
    for kind in ("mask", "patches"):
        visitor.page.click(f"{VIEWER} [data-map={kind}]")
    settled(visitor)
    assert visitor.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_an_answer_that_was_overtaken_is_not_shown(visit: Invite) -> None:
    """Writing the download and judging the result tell the same viewer, side by side."""
    script = """stamps => {
        const taken = [];
        const take = demoire.newest((value) => taken.push(value.stamp));
        for (const stamp of stamps) take({ stamp });
        return taken;
    }"""
    assert visit().page.evaluate(script, [1, 3, 2, 3, 4]) == [1, 3, 3, 4]


def test_programs_and_links_are_told_the_same(
    visit_telling: Invite, telling_server: Server, pictures: dict[str, Path], telling: Path, tmp_path: Path
) -> None:
    client = Client(telling_server.address, verbose=False, download_files=tmp_path / "got", analytics_enabled=False)
    photo = handle_file(pictures["moire"])
    models = ModelCache(weights=telling)
    found = asdict(detect(decode(pictures["moire"]), models).moire)
    restored, facts = client.predict(photo, model="gan", kind="png", api_name="/restore")
    clean = round(judge(decode(Path(restored)), decode(pictures["moire"]), models).probability, 4)
    assert {name: facts[name] for name in found} == found and facts["looks_clean"] == clean
    _, _, facts = client.predict(photo, models="gan", reference=None, language="en", api_name="/compare")
    assert {name: facts[name] for name in found} == found and facts["results"][0]["looks_clean"] == clean
    assert client.predict(photo, api_name="/detect")["level"] == found["level"]
    made = client.predict(photo, models="gan", original=True, api_name="/share")
    visitor = visit_telling()
    visitor.page.goto(f"{telling_server.address}/?r={made['link'].rpartition('/')[2]}")
    visitor.page.wait_for_selector(f".cell-figures:has-text('looks like a clean photo: {100 * clean:.0f} %')")
    assert visitor.page.locator(".cell[data-key=original] .cell-figures").inner_text().startswith("Moiré: ")
