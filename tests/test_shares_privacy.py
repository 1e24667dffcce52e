"""What is shared tells neither place nor camera; pixels and colours stay."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms
from shares import draft, library, pixels

from demoire.images import decode
from demoire.shares import Draft, DraftPane
from demoire.shares.privacy import shareable_exif, shareable_jpeg

SECRETS = (
    b"SERIAL-4711",
    b"LENS-0815",
    b"Jane Doe's",
    b"maker's note",
    b"a comment",
    b"UNIQUE",
    b"xmp-secret",
    b"TAIL",
)


def telling_exif(orientation: int = 1) -> Image.Exif:
    exif = Image.Exif()
    exif.update({0x010F: "Maker", 0x0110: "Model 5", 0x0112: orientation, 0x013C: "Jane Doe's phone"})
    details = exif.get_ifd(0x8769)
    details.update({0x829A: 0.01, 0x8827: 200, 0xA434: "50 mm", 0x9003: "2026:01:02 03:04:05"})
    details.update({0xA430: "Jane Doe's", 0xA431: "SERIAL-4711", 0xA435: "LENS-0815", 0xA420: "UNIQUE"})
    details.update({0x927C: b"maker's note", 0x9286: b"ASCII\0\0\0a comment", 0x9010: "+08:00"})
    exif.get_ifd(0x8825).update({1: "N", 2: (31.0, 13.0, 49.0), 3: "E", 4: (121.0, 28.0, 11.0)})
    return exif


PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def telling_jpeg(orientation: int = 1, **saving: object) -> bytes:
    """A JPEG with everything in it that a phone may write."""
    out = io.BytesIO()
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF>xmp-secret</rdf:RDF></x:xmpmeta>"
    Image.fromarray(pixels()).save(
        out,
        "JPEG",
        quality=90,
        exif=telling_exif(orientation),
        icc_profile=PROFILE,
        comment=b"a comment",
        xmp=xmp,
        **saving,
    )
    return out.getvalue() + b"TAIL: a film of the seconds before"


def test_only_harmless_tags_are_kept() -> None:
    block = shareable_exif(telling_exif().tobytes().removeprefix(b"Exif\0\0"))
    assert block is not None and not any(secret in block for secret in SECRETS)
    kept = Image.Exif()
    kept.load(b"Exif\0\0" + block)
    assert dict(kept.get_ifd(0x8825)) == {}
    assert kept[0x0110] == "Model 5"
    details = kept.get_ifd(0x8769)
    assert details[0x8827] == 200 and details[0xA434] == "50 mm"
    assert not {0x9010, 0xA431, 0x927C} & details.keys()


@pytest.mark.parametrize("block", [None, b"", b"II*\0", b"\xff" * 40, b"MM\0*\0\0\0\x08\xff\xff"])
def test_damaged_metadata_are_left_out(block: bytes | None) -> None:
    assert shareable_exif(block) is None


@pytest.mark.parametrize("saving", [{}, {"progressive": True}, {"restart_marker_blocks": 2}, {"subsampling": 2}])
def test_a_jpeg_keeps_pixels_and_profile_and_loses_the_rest(saving: dict[str, object]) -> None:
    given = telling_jpeg(6, **saving)
    assert all(secret in given for secret in SECRETS)
    clean = shareable_jpeg(given)
    assert clean is not None and not any(secret in clean for secret in SECRETS)
    with Image.open(io.BytesIO(given)) as one, Image.open(io.BytesIO(clean)) as other:
        assert np.array_equal(np.asarray(one), np.asarray(other))
        assert other.info["icc_profile"] == PROFILE and other.getexif()[0x0112] == 6
        assert not other.getexif().get_ifd(0x8825)
    assert shareable_jpeg(clean) == clean


def test_thumbnails_in_the_header_go() -> None:
    given = telling_jpeg()
    thumbnail = b"JFIF\0\1\2\0\0\1\0\1\2\2" + b"TAILTAILTAIL"
    header = b"\xff\xd8" + struct.pack(">BBH", 0xFF, 0xE0, len(thumbnail) + 2) + thumbnail
    clean = shareable_jpeg(header + given[2:])
    assert clean is not None and b"TAIL" not in clean


@pytest.mark.parametrize("data", [b"", b"\xff\xd8", b"GIF89a", b"\xff\xd8\xff\xd9"[:3], telling_jpeg()[:600]])
def test_what_is_no_whole_jpeg_is_not_copied(data: bytes) -> None:
    assert shareable_jpeg(data) is None


@pytest.mark.parametrize("orientation", [1, 6, 8])
def test_a_shared_photo_tells_nothing_and_looks_the_same(orientation: int, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(telling_jpeg(orientation))
    store = tmp_path / "store"
    shared = library(store)
    picture = decode(path)
    assert picture.xmp and picture.exif, "there is something to keep"
    panes = (DraftPane("original", "original", picture, path), DraftPane("result-1", "result", picture))
    receipt = shared.share(Draft(panes, {}, {}, ""))
    stored = b"".join(file.read_bytes() for file in (store / receipt.id).iterdir())
    assert not any(secret in stored for secret in SECRETS)
    for pane in shared.look(receipt.id).panes:
        shown = decode(store / receipt.id / pane.file)
        assert np.array_equal(shown.pixels, picture.pixels) and shown.icc == picture.icc
        assert not Image.open(store / receipt.id / pane.file).getexif().get_ifd(0x8825)
    assert [pane.file for pane in shared.look(receipt.id).panes] == ["pane-0.jpg", "pane-1.png"]


def test_a_file_that_shows_other_pixels_is_not_taken_for_the_picture(tmp_path: Path) -> None:
    path = tmp_path / "other.jpg"
    path.write_bytes(telling_jpeg())
    given = draft().panes[0].picture
    shared = library(tmp_path / "store")
    receipt = shared.share(Draft((DraftPane("original", "original", given, path),), {}, {}, ""))
    (pane,) = shared.look(receipt.id).panes
    assert pane.file == "pane-0.png"
    assert np.array_equal(decode(tmp_path / "store" / receipt.id / pane.file).pixels, given.pixels)
