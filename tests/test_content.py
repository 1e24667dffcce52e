"""Manifests, the content store, packs and rendered pages."""

import errno
import hashlib
import json
import os
import pickle
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from demoire.cli import main
from demoire.errors import DataError, OutputError, UnknownNameError
from demoire.fonts import FontBook
from demoire.training import building
from demoire.training.building import StoreOptions, build_store, decode_clean
from demoire.training.collect import is_accepted
from demoire.training.content import ContentStore, random_crop, read_index, split_names
from demoire.training.manifest import Source, find_sources, read_manifest, repository_manifest, write_manifest
from demoire.training.packing import write_pack
from demoire.training.pages import LAYOUTS, render_page
from demoire.training.typeset import Canvas, wrap

NAMES = tuple(f"photos/set/{i:02d}.png" for i in range(9)) + tuple(f"screens/tool/{i:02d}.webp" for i in range(9))


@pytest.fixture
def content(tmp_path: Path) -> Path:
    """Eighteen small pictures with a manifest that states their sha256."""
    folder, rng, rows = tmp_path / "content", np.random.default_rng(0), []
    for number, name in enumerate(NAMES):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (20 + number, 30, 3), np.uint8)).save(path, lossless=True)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        rows.append(Source(name, "CC0-1.0", "A. Painter", "test : made here", digest))
    write_manifest(rows, folder / "MANIFEST.tsv")
    return folder


def options(content: Path, pages: int = 1) -> StoreOptions:
    return StoreOptions((content,), pages=pages)


def finish(steps: Iterator[object]) -> list[object]:
    return list(steps)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_store_gives_back_the_pixels_and_sources(content: Path, tmp_path: Path) -> None:
    finish(build_store(options(content), tmp_path / "store"))
    seen = {}
    for split in ("train", "val"):
        store = ContentStore(tmp_path / "store", split)
        for index, entry in enumerate(store.entries):
            seen[entry.name] = split
            if not entry.name.startswith("pages/"):
                expected = np.asarray(Image.open(content / entry.name).convert("RGB"))
                np.testing.assert_array_equal(store.picture(index), expected)
                assert (entry.licence, entry.author, entry.kind) == ("CC0-1.0", "A. Painter", entry.name.split("s/")[0])
    assert set(seen) == {*NAMES, "pages/0000"}
    assert Counter(seen.values())["val"] >= 2


def test_store_is_the_same_with_one_worker_or_two_and_done_only_once(content: Path, tmp_path: Path) -> None:
    finish(build_store(options(content), tmp_path / "one"))
    finish(build_store(StoreOptions((content,), pages=1, workers=2), tmp_path / "two"))
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "one").iterdir()}
    assert len(finish(build_store(options(content), tmp_path / "one"))) == 1
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "one").iterdir()} == before


@pytest.mark.parametrize("tear", [0, 7])
def test_interrupted_build_goes_on_to_the_same_bytes(content: Path, tmp_path: Path, tear: int) -> None:
    finish(build_store(options(content), tmp_path / "whole"))
    steps = build_store(options(content), tmp_path / "torn")
    for _ in range(9):
        next(steps)
    steps.close()
    with pytest.raises(DataError, match="no finished content store"):
        ContentStore(tmp_path / "torn", "train")
    if tear:  # as after a power cut: the journal is ahead of the pixels, its last line is cut off
        for path in (tmp_path / "torn").iterdir():
            os.truncate(path, max(path.stat().st_size - tear, 0))
    resumed = finish(build_store(options(content), tmp_path / "torn"))[0]
    assert isinstance(resumed, building.Progress) and 0 < resumed.done <= 8
    assert files_of(tmp_path / "torn") == files_of(tmp_path / "whole")


def test_changed_content_replaces_the_store_and_its_files(content: Path, tmp_path: Path) -> None:
    finish(build_store(options(content), tmp_path / "store"))
    old = ContentStore(tmp_path / "store", "train")
    first = old.picture(0).copy()
    finish(build_store(options(content, pages=0), tmp_path / "store"))
    assert len(ContentStore(tmp_path / "store", "train")) < len(old)
    assert len(list((tmp_path / "store").iterdir())) == 3
    np.testing.assert_array_equal(old.picture(0), first)


