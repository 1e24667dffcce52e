"""Sheets show the pictures' own pixels, at the places where something happened, and are fit for a mail."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pypdfium2
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from demoire import sheet as sheets
from demoire.catalog import load_catalog
from demoire.cli import main
from demoire.detect import Moire
from demoire.errors import OutputError
from demoire.fonts import FONT_FILES, FontBook
from demoire.images import decode
from demoire.judge import judge
from demoire.loading import ModelCache
from demoire.picture import Picture
from demoire.reference import align
from demoire.restore import Restored
from demoire.sheet import Entry, Sheet, chinese_missing, compose, original_entry, result_entry, write_sheet
from demoire.ui.texts import TEXTS
from tests.pictures import photo as photograph
from tests.pictures import screen
from tests.tiny import write_detector, write_discriminator

FONTS = FontBook.find()
NO_FONTS = FontBook({style: [] for style in FONT_FILES})
HEIGHT, WIDTH = 900, 1200


def english(key: str) -> str:
    return TEXTS[key].en


def chinese(key: str) -> str:
    return TEXTS[key].zh_cn


def noise(seed: int, height: int = HEIGHT, width: int = WIDTH) -> Picture:
    return Picture(np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8), name="noise.png")


def pair(count: int = 2) -> Sheet:
    others = tuple(Entry(f"No. {seed}", noise(seed), made=True) for seed in range(1, count))
    return Sheet((Entry("Original", noise(0)), *others), places=((450, 600), (100, 100), (880, 1190)))


def contains(page: NDArray[np.uint8], crop: NDArray[np.uint8]) -> bool:
    """Whether the crop lies somewhere on the page, pixel for pixel."""
    height, width = crop.shape[:2]
    rows, columns = np.nonzero((page == crop[0, 0]).all(-1))
    return any(
        np.array_equal(page[row : row + height, column : column + width], crop)
        for row, column in zip(rows, columns, strict=True)
    )


def test_crops_are_the_pictures_own_pixels_in_png_and_pdf(tmp_path: Path) -> None:
    sheet = pair()
    write_sheet(sheet, tmp_path / "sheet.png", english, FONTS)
    write_sheet(sheet, tmp_path / "sheet.pdf", english, FONTS)
    with Image.open(tmp_path / "sheet.png") as page:
        png = np.asarray(page)
        assert page.info["dpi"] == pytest.approx((200, 200), abs=0.1)
    assert png.shape[1] == sheets.WIDTH and png.shape[0] <= sheets.HEIGHT
    for entry in sheet.entries:
        assert contains(png, entry.picture.pixels[400:500, 500:700])
        assert contains(png, entry.picture.pixels[50:150, 50:150])
        assert contains(png, entry.picture.pixels[-100:, -100:])
    pdf = (tmp_path / "sheet.pdf").read_bytes()
    with pypdfium2.PdfDocument(pdf) as document:
        assert len(document) == 1 and document.get_metadata_value("Title") == TEXTS["sheet.title"].en
        assert document[0].get_size() == pytest.approx((595.44, png.shape[0] * 72 / 200), abs=0.01)
        (picture,) = document[0].get_objects()
        shown = picture.get_bitmap().to_numpy()
    assert np.array_equal(shown[..., ::-1], png)


@pytest.mark.parametrize("count", range(2, 7))
def test_every_number_of_pictures_fits_the_page(count: int) -> None:
    page = np.asarray(compose(pair(count), english, FONTS))
    assert page.shape[0] <= sheets.HEIGHT
    assert (page[-20:] == 255).all() and (page[:, :40] == 255).all() and (page[:, -40:] == 255).all()
    assert contains(page, noise(count - 1).pixels[430:470, 560:640])


@pytest.mark.parametrize("size", [(40, 60), (30, 2000), (1500, 33)])
def test_small_and_slim_photos_have_sheets(size: tuple[int, int]) -> None:
    first, second = noise(0, *size), noise(1, *size)
    entries = Entry("a", first), Entry("b", second, made=True)
    assert compose(Sheet(entries), english, FONTS).width == sheets.WIDTH
    page = np.asarray(compose(Sheet(entries, places=((0, 0),)), english, FONTS))
    assert contains(page, second.pixels[:30, :33])


def test_a_sheet_shows_where_models_changed_something() -> None:
    before = noise(0)
    after = before.pixels.copy()
    after[640:672, 288:320] ^= 255
    sheet = Sheet((Entry("Original", before), Entry("CNN", Picture(after), made=True)))
    assert contains(np.asarray(compose(sheet, english, FONTS, rows=1)), after[636:680, 280:330])


def test_a_large_sheet_shows_fewer_crops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_sheet(pair(), tmp_path / "all.png", english, FONTS)
    full = (tmp_path / "all.png").stat().st_size
    assert full <= sheets.LARGEST
    monkeypatch.setattr(sheets, "LARGEST", full * 3 // 4)
    write_sheet(pair(), tmp_path / "fewer.png", english, FONTS)
    assert (tmp_path / "fewer.png").stat().st_size <= full * 3 // 4


def test_transparency_profile_and_depth(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    deep = noise(0).pixels.astype(np.uint16) * 257
    veil = np.zeros((HEIGHT, WIDTH), np.uint16)
    first = Picture(deep, alpha=veil, icc=profile)
    write_sheet(Sheet((Entry("a", first), Entry("b", noise(1)))), tmp_path / "s.png", english, FONTS)
    with Image.open(tmp_path / "s.png") as page:
        assert page.info["icc_profile"] == profile
        assert contains(np.asarray(page), np.full((60, 60, 3), 255, np.uint8))
    write_sheet(Sheet((Entry("a", first), Entry("b", noise(1)))), tmp_path / "s.pdf", english, FONTS)


def test_labels_in_chinese_and_without_any_font() -> None:
    if not FONTS.has("zh"):
        pytest.skip("needs a font with Chinese characters, which tests/run.sh installs")
    assert chinese_missing(FONTS) is None
    missing = chinese_missing(NO_FONTS)
    assert missing and "English" in missing.text
    pages = [
        np.asarray(compose(pair(), say, fonts))
        for say, fonts in ((english, FONTS), (chinese, FONTS), (english, NO_FONTS))
    ]
    heads = [page[60:104, 60:700] for page in pages]
    assert all((head < 128).any() for head in heads)
    assert not np.array_equal(heads[0], heads[1]) and not np.array_equal(heads[0], heads[2])


def test_long_texts_are_cut_not_spilt() -> None:
    long = replace(noise(0), name="很长的名字" * 60 + ".jpg")
    facts = ("demoire-" * 60,)
    page = np.asarray(compose(Sheet((Entry("x" * 300, long, facts), Entry("y" * 300, noise(1)))), english, FONTS))
    assert (page[:, -55:] == 255).all()


def test_what_a_sheet_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="2 to 6"):
        compose(pair(7), english, FONTS)
    with pytest.raises(OutputError, match=r"\.png or \.pdf"):
        write_sheet(pair(), tmp_path / "sheet.jpg", english, FONTS)
    with pytest.raises(OutputError, match="cannot be written"):
        write_sheet(pair(), tmp_path / "no" / "sheet.png", english, FONTS)


def test_a_result_says_model_and_weights(weights: Path) -> None:
    model = load_catalog(weights)["tiny"]
    restored = Restored(noise(1), "tiny", "bundled", "cpu", "float32", 3, 9, 1.25, ())
    entry = result_entry(model, restored, {}, english)
    assert entry.title == "CNN tiny" and entry.made
    sha256 = model.files["model.safetensors"].sha256
    assert sha256 and sha256[:12] in entry.facts[0] and "tiny" in entry.facts[0]
    assert "cpu" in entry.facts[1] and "1.2" in entry.facts[1]
    hub = result_entry(replace(model, repo="a/b", revision="c" * 40), replace(restored, origin="hub"), {}, english)
    assert "c" * 12 in hub.facts[0]
    assert original_entry(noise(0), {}, english).facts == ("PNG, 8 bit",)


def test_entries_say_what_detector_and_discriminator_say(weights: Path) -> None:
    restored = Restored(noise(1), "tiny", "bundled", "cpu", "float32", 3, 9, 1.25, ())
    entry = result_entry(load_catalog(weights)["tiny"], restored, {}, english, 0.874)
    assert entry.facts[-1] == "looks like a clean photo: 87 %"
    for moire, line in {
        Moire(0.97, 0.5, 0.338, "strong"): "Moiré: strong, 34 % of the picture",
        Moire(0.6, 0.1, 0.001, "weak"): "Moiré: weak, < 1 % of the picture",
        Moire(0.1, 0.0, 0.0, "none"): "No moiré found",
    }.items():
        assert original_entry(noise(0), {}, english, moire).facts == ("PNG, 8 bit", line)


def test_the_command_tells_what_detector_and_discriminator_say(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    moire = photograph(screen(100, 120))
    Image.fromarray(moire).save(tmp_path / "photo.png")
    write_detector(weights, screen(100, 120), moire)
    write_discriminator(weights)
    command = ["compare", str(tmp_path / "photo.png"), "--models", "identity,tiny", "--weights", str(weights)]
    assert main([*command, "-o", str(tmp_path / "out"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["probability"] > 0.9 and told["level"] != "none" and 0 < told["area"] < 1
    models = ModelCache(weights=weights)
    photo = decode(tmp_path / "photo.png")
    for result in told["results"]:
        written = decode(tmp_path / "out" / result["file"])
        assert result["looks_clean"] == round(judge(written, photo, models).probability, 4)
    assert told["sheets"] == [str(tmp_path / "out" / name) for name in ("sheet.png", "sheet.pdf")]
    kept = json.loads((tmp_path / "out" / "figures.json").read_text())
    assert kept == {name: value for name, value in told.items() if name != "notices"}


def test_the_command_writes_all(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clean = screen(200, 240)
    Image.fromarray(photograph(clean)).save(tmp_path / "photo.png")
    Image.fromarray(clean).save(tmp_path / "clean.png")
    out = tmp_path / "out"
    common = [str(tmp_path / "photo.png"), "--weights", str(weights), "--device", "cpu"]
    command = ["compare", *common, "--models", "identity,tiny", "--reference", str(tmp_path / "clean.png")]
    assert main([*command, "-o", str(out), "--language", "zh-CN", "--at", "100,90"]) == 0
    names = {path.name for path in out.iterdir()}
    results = {f"photo_demoired_{model}.png" for model in ("identity", "tiny")}
    differences = {f"difference_{model}.png" for model in ("identity", "tiny")}
    assert names == {"sheet.png", "sheet.pdf", "figures.json", "reference.png", *results, *differences}
    told = json.loads((out / "figures.json").read_text())
    truth = align(decode(tmp_path / "clean.png"), decode(tmp_path / "photo.png"))
    for result in told["results"]:
        scores = truth.score(decode(out / result["file"]).pixels)
        assert result["figures"] == pytest.approx(scores)
        assert re.fullmatch("[0-9a-f]{64}", result["sha256"]["model.safetensors"])
    assert told["results"][0]["figures"] == told["unprocessed"]  # the identity
    assert main(["restore", *common, "--model", "tiny", "-o", str(tmp_path / "r.png")]) == 0
    assert (tmp_path / "r.png").read_bytes() == (out / "photo_demoired_tiny.png").read_bytes()


def test_the_command_refuses_in_a_sentence(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(photograph(screen(100, 120))).save(tmp_path / "photo.png")
    Image.fromarray(noise(3, 100, 120).pixels).save(tmp_path / "other.png")
    photo, common = str(tmp_path / "photo.png"), ["--weights", str(weights), "--models", "identity"]
    cases = {
        "photo itself": ["-o", photo],
        ".png or .pdf": ["-o", str(tmp_path / "sheet.jpg")],
        "does not match": ["-o", str(tmp_path / "s.png"), "--reference", str(tmp_path / "other.png")],
        "no model called 'gone'": ["-o", str(tmp_path / "s.png"), "--models", "identity,gone"],
    }
    for words, arguments in cases.items():
        assert main(["compare", photo, *common, *arguments]) == 1
        assert words in capsys.readouterr().err
    assert not (tmp_path / "s.png").exists()
