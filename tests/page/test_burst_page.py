"""Several photos of one screen on the page: offered where a model remembers, and compared like any result."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import inviting
from looks import VIEWER, assert_shows
from playwright.sync_api import Browser
from serving import ROOT, serving
from visitors import PHONE, Invite, Server, Visitor

from demoire.images import decode

pytestmark = pytest.mark.browser


@pytest.fixture
def server(remembering_server: Server) -> Server:
    """The one that visitors come to."""
    return remembering_server


def give(visitor: Visitor, photos: list[Path]) -> None:
    visitor.page.set_input_files(".photo-input", photos)
    visitor.reach("ready")
    visitor.page.wait_for_function(f"document.querySelectorAll('.photos li').length === {len(photos)}")


def facts(visitor: Visitor) -> list[str]:
    """What the captions of the panes say."""
    return visitor.page.locator(f"{VIEWER} .cell-facts").all_inner_texts()


def test_photos_dropped_together_become_one_as_on_the_command_line(
    visit: Invite, shots: list[Path], remembering_models: Path, tmp_path: Path
) -> None:
    visitor = visit()
    give(visitor, shots[:3])
    page = visitor.page
    visitor.tick("cnn")
    assert page.is_hidden(".burst") and page.is_visible("#restore-all")
    visitor.tick("cnn", "rnn")
    assert page.is_visible(".burst") and page.is_hidden("#restore-all")
    assert page.inner_text(".burst") == "A burst: the RNN makes one better photo of these 3, the one shown"
    visitor.restore()
    said = facts(visitor)
    assert "photos" not in said[1] and said[2].startswith("of 3 photos · ")
    file = visitor.download(tmp_path, f"{VIEWER} .cell[data-key=result-2] .take")
    command = [sys.executable, "-m", "demoire", "restore", *map(str, shots[:3]), "--burst", "--chosen", "1"]
    command += ["--model", "rnn", "-o", str(tmp_path / "command.png"), "--weights", str(remembering_models)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=600)
    assert file.read_bytes() == (tmp_path / "command.png").read_bytes()
    assert_shows(visitor, "result-2", decode(file).pixels)


def test_another_photo_is_chosen_and_one_alone_stands_beside_it(visit: Invite, shots: list[Path]) -> None:
    visitor = visit()
    give(visitor, shots[:3])
    page = visitor.page
    page.click(".photos li:nth-child(2) button")
    page.wait_for_function("document.querySelector('.photo-name')?.textContent === 'shot 1.png'")
    visitor.tick("rnn")
    visitor.restore()
    page.uncheck(".burst input")
    assert page.is_visible("#restore-all")
    page.click("#restore")
    page.wait_for_selector(f"{VIEWER} .cell[data-key=result-2][data-state=done]")
    visitor.finish()
    said = facts(visitor)
    assert said[1].startswith("of 3 photos · ")
    assert "one frame: as the CNN; add 2–10 photos for more" in said[2]
    assert page.locator(".photos [aria-pressed=true]").inner_text().startswith("shot 1")


def test_what_does_not_belong_is_told_and_a_link_keeps_how_many_photos(
    visit: Invite, shots: list[Path], browser: Browser, server: Server
) -> None:
    visitor = visit()
    give(visitor, shots)
    visitor.tick("rnn")
    assert "of these 4," in visitor.page.inner_text(".burst")  # the fifth has another size
    visitor.restore()
    assert facts(visitor)[1].startswith("of 3 photos · ")
    assert "were left out" in visitor.page.inner_text(".status")
    visitor.page.click(".share-open")
    visitor.page.click(".share-make")
    visitor.page.wait_for_selector(".share[data-phase=done]")
    address = visitor.page.input_value(".share-link")
    with inviting(browser, server.address) as invite:
        guest = invite()
        guest.page.goto(address)
        guest.page.wait_for_selector("#viewer-shared .stage[data-complete=yes]")
        assert "of 3 photos" in guest.page.inner_text("#viewer-shared .cell[data-key=result-1] .cell-facts")


def test_chinese_on_a_phone_and_one_photo_alone(visit: Invite, shots: list[Path]) -> None:
    visitor = visit(locale="zh-CN", **PHONE)
    page = visitor.page
    give(visitor, shots[:2])
    visitor.tick("rnn")
    assert page.inner_text(".burst") == "连拍：由 RNN 用这 2 张照片改善当前这一张"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    visitor.restore()
    shown: list[Any] = page.evaluate("window.demoire && [...document.querySelectorAll('.cell')].map((c) => c.title)")
    assert any("由 2 张照片合成" in title for title in shown)
    visitor.give(shots[0])
    page.wait_for_function("document.documentElement.dataset.photos === 'one'")
    assert page.is_hidden(".burst")
    visitor.restore()
    shown = page.evaluate("[...document.querySelectorAll('.cell')].map((cell) => cell.title)")
    assert any("仅一张：与 CNN 相同；添加 2–10 张照片效果更好" in title for title in shown)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_without_a_model_that_remembers_nothing_of_it_shows(
    browser: Browser, models: Path, tmp_path: Path, shots: list[Path]
) -> None:
    settings = {"DEMOIRE_WEIGHTS": str(models)}  # its "rnn" sees one photo at a time
    with serving(tmp_path, settings) as plain, inviting(browser, plain.address) as invite:
        visitor = invite()
        give(visitor, shots[:2])
        visitor.tick("rnn")
        assert visitor.page.is_hidden(".burst") and visitor.page.is_visible("#restore-all")
        visitor.restore()
        assert "frame" not in facts(visitor)[1] and "photos" not in facts(visitor)[1]
        assert "burst" not in visitor.text().lower()