def test_unfinished_store_of_other_content_is_swept_away_and_the_finished_one_stays(
    content: Path, tmp_path: Path
) -> None:
    finish(build_store(options(content), tmp_path / "store"))
    for pages in (0, 2):
        steps = build_store(options(content, pages), tmp_path / "store")
        next(steps), next(steps)
        steps.close()
    assert len(ContentStore(tmp_path / "store", "train")) > 0
    assert len(list((tmp_path / "store").iterdir())) == 6


def test_split_depends_on_names_alone_and_each_kind_has_validation() -> None:
    names = [f"photos/{i}" for i in range(2000)]
    split = split_names({"photo": names})
    assert 80 <= Counter(split.values())["val"] <= 160
    assert split_names({"photo": names[::-1]}) == split
    few = split_names({"screen": [f"s/{i}" for i in range(8)], "page": ["p/1", "p/2"]})
    assert sum(where == "val" for name, where in few.items() if name.startswith("s/")) >= 1


def test_crops_are_seeded_and_follow_the_shares(content: Path, tmp_path: Path) -> None:
    finish(build_store(options(content), tmp_path / "store"))
    store = ContentStore(tmp_path / "store", "train", {"photo": 0.75, "screen": 0.25})
    crops = [store.crop(np.random.default_rng(5), 16, 24) for _ in range(2)]
    np.testing.assert_array_equal(*crops)
    assert crops[0].shape == (16, 24, 3)
    rng = np.random.default_rng(1)
    kinds = Counter(store.entries[store.draw(rng)].kind for _ in range(2000))
    assert set(kinds) == {"photo", "screen"} and abs(kinds["photo"] / 2000 - 0.75) < 0.04
    twin = pickle.loads(pickle.dumps(store))
    np.testing.assert_array_equal(twin.picture(3), store.picture(3))
    assert len(pickle.dumps(store)) < 1000


def test_crops_of_a_kind_are_of_it_and_of_any_where_there_is_none(content: Path, tmp_path: Path) -> None:
    finish(build_store(options(content), tmp_path / "store"))
    store, rng = ContentStore(tmp_path / "store", "train"), np.random.default_rng(3)
    rows = {
        picture[top, left : left + 8].tobytes(): entry.kind
        for picture, entry in zip(map(store.picture, range(len(store))), store.entries, strict=True)
        for top in range(picture.shape[0])
        for left in range(picture.shape[1] - 7)
    }
    assert {rows[store.crop(rng, 4, 8, "screen")[0].tobytes()] for _ in range(40)} == {"screen"}
    assert len({rows[store.crop(rng, 4, 8, "texture")[0].tobytes()] for _ in range(40)}) > 1


def test_crop_lies_inside_or_continues_by_mirroring() -> None:
    ramp = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    large = random_crop(ramp, np.random.default_rng(2), 23, 31)
    tiled = np.pad(ramp, ((24, 24), (30, 30), (0, 0)), "symmetric")
    windows = [tiled[r : r + 23, c : c + 31] for r in range(8) for c in range(10)]
    assert sum(np.array_equal(large, window) for window in windows) == 1
    small = random_crop(ramp, np.random.default_rng(2), 2, 3)
    assert sum(np.array_equal(small, ramp[r : r + 2, c : c + 3]) for r in range(3) for c in range(3)) == 1


