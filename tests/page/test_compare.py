"""Several models, photos and settings compared; a part tried; a reference; everything taken home."""

import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from looks import VIEWER, assert_shows, canvas, place, settled
from photos import banded
from PIL import Image
from serving import serving
from visitors import DESKTOP, Invite, Server, Visitor

from demoire.images import decode

pytestmark = pytest.mark.browser


@pytest.fixture
def fresh_server(tmp_path: Path, models: Path) -> Iterator[Server]:
    """A server with a model whose weights are damaged."""
    weights = tmp_path / "weights"
    shutil.copytree(models, weights)
    (weights / "rnn" / "model.safetensors").write_bytes(b"damaged")
    with serving(tmp_path, {"DEMOIRE_WEIGHTS": str(weights)}) as running:
        yield running


def panes(visitor: Visitor) -> list[str]:
    """The names of the panes side by side."""
    return visitor.page.locator(f"{VIEWER} .cell-name").all_inner_texts()


def test_models_are_ticked_by_family_and_compared(visit: Invite, tmp_path: Path) -> None:
    Image.fromarray(banded(251, 199, period=9.0)).save(tmp_path / "other.png")
    visitor = visit()
    visitor.give(tmp_path / "other.png")
    assert visitor.page.locator(".family").count() == 3
    visitor.tick("cnn", "cnn-fast", "rnn", "gan")
    visitor.restore()
    assert panes(visitor) == ["Original", "CNN", "CNN cnn-fast", "RNN", "GAN"]
    for number in range(1, 5):
        link = f"{VIEWER} .cell[data-key=result-{number}] .take"
        assert_shows(visitor, f"result-{number}", decode(visitor.download(tmp_path, link)).pixels)
    archive = visitor.download(tmp_path, "[data-parcel=archive]")
    with zipfile.ZipFile(archive) as files:
        assert sorted(files.namelist()) == [f"other_demoired_{name}.png" for name in ("cnn-fast", "cnn", "gan", "rnn")]
        for name in files.namelist():
            assert files.read(name) == (tmp_path / name).read_bytes()


def order(visitor: Visitor) -> list[str]:
    """The panes' keys in their order in links."""
    found: list[str] = visitor.page.evaluate("window.demoire.views.restore().order")
    return found


def test_panes_are_put_in_another_order_by_buttons_keys_and_hand(visit: Invite, photos: dict[str, Path]) -> None:
    visitor = visit()
    visitor.give(photos["other"])
    visitor.tick("cnn", "rnn", "gan")
    visitor.restore()
    page = visitor.page
    earlier = page.locator(f"{VIEWER} .cell[data-key=result-3] .earlier")
    assert earlier.get_attribute("aria-label") == "Show GAN earlier"
    earlier.focus()
    for _ in range(2):
        page.keyboard.press("Enter")
    assert panes(visitor) == ["Original", "GAN", "CNN", "RNN"]
    assert page.inner_text(f"{VIEWER} .viewer-said") == "GAN: place 2 of 4"
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")  # it cannot go further, and keeps the focus
    assert panes(visitor)[0] == "GAN" and earlier.evaluate("node => node === document.activeElement")
    assert earlier.get_attribute("aria-disabled") == "true"
    assert_shows(visitor, "original", decode(photos["other"]).pixels)
    chip = page.locator(f"{VIEWER} .chip[data-pane=result-2]")
    chip.press("Shift+ArrowLeft")
    assert panes(visitor) == ["GAN", "Original", "RNN", "CNN"]
    assert chip.evaluate("node => node === document.activeElement")
    one, other = (page.locator(f"{VIEWER} .chip[data-pane={key}]").bounding_box() for key in ("result-1", "original"))
    assert one and other
    page.mouse.move(one["x"] + 20, one["y"] + 10)
    page.mouse.down()
    page.mouse.move(other["x"] + 8, other["y"] + 10, steps=12)
    page.mouse.up()
    assert panes(visitor) == ["GAN", "CNN", "Original", "RNN"]
    assert order(visitor) == ["result-3", "result-1", "original", "result-2"]
    page.locator(f"{VIEWER} .stage").focus()
    page.keyboard.press("2")  # numbers stay with their pictures
    assert panes(visitor) == ["GAN", "Original", "RNN"]
    page.keyboard.press("2")
    visitor.tick("gan")
    visitor.restore()  # takes the place of the former result
    page.wait_for_selector(f"{VIEWER} .cell[data-key=result-3]", state="detached")
    assert panes(visitor) == ["GAN", "CNN", "Original", "RNN"]


def test_a_model_that_fails_says_so_in_its_pane_and_the_others_go_on(
    visit_fresh: Invite, photos: dict[str, Path]
) -> None:
    visitor = visit_fresh("zh-CN")
    visitor.give(photos["other"])
    visitor.tick("rnn", "gan")
    visitor.restore()
    page = visitor.page
    assert panes(visitor) == ["原图", "RNN", "GAN"]
    assert "权重缺失或已损坏" in page.inner_text(f"{VIEWER} .cell[data-state=failed] .cell-problem")
    assert page.inner_text(".state-text").startswith("2 个中有 1 个未能完成")
    assert page.locator(".runs .problem").count() == 1
    page.click(f"{VIEWER} [data-mode=split]")
    assert page.locator(f"{VIEWER} .pick-b option").all_inner_texts() == ["原图", "GAN"]
    page.click(".languages button:has-text('English')")
    page.wait_for_selector(".state-text:has-text('1 of 2 did not work.')")


