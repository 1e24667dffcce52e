"""The commands ``restore`` and ``models`` as a user types them."""

import io
import json
from collections.abc import Generator
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms

from demoire.cli import main
from demoire.cli.progress import ProgressBar
from demoire.errors import DemoireError
from demoire.images import Picture, decode, encode
from demoire.judge import judge
from demoire.loading import ModelCache
from demoire.models.unet import UNet
from demoire.restore import Event, LookedOver, TileDone
from tests.tiny import write_detector, write_discriminator

RNG = np.random.default_rng(4)
# a colour profile that is not the one that libraries fall back to
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes().replace(b"sRGB", b"P3ish")


def photo(path: Path, height: int = 40, width: int = 56, kind: str = "png") -> np.ndarray:
    pixels = RNG.integers(0, 256, (height, width, 3)).astype(np.uint8)
    encode(Picture(pixels), path, kind)
    return pixels


def restore(weights: Path, *arguments: object, model: str = "identity") -> int:
    return main(["restore", *map(str, arguments), "--model", model, "--device", "cpu", "--weights", str(weights)])


def test_one_photo_and_a_picture_suffix_give_that_file(tmp_path: Path, weights: Path) -> None:
    pixels = photo(tmp_path / "a.png")
    assert restore(weights, tmp_path / "a.png", "-o", tmp_path / "new" / "b.tif") == 0
    result = decode(tmp_path / "new" / "b.tif")
    assert result.kind == "tiff" and np.array_equal(result.pixels, pixels)


