"""Clean pictures from Debian packages: licences, near-duplicates, manifest."""

import hashlib
import io
import shutil
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from demoire.errors import DataError
from demoire.training.building import kind_of
from demoire.training.collect import Rule, collect, is_accepted, read_copyright
from demoire.training.manifest import find_sources
from demoire.training.unzipping import unzip_textures


def test_licence_families() -> None:
    accepted = ("CC0", "CC-BY", "CC-BY-SA", "MIT", "GFDL")
    for licence in ("CC0-1.0", "CC-BY-SA-4.0", "GPL-2+ or CC-BY-SA-3.0", "GFDL-NIV-1.2+", "GFDL-1.3", "Expat"):
        assert is_accepted(licence, accepted), licence
    for licence in ("", "GPL-2+", "LGPLv3", "CC-BY-NC-4.0", "CC-BY-ND-3.0", "Next"):
        assert not is_accepted(licence, accepted), licence
    assert is_accepted("LGPLv3", ("LGPL",))


COPYRIGHT = """Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/

Files: *
Copyright: 2010 The Team
License: GPL-2+

Files: nature/Hill*.png
       nature/Sea.png
Copyright: 2011, Ann Painter <ann@example.org>
           2012, Bo "Bo" Bobson
License: CC-BY-4.0
 Some text.

Files: debian/*
Copyright: 2014 Packager
License: CC0-1.0
"""


def build_package(tree: Path, packages: Path, name: str, version: str) -> None:
    """A Debian package of the files in ``tree``, in the folder ``packages``."""
    for folder in (tree / "DEBIAN", packages):
        folder.mkdir(parents=True)
    (tree / "DEBIAN/control").write_text(
        f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: A <a@b.c>\nDescription: x\n"
    )
    archive = packages / f"{name}_{version}_all.deb"
    subprocess.run(["dpkg-deb", "-b", tree, archive], check=True, capture_output=True)


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs dpkg-deb")
def test_collecting_reads_licences_and_skips_small_repeated_and_refused(tmp_path: Path) -> None:
    tree, packages = tmp_path / "tree", tmp_path / "packages"
    pictures = tree / "usr/share/backgrounds"
    for folder in (tree / "usr/share/doc/views", pictures):
        folder.mkdir(parents=True)
    (tree / "usr/share/doc/views/copyright").write_text(COPYRIGHT)
    rng = np.random.default_rng(0)
    hill = rng.integers(0, 256, (24, 32, 3), np.uint8).repeat(25, 0).repeat(25, 1)
    stamped = hill.copy()
    stamped[500:520, 700:750] = 255
    for name, picture in {"Hill1": hill, "Hill2": stamped, "Sea": hill[::-1], "Tree": hill[:, ::-1]}.items():
        Image.fromarray(picture).save(pictures / f"{name}.png")
    Image.new("RGB", (64, 64)).save(pictures / "Hill-icon.png")
    build_package(tree, packages, "views", "1.2-3")
    rule = Rule("views", "photos/views", "usr/share/backgrounds", ("*.png",))
    (report,) = collect(tmp_path / "out", packages, rules=(rule,))
    assert (report.taken, report.small, report.repeated, report.refused) == (2, 1, 1, 1)
    sources = find_sources(tmp_path / "out")
    assert [source.file for source in sources] == ["photos/views/Hill1.png", "photos/views/Sea.png"]
    assert {(s.licence, s.author) for s in sources} == {("CC-BY-4.0", "Ann Painter, Bo Bo Bobson")}
    assert sources[0].source == "Debian package views 1.2-3 : usr/share/backgrounds/Hill1.png"
    assert sources[0].sha256 == hashlib.sha256((tmp_path / "out/photos/views/Hill1.png").read_bytes()).hexdigest()
    with pytest.raises(DataError, match="cannot be unpacked"):
        (packages / "views_1.2-3_all.deb").write_bytes(b"no package")
        list(collect(tmp_path / "out", packages, rules=(rule,)))


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="needs dpkg-deb")
def test_textures_in_a_zip_file_are_halved_and_what_is_no_picture_is_left(tmp_path: Path) -> None:
    tree, packages = tmp_path / "tree", tmp_path / "packages"
    (tree / "usr/share/game").mkdir(parents=True)
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (512, 512, 3), np.uint8)
    with zipfile.ZipFile(tree / "usr/share/game/mod.zip", "w") as archive:
        for name, side in {
            "art/ground/grass.png": 512,
            "art/ground/far/lawn.png": 511,
            "art/ground/grass_norm.png": 512,
            "art/ground/tiny.png": 64,
            "art/skin/man.png": 512,
        }.items():
            stream = io.BytesIO()
            Image.fromarray(small[:side, :side].repeat(2, 0).repeat(2, 1)).save(stream, "DDS")
            archive.writestr(f"{name}.cached.dds", stream.getvalue())
    build_package(tree, packages, "game", "2")
    rule = Rule(
        "game",
        "textures/game",
        "usr/share/game",
        ("art/ground/*",),
        "CC0-1.0",
        "A",
        "mod.zip",
        fewest_pixels=511 * 511,
    )
    (report,) = collect(tmp_path / "out", packages, rules=(rule,))
    assert (report.taken, report.small) == (2, 1)
    far, source = find_sources(tmp_path / "out")
    assert far.file == "textures/game/art/ground/far/lawn.png"
    assert (source.file, source.licence, kind_of(source.file)) == (
        "textures/game/art/ground/grass.png",
        "CC0-1.0",
        "texture",
    )
    with Image.open(tmp_path / "out" / source.file) as image:
        assert np.array_equal(np.asarray(image), small)


def test_archive_that_is_missing_or_no_zip_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no mod\.zip"):
        unzip_textures(tmp_path / "mod.zip", ("*",), tmp_path)
    (tmp_path / "mod.zip").write_bytes(b"no archive")
    with pytest.raises(DataError, match=r"mod\.zip is damaged"):
        unzip_textures(tmp_path / "mod.zip", ("*",), tmp_path)


def test_copyright_file_that_is_missing_states_nothing(tmp_path: Path) -> None:
    assert read_copyright(tmp_path / "copyright") == []