def test_no_model_and_five_are_refused(visit: Invite, photos: dict[str, Path]) -> None:
    visitor = visit()
    visitor.give(photos["other"])
    visitor.tick()
    visitor.page.click("#restore")
    visitor.page.wait_for_selector(".state-text:has-text('tick a model')")
    visitor.tick("gan")
    visitor.restore()


def test_another_setting_stands_beside_the_former_result(visit: Invite, photos: dict[str, Path]) -> None:
    visitor = visit()
    visitor.give(photos["other"])
    visitor.restore()
    visitor.page.click("#settings > button")
    visitor.page.click("#tile input")
    visitor.page.get_by_role("option", name="512 × 512").click()
    visitor.page.click("#restore")
    visitor.page.wait_for_selector(f"{VIEWER} .cell-facts:has-text('tiles 512')")
    visitor.finish()
    assert panes(visitor) == ["Original", "CNN", "CNN"]


def test_a_part_is_tried_by_all_ticked_models_then_the_whole_by_one(visit: Invite, photos: dict[str, Path]) -> None:
    visitor = visit()
    visitor.give(photos["jpeg"])
    visitor.tick("cnn", "gan")
    page = visitor.page
    settled(visitor)
    page.click(f"{VIEWER} .try")
    box = page.locator(f"{VIEWER} .cell[data-key=original] canvas").bounding_box()
    assert box is not None
    at = place(visitor)
    x, y = box["x"] - at.left + 40, box["y"] - at.top + 50  # of the photo's (50, 40)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 100, y + 60, steps=3)
    page.mouse.up()
    page.wait_for_selector(f"{VIEWER} .cell[data-key=result-2] .whole-photo")
    assert panes(visitor) == ["Original", "CNN", "GAN"]
    assert page.locator(f"{VIEWER} .cell-facts:has-text('part')").count() == 2
    visitor.reach("done")
    settled(visitor)
    page.click(f"{VIEWER} .cell[data-key=result-2] .whole-photo")
    visitor.finish()
    assert panes(visitor) == ["Original", "CNN", "GAN", "GAN"]
    at, part, whole = settled(visitor), canvas(visitor, "result-2"), canvas(visitor, "result-3")
    inside = np.index_exp[50 - at.top : 110 - at.top, 40 - at.left : 140 - at.left]
    np.testing.assert_array_equal(part[inside], whole[inside])


def test_several_photos_are_restored_and_chosen(visit: Invite, photos: dict[str, Path], tmp_path: Path) -> None:
    visitor = visit()
    visitor.page.set_input_files(".photo-input", [photos["jpeg"], photos["other"]])
    visitor.reach("ready")
    assert visitor.page.locator(".photos li").count() == 2
    visitor.page.click("#restore-all")
    visitor.reach("done")
    visitor.page.wait_for_selector("[data-parcel=archive]")
    with zipfile.ZipFile(visitor.download(tmp_path, "[data-parcel=archive]")) as files:
        assert sorted(files.namelist()) == ["other_demoired.jpg", "我的 照片(1)_demoired.jpg"]
    visitor.page.click(".photos li:nth-child(2) button")
    visitor.page.wait_for_selector(".photo-name:has-text('other.jpg')")
    visitor.page.wait_for_selector(f"{VIEWER} .cell[data-key=result-1]")


def test_a_reference_gives_figures_a_pane_and_a_sheet(visit: Invite, tmp_path: Path) -> None:
    clean = banded(420, 600)
    clean[60:200, 90:330] = np.random.default_rng(3).integers(0, 256, (14, 24, 3), np.uint8).repeat(10, 0).repeat(10, 1)
    Image.fromarray(clean).save(tmp_path / "truth.png")
    noise = np.random.default_rng(4).normal(0, 6, clean.shape)
    Image.fromarray(np.clip(clean + noise, 0, 255).astype(np.uint8)).save(tmp_path / "photo.png")
    Image.new("RGB", (600, 420), "grey").save(tmp_path / "blank.png")
    visitor = visit()
    visitor.give(tmp_path / "photo.png")
    visitor.restore()
    visitor.page.set_input_files(".reference-input", tmp_path / "blank.png")
    visitor.reach("failed")
    assert len(visitor.page.inner_text(".state-text")) > 20
    visitor.page.set_input_files(".reference-input", tmp_path / "truth.png")
    visitor.page.wait_for_selector(f"{VIEWER} .cell[data-key=reference]")
    for key in ("original", "result-1"):
        figures = visitor.page.inner_text(f"{VIEWER} .cell[data-key={key}] .cell-figures")
        assert "PSNR" in figures and "SSIM" in figures
    for kind in ("png", "pdf"):
        sheet = visitor.download(tmp_path, f"[data-parcel={kind}]")
        assert sheet.name == f"photo_demoired_sheet.{kind}" and sheet.stat().st_size > 20_000
    visitor.page.click(".reference-remove")
    visitor.page.wait_for_selector(f"{VIEWER} .cell[data-key=reference]", state="detached")


def test_the_first_screen_compares_before_and_after_at_once(visit: Invite) -> None:
    visitor = visit(**DESKTOP)
    slider = visitor.page.locator(".taste-slider")
    slider.focus()
    slider.press("End")
    split = visitor.page.evaluate("document.querySelector('.taste-frame').style.getPropertyValue('--split')")
    assert split == "100%"
    widths = visitor.page.evaluate(
        "Promise.all([...document.querySelectorAll('.taste img')].map((image) => image.decode().then(() =>"
        " [image.naturalWidth, image.clientWidth])))"
    )
    assert widths == [[1000, 1000], [1000, 1000]]