def test_a_folder_gives_a_folder_of_named_results(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "照片 1"
    source.mkdir()
    expected = {"a_demoired.png": photo(source / "a.png"), "b c_demoired.tif": photo(source / "b c.tif", kind="tiff")}
    photo(source / "d.jpg", kind="jpeg")
    (source / "notes.txt").write_text("not a picture")
    assert restore(weights, source, "-o", tmp_path / "out") == 0
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["a_demoired.png", "b c_demoired.tif", "d_demoired.jpg"]
    for name, pixels in expected.items():
        assert np.array_equal(decode(tmp_path / "out" / name).pixels, pixels)
    captured = capsys.readouterr()
    assert captured.out.count("->") == 3 and captured.err == "", "no progress bar where there is no terminal"


@pytest.mark.parametrize(("choice", "suffix"), [("png", "png"), ("jpg", "jpg")])
def test_format(tmp_path: Path, weights: Path, choice: str, suffix: str) -> None:
    photo(tmp_path / "a.tif", kind="tiff")
    assert restore(weights, tmp_path / "a.tif", "-o", tmp_path / "out", "--format", choice) == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == [f"a_demoired.{suffix}"]


def test_same_names_do_not_overwrite_each_other(tmp_path: Path, weights: Path) -> None:
    pictures = []
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        pictures.append(photo(tmp_path / name / "a.png"))
    assert restore(weights, tmp_path / "x", tmp_path / "y", "-o", tmp_path / "out") == 0
    for name, pixels in zip(("a_demoired.png", "a_demoired-2.png"), pictures, strict=True):
        assert np.array_equal(decode(tmp_path / "out" / name).pixels, pixels)


def test_json_has_one_object_a_file(tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo(tmp_path / "a.png", 150, 200)
    (tmp_path / "bad.png").write_bytes(b"no picture")
    status = restore(
        weights, tmp_path / "a.png", tmp_path / "bad.png", "-o", tmp_path / "out", "--json", "--tile", 140, model="tiny"
    )
    good, bad = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert status == 1
    assert good["input"] == str(tmp_path / "a.png") and good["output"] == str(tmp_path / "out" / "a_demoired.png")
    assert (good["model"], good["origin"], good["device"]) == ("tiny", "bundled", "cpu")
    assert good["tiles"] >= 4 and 0 < good["seconds"] < 60
    assert bad["output"] is None and "bad.png" in bad["error"]


def test_a_failed_file_is_told_and_the_others_go_on(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = photo(tmp_path / "c.png")
    (tmp_path / "a.png").write_bytes(b"")
    data = (tmp_path / "c.png").read_bytes()
    (tmp_path / "b.png").write_bytes(data[: len(data) // 2])
    (tmp_path / "empty").mkdir()
    inputs = [tmp_path / name for name in ("a.png", "b.png", "missing.png", "empty", "c.png")]
    assert restore(weights, *inputs, "-o", tmp_path / "out") == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 4 and all(line.startswith("demoire: ") for line in errors)
    for words, line in zip(("is empty", "incomplete", "does not exist", "holds no pictures"), errors, strict=True):
        assert words in line
    assert np.array_equal(decode(tmp_path / "out" / "c_demoired.png").pixels, whole)
    assert len(list((tmp_path / "out").iterdir())) == 1


def test_never_over_the_input(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    photo(tmp_path / "a.png")
    photo(tmp_path / "b.png")
    (tmp_path / "b_demoired.png").symlink_to(tmp_path / "b.png")
    before = (tmp_path / "a.png").read_bytes(), (tmp_path / "b.png").read_bytes()
    monkeypatch.chdir(tmp_path)
    assert restore(weights, "a.png", "-o", tmp_path / "." / "a.png", model="tiny") == 1
    assert restore(weights, tmp_path / "b.png", "-o", tmp_path, model="tiny") == 1
    assert ((tmp_path / "a.png").read_bytes(), (tmp_path / "b.png").read_bytes()) == before
    assert capsys.readouterr().err.count("is the photo itself") == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-o", "out", "--model", "tinny"], "did you mean 'tiny'"),
        (["-o", "out", "--device", "cuda:9"], "'cuda:9' does not exist"),
        (["-o", "out", "--device", "tpu"], "no device called 'tpu'"),
        (["-o", "a.png/out"], "cannot be made"),
        (["-o", "out.heic"], "only read"),
        (["-o", "out.png", "--format", "jpg"], "contradict"),
        (["-o", "out", "--max-megapixels", "1"], "at most 1.0 are accepted"),
        (["-o", "out", "--dtype", "float8"], "floating type called 'float8'"),
        (["-o", "out", "--weights", "nowhere"], "catalogue of models is missing"),
    ],
)
def test_wrong_options_get_one_sentence(
    tmp_path: Path,
    weights: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    photo(tmp_path / "a.png", 1001, 1000)
    defaults = ["--model", "identity", "--device", "cpu", "--weights", str(weights)]
    assert main(["restore", "a.png", *defaults, *arguments]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1 and words in errors[0]


LONG = "照" * 300


@pytest.mark.parametrize(
    ("photo_name", "output", "words"),
    [
        (LONG + ".jpg", "out", "cannot be read; check the name"),
        ("a.png", LONG + ".png", "cannot be written"),
        ("a.png", LONG, "cannot be made"),
        ("../../../etc/none.jpg", "out", "does not exist"),
    ],
)
def test_names_that_no_file_system_takes_get_one_sentence(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str], photo_name: str, output: str, words: str
) -> None:
    photo(tmp_path / "a.png")
    assert restore(weights, tmp_path / photo_name, "-o", tmp_path / output) == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1 and words in errors[0]


@pytest.mark.parametrize("name", ["我的 照片(1).png", "-o.png", "a b'c\"d.png", "photo.jpg", "照" * 80 + ".png"])
def test_names_of_every_sort_are_kept(tmp_path: Path, weights: Path, name: str) -> None:
    """The file is a PNG whatever its suffix says; the longest is at the limit of file systems."""
    pixels = photo(tmp_path / name)
    assert restore(weights, tmp_path / name, "-o", tmp_path / "out") == 0
    (result,) = (tmp_path / "out").iterdir()
    assert result.name.endswith("_demoired.png") and result.name.startswith(Path(name).stem[:50].replace('"', "_"))
    assert np.array_equal(decode(result).pixels, pixels)


def test_the_smallest_picture_and_broken_metadata_go_through(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pixels = photo(tmp_path / "dot.png", 1, 1)
    broken = {"icc_profile": b"no profile" * 30, "exif": b"Exif\0\0II*\0\xff\xff\xff\xff"}
    Image.fromarray(RNG.integers(0, 256, (20, 30, 3)).astype(np.uint8)).save(tmp_path / "broken.jpg", **broken)
    assert restore(weights, tmp_path / "dot.png", tmp_path / "broken.jpg", "-o", tmp_path / "out") == 0
    assert np.array_equal(decode(tmp_path / "out" / "dot_demoired.png").pixels, pixels)
    told = capsys.readouterr().out
    assert "EXIF data of the file are damaged" in told and "colour profile of the file is damaged" in told
    result = decode(tmp_path / "out" / "broken_demoired.jpg")
    assert (result.icc, result.exif, result.notices) == (None, None, ())


def test_xmp_comes_back_upright_and_lost_comments_are_said(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packet = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description tiff:Orientation="6"/></rdf:RDF></x:xmpmeta>'
    )
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(tmp_path / "a.jpg", xmp=packet, comment=b"hello")
    assert restore(weights, tmp_path / "a.jpg", "-o", tmp_path / "out") == 0
    assert "captions or comments" in capsys.readouterr().out
    assert decode(tmp_path / "out" / "a_demoired.jpg").xmp == packet.replace(b'"6"', b'"1"')


def test_an_output_that_cannot_be_written_gets_a_sentence(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo(tmp_path / "a.png")
    (tmp_path / "out" / "a_demoired.png").mkdir(parents=True)
    assert restore(weights, tmp_path / "a.png", "-o", tmp_path / "out") == 1
    assert "cannot be written" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a_demoired.png"]


def test_models_lists_the_catalogue(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--weights", str(weights)]) == 0
    text = capsys.readouterr().out
    assert "tiny" in text and "bundled" in text and "For tests." in text
    assert main(["models", "--json", "--weights", str(weights)]) == 0
    entries = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [entry["id"] for entry in entries] == ["identity", "tiny"]


def test_unknown_commands_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["restor", "x"])
    assert caught.value.code == 2
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0 and "restore" in capsys.readouterr().out


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_bar_is_drawn_on_terminals_only() -> None:
    tile = TileDone(1, 4, (0, 0, 1, 1), np.zeros((1, 1, 3), np.uint8), 0.5, 12.0, 0.25)
    for stream, drawn in ((Terminal(), True), (io.StringIO(), False)):
        bar = ProgressBar("photo.jpg", stream)
        bar.show_tile(tile)
        bar.wipe()
        assert (
            "photo.jpg [######                  ]  25%  tile 1/4  0.50 MP/s  12 s left" in stream.getvalue()
        ) == drawn
        assert drawn == stream.getvalue().endswith("\r")


def test_the_bar_tells_of_moire_that_is_looked_for() -> None:
    def events() -> Generator[Event, None, None]:
        yield LookedOver(0.5)

    stream = Terminal()
    with pytest.raises(DemoireError, match="without a result"):
        ProgressBar("photo.jpg", stream).follow(events())
    assert "photo.jpg [############            ]  50%  looking for moire" in stream.getvalue()


def test_a_rotated_photo_with_profile_comes_back_upright_with_it(tmp_path: Path, weights: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(RNG.integers(0, 256, (20, 30, 3)).astype(np.uint8)).save(tmp_path / "r.jpg", exif=exif, quality=95)
    assert restore(weights, tmp_path / "r.jpg", "-o", tmp_path / "r.png") == 0
    with Image.open(tmp_path / "r.png") as image:
        assert image.size == (20, 30) and image.getexif().get(0x0112, 1) == 1
        assert np.array_equal(np.asarray(image), decode(tmp_path / "r.jpg").pixels)


def test_16_bit_png_and_alpha_come_back_as_they_should(tmp_path: Path, weights: Path) -> None:
    deep = Picture(RNG.integers(0, 65536, (60, 70, 3)).astype(np.uint16), icc=PROFILE, dpi=(300.0, 300.0))
    encode(deep, tmp_path / "deep.png", "png")
    clear = Picture(
        RNG.integers(0, 256, (60, 70, 3)).astype(np.uint8), alpha=RNG.integers(0, 256, (60, 70)).astype(np.uint8)
    )
    encode(clear, tmp_path / "clear.png", "png")
    assert restore(weights, tmp_path / "deep.png", tmp_path / "clear.png", "-o", tmp_path / "out") == 0
    result = decode(tmp_path / "out" / "deep_demoired.png")
    assert np.array_equal(result.pixels, deep.pixels) and (result.bits, result.icc) == (16, deep.icc)
    assert result.dpi == pytest.approx((300, 300), abs=0.02)
    result = decode(tmp_path / "out" / "clear_demoired.png")
    assert np.array_equal(result.pixels, clear.pixels) and np.array_equal(result.alpha, clear.alpha)
    assert restore(weights, tmp_path / "deep.png", "-o", tmp_path / "changed.png", model="tiny") == 0
    changed = decode(tmp_path / "changed.png").pixels
    assert changed.dtype == np.uint16 and len(np.unique(changed)) > 5000, "more levels than 8 bits have"


@pytest.mark.slow
def test_a_heic_of_12_megapixels_with_a_profile(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, columns = np.mgrid[0:3000, 0:4000]
    pixels = np.dstack([rows // 12, columns // 16, (rows + columns) // 28]).astype(np.uint8)
    image = pillow_heif.from_bytes(mode="RGB", size=(4000, 3000), data=pixels.tobytes())
    image.info["icc_profile"] = PROFILE
    image.save(tmp_path / "p3.heic", quality=60)
    source = decode(tmp_path / "p3.heic")
    assert restore(weights, tmp_path / "p3.heic", "-o", tmp_path / "out", "--json") == 0
    done = json.loads(capsys.readouterr().out)
    assert "HEIC" in done["notices"][0] and done["output"].endswith("p3_demoired.png")
    result = decode(Path(done["output"]))
    assert np.array_equal(result.pixels, source.pixels) and result.icc == PROFILE
    assert np.abs(result.pixels.astype(int) - pixels).mean() < 4


@pytest.fixture
def telling(weights: Path) -> dict[str, np.ndarray]:
    """Gives the models a detector and a discriminator; two pictures, the first of which has moire for the detector."""
    clean = np.full((96, 128, 3), 180, np.uint8)
    bands = (40 * np.sin(np.arange(128) / 2))[None, :, None]
    moire = np.clip(clean + bands, 0, 255).astype(np.uint8)
    write_detector(weights, clean, moire)
    write_discriminator(weights)
    return {"moire": moire, "clean": clean}


@pytest.mark.parametrize("suffix", [".JPG", ".heic", ".tif"])
def test_photos_without_moire_are_left_as_they_are(
    suffix: str, tmp_path: Path, weights: Path, telling: dict[str, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    encode(Picture(telling["moire"]), tmp_path / "moire.png", "png")
    clean = tmp_path / f"clean{suffix}"
    if suffix == ".heic":
        pillow_heif.from_pillow(Image.fromarray(telling["clean"])).save(clean)
    else:
        Image.fromarray(telling["clean"]).save(clean, quality=80)
    out = tmp_path / "out"
    arguments = (tmp_path / "moire.png", clean, "-o", out, "--skip-clean")
    assert restore(weights, *arguments, "--json", model="tiny") == 0
    restored, copied = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (restored["copied"], restored["model"], restored["level"] != "none") == (False, "tiny", True)
    assert (copied["copied"], copied["model"], copied["level"]) == (True, None, "none")
    assert copied["output"] == str(out / f"clean_demoired{suffix}")
    assert (out / f"clean_demoired{suffix}").read_bytes() == clean.read_bytes()
    assert not np.array_equal(decode(out / "moire_demoired.png").pixels, telling["moire"])
    assert restore(weights, *arguments, model="tiny") == 0
    assert "no moire found, copied as it is" in capsys.readouterr().out.splitlines()[1]


def test_a_copy_never_gets_the_suffix_of_another_kind(
    tmp_path: Path, weights: Path, telling: dict[str, np.ndarray]
) -> None:
    encode(Picture(telling["clean"]), tmp_path / "a.jpg", "jpeg")
    assert restore(weights, tmp_path / "a.jpg", "-o", tmp_path / "b.png", "--skip-clean") == 0
    assert (tmp_path / "b.jpg").read_bytes() == (tmp_path / "a.jpg").read_bytes()
    assert not (tmp_path / "b.png").exists()
    assert restore(weights, tmp_path / "a.jpg", "-o", tmp_path / "a.png", "--skip-clean") == 1, "not over the photo"


def test_json_tells_what_detector_and_discriminator_say(
    tmp_path: Path, weights: Path, telling: dict[str, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    encode(Picture(telling["moire"]), tmp_path / "a.png", "png")
    assert restore(weights, tmp_path / "a.png", "-o", tmp_path / "out", "--json", model="tiny") == 0
    done = json.loads(capsys.readouterr().out)
    assert main(["detect", str(tmp_path / "a.png"), "--json", "--weights", str(weights)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert {name: done[name] for name in ("probability", "strength", "area", "level")} == {
        name: said[name] for name in ("probability", "strength", "area", "level")
    }
    assert done["probability"] > 0.9 and 0.1 < done["area"] < 0.6
    photo, result = decode(tmp_path / "a.png"), decode(tmp_path / "out" / "a_demoired.png")
    assert done["looks_clean"] == round(judge(result, photo, ModelCache(weights=weights)).probability, 4)


def test_without_a_detector_nothing_is_skipped_and_that_is_told(
    tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo(tmp_path / "a.png")
    assert restore(weights, tmp_path / "a.png", "-o", tmp_path / "out", "--skip-clean") == 1
    assert "There is no detector among the models" in capsys.readouterr().err
    assert restore(weights, tmp_path / "a.png", "-o", tmp_path / "out", "--json") == 0
    assert {"probability", "looks_clean"}.isdisjoint(json.loads(capsys.readouterr().out))


@pytest.mark.parametrize("damaged", ["detector", "discriminator"])
def test_an_opinion_that_fails_loses_no_result(
    damaged: str, tmp_path: Path, weights: Path, telling: dict[str, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    (weights / damaged / "model.safetensors").write_bytes(b"damaged")
    encode(Picture(telling["moire"]), tmp_path / "a.png", "png")
    assert restore(weights, tmp_path / "a.png", "-o", tmp_path / "out", "--json") == 0
    done = json.loads(capsys.readouterr().out)
    assert ("probability" in done, "looks_clean" in done) == (damaged != "detector", damaged != "discriminator")
    assert np.array_equal(decode(tmp_path / "out" / "a_demoired.png").pixels, telling["moire"])


def test_sure_restores_what_the_model_sees_nothing_in(
    tmp_path: Path, weights: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(UNet, "evidence", lambda self, x: x.new_zeros(len(x)))
    pixels, result = photo(tmp_path / "a.png"), tmp_path / "b.png"
    assert restore(weights, tmp_path / "a.png", "-o", result, model="tiny") == 0
    assert np.array_equal(decode(result).pixels, pixels)
    assert "Nothing that repeats as moire does was found" in capsys.readouterr().out
    assert restore(weights, tmp_path / "a.png", "-o", result, "--sure", model="tiny") == 0
    assert not np.array_equal(decode(result).pixels, pixels)
    assert "Nothing that repeats" not in capsys.readouterr().out