def test_pictures_are_decoded_as_a_screen_shows_them(tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    Image.new("RGBA", (8, 6), (10, 20, 30, 0)).save(path)
    assert (decode_clean(path, 100) == 255).all()
    turned = Image.new("RGB", (8, 6), (10, 20, 30))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(path, exif=exif)
    assert decode_clean(path, 100).shape == (8, 6, 3)
    Image.new("L", (400, 100), 77).save(path)
    reduced = decode_clean(path, 200)
    assert reduced.shape == (50, 200, 3) and (reduced == 77).all()


def test_pack_brings_the_store_to_another_machine(content: Path, tmp_path: Path) -> None:
    finish(build_store(options(content), tmp_path / "store"))
    originals = {name: content / name for name in NAMES}
    report = write_pack(tmp_path / "store", tmp_path / "pack.zip", 10**7, originals)
    assert report.packed == report.available and report.size == (tmp_path / "pack.zip").stat().st_size
    finish(build_store(StoreOptions((tmp_path / "pack.zip",)), tmp_path / "unpacked"))
    for split in ("train", "val"):
        one, two = (ContentStore(tmp_path / name, split) for name in ("store", "unpacked"))
        found = {entry.name: index for index, entry in enumerate(two.entries)}
        assert {entry.name for entry in one.entries} == set(found)
        for index, entry in enumerate(one.entries):
            other = two.entries[found[entry.name]]
            assert (other.sha256, other.licence, other.kind) == (entry.sha256, entry.licence, entry.kind)
            apart = np.abs(one.picture(index).astype(int) - two.picture(found[entry.name]))
            assert apart.max() <= (12 if entry.kind == "photo" else 0)
    again = write_pack(tmp_path / "store", tmp_path / "again.zip", 10**7, originals)
    assert again == report and files_of(tmp_path)["again.zip"] == files_of(tmp_path)["pack.zip"]


def test_small_pack_stays_below_its_limit(content: Path, tmp_path: Path) -> None:
    finish(build_store(options(content), tmp_path / "store"))
    report = write_pack(tmp_path / "store", tmp_path / "pack.zip", 40_000)
    assert report.size <= 40_000 and 0 < sum(report.packed.values()) < sum(report.available.values())
    data = bytearray((tmp_path / "pack.zip").read_bytes())
    data[len(data) // 2] ^= 255
    (tmp_path / "pack.zip").write_bytes(data)
    with pytest.raises(DataError, match=r"pack.*copy it again|cannot be decoded|not a pack"):
        finish(build_store(StoreOptions((tmp_path / "pack.zip",)), tmp_path / "unpacked"))


def damage(content: Path, how: str) -> None:
    path = content / NAMES[0]
    if how == "truncated":
        manifest = (content / "MANIFEST.tsv").read_text()
        old = hashlib.sha256(path.read_bytes()).hexdigest()
        path.write_bytes(path.read_bytes()[:200])
        new = hashlib.sha256(path.read_bytes()).hexdigest()
        (content / "MANIFEST.tsv").write_text(manifest.replace(old, new))
    elif how == "exchanged":
        Image.new("RGB", (30, 20)).save(path)
    elif how == "missing":
        path.unlink()
    elif how == "unlisted":
        shutil.copy(path, content / "photos/new.png")
    elif how == "headless":
        (content / "MANIFEST.tsv").write_text("a\tb\n1\t2\n")
    elif how == "short line":
        (content / "MANIFEST.tsv").write_text("file\tlicence\tsource\nphotos/a.png\tCC0\n")
    else:
        shutil.rmtree(content)


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ("truncated", "00.png cannot be decoded"),
        ("exchanged", "not the one that the manifest names"),
        ("missing", "1 pictures listed in .* are missing"),
        ("unlisted", "no licence in a manifest, e.g. photos/new.png"),
        ("headless", "no column 'file'"),
        ("short line", "Line 2 of .* has 2 fields instead of 3"),
        ("gone", "There is no content folder"),
    ],
)
def test_bad_content_is_a_sentence(content: Path, tmp_path: Path, how: str, sentence: str) -> None:
    damage(content, how)
    with pytest.raises(DataError, match=sentence):
        finish(build_store(options(content), tmp_path / "store"))
    with pytest.raises(DataError, match="no finished content store"):
        read_index(tmp_path / "store")


