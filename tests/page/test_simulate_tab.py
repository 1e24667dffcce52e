"""The tab that photographs clean pictures, in Chromium."""

from pathlib import Path

import pytest
from photos import banded
from PIL import Image
from visitors import PHONE, Invite, Visitor

pytestmark = pytest.mark.browser

DONE = "#demoire-simulate [data-text='simulate.link']:not([hidden])"


def enter(visitor: Visitor, title: str) -> None:
    visitor.page.get_by_role("tab", name=title).click()
    visitor.page.wait_for_selector("#simulate-run", state="visible")


def number(visitor: Visitor, name: str) -> float:
    return float(visitor.page.input_value(f"#simulate-{name} input[type=number]"))


def test_a_picture_is_photographed_restored_and_scored(visit: Invite, tmp_path: Path) -> None:
    Image.fromarray(banded(60, 90)).save(tmp_path / "clean.png")
    visitor = visit()
    enter(visitor, "Simulate")
    easel = visitor.page.locator(".easel img")
    visitor.page.wait_for_function("document.querySelector('.easel img')?.naturalWidth === 750")
    assert easel.is_visible() and "Press “Photograph and restore”" in visitor.page.inner_text(".easel")
    visitor.page.set_input_files(".scene-input", tmp_path / "clean.png")
    visitor.page.wait_for_function("document.querySelector('.scene-name')?.textContent.includes('clean.png')")
    visitor.page.wait_for_function("document.querySelector('.easel img')?.naturalWidth === 90")
    assert (easel.bounding_box() or {}).get("width") == 90, "at its own pixels"
    visitor.page.click("#simulate-run")
    visitor.page.wait_for_selector(DONE)
    assert not easel.is_visible()
    text = visitor.page.inner_text("#viewer-simulate")
    for words in ("Capture", "CNN", "Target", "Moiré", "PSNR", "dB", "SSIM"):
        assert words in text
    assert "Figures are against the target" in visitor.page.inner_text(".scene-state")


def test_a_link_keeps_the_settings(visit: Invite, tmp_path: Path) -> None:
    Image.fromarray(banded(60, 90)).save(tmp_path / "clean.png")
    visitor = visit()
    enter(visitor, "Simulate")
    visitor.page.set_input_files(".scene-input", tmp_path / "clean.png")
    visitor.page.click("#simulate-surprise")
    visitor.page.wait_for_selector(DONE)
    names = ("scale", "angle", "perspective", "blur", "noise", "jpeg", "reduction", "seed")
    settings = [number(visitor, name) for name in names]
    assert settings[-1] != 1
    other = visit()
    other.page.goto(visitor.page.get_attribute(DONE, "href") or "")
    other.page.wait_for_selector("#simulate-run", state="visible")
    other.page.wait_for_function(
        "seed => document.querySelector('#simulate-seed input').value === seed", arg=f"{settings[-1]:g}"
    )
    assert [number(other, name) for name in names] == settings


def test_a_broken_picture_is_refused_in_chinese_on_a_phone(visit: Invite, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    visitor = visit(locale="zh-CN", **PHONE)
    enter(visitor, "模拟")
    visitor.page.set_input_files(".scene-input", tmp_path / "broken.png")
    visitor.page.wait_for_function("document.querySelector('.scene-state')?.textContent.includes('无法读取这个文件')")
    assert visitor.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert "拍摄并修复" in visitor.page.inner_text("#simulator-settings")
