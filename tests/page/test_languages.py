"""The page speaks the browser's language, all of it, and switches at once without losing anything."""

import re
from pathlib import Path

import pytest
from visitors import Invite, Visitor

pytestmark = pytest.mark.browser

CHINESE = re.compile("[\u4e00-\u9fff]")
#: What is the same in both languages: names, kinds of file, units, and what the run line quotes.
SAME = re.compile(
    r"Demoire|English|JPEG|PNG|WebP|TIFF|HEIC|AVIF|BMP|GIF|PDF|ZIP|MB|MP/s|kMAC/px|CPU|CUDA|MPS|NVIDIA|Apple|CNN|RNN|GAN|Shift|Esc"
    r"|cnn-fast|cpu|float32|other(_demoired)?\.jpg"
)


def latin(visitor: Visitor) -> set[str]:
    """The words in Latin letters that stand on the page and are not the same in every language."""
    return set(re.findall("[A-Za-z]{2,}", SAME.sub("", visitor.text())))


def switch(visitor: Visitor, language: str, button: str, tab: str) -> None:
    """Chooses a language and waits until buttons and tabs speak it: Gradio draws tabs a moment after the rest."""
    visitor.page.click(f"[data-language='{language}']")
    visitor.page.wait_for_selector(f"#restore:has-text('{button}')")
    visitor.page.wait_for_selector(f"[role=tab]:has-text('{tab}')")


def spoken(visitor: Visitor) -> list[str]:
    """The accessible names that are not visible."""
    names = visitor.page.locator("[data-label]")
    return [name.get_attribute("aria-label") or "" for name in names.all()]


def test_a_chinese_browser_sees_no_english(visit: Invite, photos: dict[str, Path]) -> None:
    visitor = visit("zh-CN")
    assert visitor.page.evaluate("document.documentElement.lang") == "zh-CN"
    assert "摩尔纹" in visitor.page.title()
    assert latin(visitor) == set()
    visitor.give(photos["other"])
    visitor.page.click("#settings button")
    visitor.page.wait_for_selector("#format", state="visible")
    assert latin(visitor) == set()
    visitor.restore()
    assert latin(visitor) == set()
    assert all(CHINESE.search(name) for name in spoken(visitor))
    assert CHINESE.search(visitor.page.inner_text("#restore"))


def test_an_english_browser_sees_no_chinese(visit: Invite, photos: dict[str, Path]) -> None:
    visitor = visit("en-GB")
    visitor.give(photos["other"])
    visitor.restore()
    assert not CHINESE.search(visitor.text().replace("中文", ""))
    assert not any(CHINESE.search(name) for name in spoken(visitor))


def test_a_bad_file_is_refused_in_chinese(visit: Invite, tmp_path: Path) -> None:
    visitor = visit("zh-CN")
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no")
    visitor.page.set_input_files(".photo-input", bad)
    visitor.reach("failed")
    assert CHINESE.search(visitor.page.inner_text(".state-text"))
    assert latin(visitor) == set()


def test_the_switch_changes_everything_at_once_and_is_remembered(visit: Invite, photos: dict[str, Path]) -> None:
    visitor = visit("en-US")
    page = visitor.page
    visitor.give(photos["other"])
    visitor.restore()
    switch(visitor, "zh-CN", "修复", "模拟")
    page.wait_for_selector(".runs .download:has-text('下载')")
    assert page.evaluate("document.documentElement.lang") == "zh-CN"
    assert latin(visitor) == set()
    assert page.get_attribute("html", "data-phase") == "done" and page.is_visible(".runs .download")
    page.reload()
    page.wait_for_selector(".drop .choose:has-text('选择照片')")
    page.wait_for_function("document.documentElement.lang === 'zh-CN'")
    visitor.give(photos["other"])
    page.wait_for_selector("#restore:has-text('修复')")
    switch(visitor, "en", "Restore", "Simulate")
    assert not CHINESE.search(visitor.text().replace("中文", ""))