def test_empty_folder_and_clashing_names_are_sentences(content: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no picture"):
        finish(build_store(options(tmp_path / "empty"), tmp_path / "store"))
    with pytest.raises(DataError, match=r"Two content folders have a picture photos/set/00.png"):
        finish(build_store(StoreOptions((content, content)), tmp_path / "store"))


def test_full_disk_keeps_what_is_packed(content: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finish(build_store(options(content), tmp_path / "whole"))
    written = 0

    def journal_line(split: str, entry: object) -> bytes:
        nonlocal written
        written += 1
        if written > 5:
            raise OSError(errno.ENOSPC, "No space left on device")
        return original(split, entry)

    original = building._journal_line
    with monkeypatch.context() as patch, pytest.raises(OutputError, match="full; free some space and run"):
        patch.setattr(building, "_journal_line", journal_line)
        finish(build_store(options(content), tmp_path / "store"))
    resumed = finish(build_store(options(content), tmp_path / "store"))[0]
    assert isinstance(resumed, building.Progress) and resumed.done == 5
    assert files_of(tmp_path / "store") == files_of(tmp_path / "whole")


def test_damaged_store_is_a_sentence(content: Path, tmp_path: Path) -> None:
    finish(build_store(options(content), tmp_path / "store"))
    with pytest.raises(UnknownNameError, match="did you mean 'train'"):
        ContentStore(tmp_path / "store", "trian")
    with pytest.raises(UnknownNameError, match="kind of content called 'fotos'"):
        ContentStore(tmp_path / "store", "train", {"fotos": 1})
    bin_file = next((tmp_path / "store").glob("train-*.bin"))
    os.truncate(bin_file, bin_file.stat().st_size - 1)
    with pytest.raises(DataError, match="bytes instead of"):
        ContentStore(tmp_path / "store", "train")
    (tmp_path / "store/index.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(DataError, match="not of format"):
        ContentStore(tmp_path / "store", "train")


def test_manifest_of_the_project_is_complete() -> None:
    rows = read_manifest(repository_manifest())
    assert len(rows) > 900
    assert all(row.licence and row.source and len(row.sha256) == 64 for row in rows.values())
    assert all(
        is_accepted(row.licence, ("CC0", "CC-BY", "CC-BY-SA", "GFDL", "MIT")) or "per picture" in row.licence
        for row in rows.values()
    )
    assert len({row.sha256 for row in rows.values()}) > 0.97 * len(rows)


def test_command_line_from_folder_to_manifest_and_pack(
    content: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["prepare", "--content", str(content), "-o", str(tmp_path / "store"), "--pages", "0", "--workers", "1"]
    extra = ["--write-manifest", str(tmp_path / "m.tsv"), "--packed", str(tmp_path / "p.zip"), "--mebibytes", "1"]
    assert main(arguments + extra) == 0
    assert "train: " in capsys.readouterr().out
    assert list(read_manifest(tmp_path / "m.tsv").values()) == find_sources(content)
    assert main(["prepare", "--content", str(tmp_path / "p.zip"), "-o", str(tmp_path / "two")]) == 0
    assert main(["prepare", "--content", str(tmp_path / "none"), "-o", str(tmp_path / "three")]) == 1
    assert "no content folder" in capsys.readouterr().err


def test_pages_are_seeded_and_say_their_text() -> None:
    fonts = FontBook.find()
    for number in range(len(LAYOUTS)):
        page = render_page(number, 7, fonts)
        if number in (3, 6):
            np.testing.assert_array_equal(page.pixels, render_page(number, 7, fonts).pixels)
        assert page.pixels.shape[0] >= 700 and page.pixels.dtype == np.uint8
        assert page.kind == ("plain" if page.layout in ("flat", "gradient") else "page")
        assert bool(page.lines) == page.layout.startswith("article")
    assert not np.array_equal(
        render_page(3, 7, fonts).pixels[:700, :1000], render_page(3, 8, fonts).pixels[:700, :1000]
    )


def test_pages_without_fonts_are_still_set_and_it_is_said(tmp_path: Path) -> None:
    fonts = FontBook.find((str(tmp_path),))
    assert "fonts-noto-cjk" in fonts.complaint() and not fonts.names()
    page = render_page(2, 1, fonts)
    assert page.layout == "article-en" and page.pixels.std() > 5


def test_subpixel_text_has_colour_fringes_that_cancel_out() -> None:
    fonts = FontBook.find()
    if not fonts.has("sans"):
        pytest.skip("no font on this machine")
    grey, coloured = (Canvas(40, 300, (255, 255, 255), fonts, subpixel) for subpixel in (False, True))
    for canvas in (grey, coloured):
        canvas.text(5, 5, "illumination in hill", fonts.faces["sans"][0], 16, (0, 0, 0))
    spread = np.ptp(coloured.pixels().astype(int), axis=2)
    assert np.ptp(grey.pixels(), axis=2).max() == 0 and spread.max() > 60
    means = (255 - coloured.pixels()).mean((0, 1))
    assert np.ptp(means) < 0.02 * means.mean()
    assert abs(means.mean() / (255 - grey.pixels()).mean() - 1) < 0.15
    lines = wrap(grey, "one two three four five six", fonts.faces["sans"][0], 16, 80)
    assert " ".join(lines) == "one two three four five six"
    assert all(grey.measure(line, fonts.faces["sans"][0], 16) <= 80 for line in lines)
