"""The main job in a real browser: a photo in, the file out that the command line writes; and all that may fail."""

import re
from pathlib import Path

import numpy as np
import pytest
from photos import banded
from PIL import Image
from visitors import DESKTOP, PHONE, Invite, Server, Visitor

pytestmark = pytest.mark.browser

DROP = """([bytes, name]) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([new Uint8Array(bytes)], name, { type: "image/jpeg" }));
  for (const type of ["dragenter", "dragover", "drop"]) {
    document.body.dispatchEvent(new DragEvent(type, { dataTransfer: transfer, bubbles: true, cancelable: true }));
  }
}"""


def test_the_first_screen_says_what_this_is(visit: Invite) -> None:
    visitor = visit()
    assert visitor.page.locator("h1").all_inner_texts() == ["Takes the moiré out of photos of screens."]
    assert visitor.page.title() == "Demoire: remove moiré from photos of screens"
    assert visitor.page.evaluate("document.documentElement.lang") == "en"
    for control in ("#restore", "#cancel", ".runs", "#viewer-restore .stage"):
        assert not visitor.page.is_visible(control)


def test_no_model_is_loaded_before_it_is_asked_for(
    fresh_server: Server, visit_fresh: Invite, photos: dict[str, Path]
) -> None:
    visitor = visit_fresh()
    assert not fresh_server.loaded("libtorch")
    visitor.give(photos["jpeg"])  # asks for the detector, if there is one
    visitor.restore()
    assert fresh_server.loaded("libtorch")


def test_a_dropped_photo_comes_back_as_the_command_line_writes_it(
    visit: Invite, photos: dict[str, Path], restored: Path, tmp_path: Path
) -> None:
    visitor = visit()
    photo = photos["jpeg"]
    visitor.page.evaluate(DROP, [list(photo.read_bytes()), photo.name])
    visitor.reach("ready")
    assert photo.name in visitor.text()
    visitor.restore()
    facts = visitor.page.locator(".runs").inner_text()
    for part in ("CNN", "cpu", "float32", "tiles: 1", "bundled", "我的 照片(1)_demoired.jpg"):
        assert part in facts
    file = visitor.download(tmp_path)
    assert file.name == "我的 照片(1)_demoired.jpg"
    assert file.read_bytes() == (restored / file.name).read_bytes()


@pytest.mark.parametrize("kind", ["rotated", "deep", "alpha", "heic"])
def test_every_kind_of_file_is_shown_and_comes_back_as_the_command_line_writes_it(
    kind: str, visit: Invite, photos: dict[str, Path], restored: Path, tmp_path: Path
) -> None:
    visitor = visit()
    visitor.give(photos[kind])
    size = "203 × 307" if kind == "rotated" else "307 × 203"
    assert size in visitor.page.locator(".photo-facts").inner_text()
    visitor.restore()
    file = visitor.download(tmp_path)
    assert file.read_bytes() == (restored / file.name).read_bytes()


def test_the_download_changes_its_kind_without_another_run(
    visit: Invite, photos: dict[str, Path], tmp_path: Path
) -> None:
    visitor = visit()
    visitor.give(photos["jpeg"])
    visitor.restore()
    visitor.page.click("#settings button")
    visitor.page.click("#format label:has-text('PNG')")
    visitor.page.wait_for_selector(".runs:has-text('_demoired.png')")
    file = visitor.download(tmp_path)
    assert file.suffix == ".png"
    with Image.open(file) as picture:
        assert picture.format == "PNG" and picture.size == (307, 203)


def test_an_example_is_one_click_away(visit: Invite) -> None:
    visitor = visit()
    visitor.page.click("[data-example=sheet]")
    visitor.reach("ready")
    assert "1000 × 750" in visitor.text()


def test_a_photo_without_moire_is_looked_over_and_left_as_it_is(visit_fresh: Invite, tmp_path: Path) -> None:
    blobs = np.random.default_rng(1).integers(40, 220, (12, 16, 3), np.uint8)
    Image.fromarray(blobs).resize((2400, 1800), Image.Resampling.BICUBIC).save(tmp_path / "clean.png")
    visitor = visit_fresh()
    visitor.give(tmp_path / "clean.png")
    visitor.page.click("#restore")
    visitor.page.wait_for_selector(".state-name:has-text('Looking for moire')")
    looked = visitor.page.locator(".state-text").inner_text()
    assert re.fullmatch(r"\d+ % of the photo; none so far", looked)
    visitor.finish()
    assert "the picture was left as it is" in visitor.text()


def _one_works_one_is_ready(visit: Invite, photos: dict[str, Path], tmp_path: Path) -> tuple[Visitor, Visitor]:
    """Two visitors: the first restores a large photo, the second has given a small one."""
    large = tmp_path / "large.jpg"
    Image.fromarray(banded(5200, 8000)).save(large, quality=70)
    first, second = visit(), visit()
    first.give(large)
    second.give(photos["other"])
    first.page.click("#restore")
    first.reach("working")
    return first, second


def test_cancel_frees_the_device_at_once(visit: Invite, photos: dict[str, Path], tmp_path: Path) -> None:
    first, second = _one_works_one_is_ready(visit, photos, tmp_path)
    progress = first.page.locator(".state-text").inner_text()
    assert re.fullmatch(r"Tile \d+ of \d+ · [\d.,]+ MP/s · [\d,]+ s left", progress)
    first.page.wait_for_selector(".cell[data-state=working]")
    first.page.click("#cancel")
    first.reach("cancelled")
    second.restore()
    assert first.page.get_attribute("html", "data-phase") == "cancelled"
    assert "large.jpg" in first.text()
    assert first.page.is_visible("#restore")
    first.page.wait_for_selector(".cell[data-state=cancelled]:has-text('not finished')")


def test_a_run_that_waits_can_be_cancelled_and_started_again(
    visit: Invite, photos: dict[str, Path], tmp_path: Path
) -> None:
    first, second = _one_works_one_is_ready(visit, photos, tmp_path)
    second.page.click("#restore")
    second.reach("queued")
    second.page.wait_for_selector(".state-text:has-text('Before you: 1.')")
    second.page.click("#cancel")
    second.reach("cancelled")
    second.page.click("#restore")
    second.reach("queued")
    first.give(photos["jpeg"])  # another photo ends the run of the former
    second.reach("done")
    assert first.page.get_attribute("html", "data-phase") == "ready"
    first.restore()


def test_bad_files_get_one_sentence_and_nothing_is_lost(visit: Invite, photos: dict[str, Path], tmp_path: Path) -> None:
    visitor = visit()
    visitor.give(photos["jpeg"])
    visitor.restore()
    Image.new("L", (7000, 7000)).save(tmp_path / "bomb.png")
    bad = {
        "text.jpg": (b"not a picture", "'text.jpg'"),
        "text2.jpg": (b"not a picture", "'text2.jpg'"),
        "empty.png": (b"", "'empty.png'"),
        "half.jpg": (photos["jpeg"].read_bytes()[:2000], "'half.jpg'"),
        "bomb.png": ((tmp_path / "bomb.png").read_bytes(), "megapixels"),
        "huge.jpg": (b"0" * (41 << 20), "40 MB"),
    }
    for name, (content, told) in bad.items():
        file = tmp_path / name
        file.write_bytes(content)
        visitor.page.set_input_files(".photo-input", file)
        visitor.page.wait_for_selector(f'.state-text:has-text("{told}")')
        sentence = visitor.page.locator(".state-text").inner_text()
        assert re.fullmatch(r"[^\n]{20,220}\.", sentence), name
        assert visitor.page.get_attribute("html", "data-phase") == "failed"
        assert "Traceback" not in visitor.text() and "Error" not in visitor.text()
    assert photos["jpeg"].name in visitor.text()
    visitor.restore()


def test_two_visitors_get_each_their_own(
    visit: Invite, photos: dict[str, Path], restored: Path, tmp_path: Path
) -> None:
    visitors = {"jpeg": visit(), "other": visit()}
    for kind, visitor in visitors.items():
        visitor.give(photos[kind])
    for visitor in visitors.values():
        visitor.page.click("#restore")
    for kind, visitor in visitors.items():
        visitor.finish()
        file = visitor.download(tmp_path)
        assert file.stem == f"{photos[kind].stem}_demoired"
        assert file.read_bytes() == (restored / file.name).read_bytes()


@pytest.mark.parametrize("locale", ["en-US", "zh-CN"])
@pytest.mark.parametrize("screen", [PHONE, DESKTOP], ids=["phone", "desktop"])
def test_no_state_scrolls_sideways(
    screen: dict[str, object], locale: str, visit: Invite, photos: dict[str, Path], tmp_path: Path
) -> None:
    visitor = visit(locale, **screen)

    def fits() -> bool:
        return bool(visitor.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))

    assert fits()
    visitor.give(photos["jpeg"])
    assert fits()
    visitor.restore()
    visitor.page.click("#settings button")
    visitor.page.wait_for_selector("#tile", state="visible")
    assert fits()
    (tmp_path / "a-name-without-any-place-to-break-it-in-the-middle-of-the-line.jpg").write_bytes(b"no")
    visitor.page.set_input_files(".photo-input", next(tmp_path.iterdir()))
    visitor.reach("failed")
    assert fits()
