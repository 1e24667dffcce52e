"""Clips that are pictures: GIF, WebP, ZIP and folder; what a ZIP may try."""

import io
import zipfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from demoire.clips.clip import ClipLimits, Pixels
from demoire.clips.kinds import kind_of, kind_of_suffix
from demoire.clips.restoring import ClipTarget, FrameDone, open_clip, restore_clip
from demoire.clips.writing import write_frames
from demoire.errors import ClipError, ClipTooLargeError
from tests.clipping import Clip, SteadyRestorer, make_clip, picture, read_frames, restored


def png(pixels: Pixels, **more: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", **more)
    return file.getvalue()


def pack(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def test_a_webp_keeps_every_pixel_and_time(tmp_path: Path) -> None:
    make_clip(tmp_path / "clip.webp", Clip(frames=4))
    restored(tmp_path / "clip.webp", tmp_path / "out.webp")
    before, after = read_frames(tmp_path / "clip.webp"), read_frames(tmp_path / "out.webp")
    assert [float(frame.duration) for frame in after] == pytest.approx([0.05, 0.06, 0.07, 0.08])
    for old, new in zip(before, after, strict=True):
        assert np.array_equal(old.pixels, new.pixels) and old.time == new.time


def test_a_gif_keeps_its_times_and_nearly_its_colours(tmp_path: Path) -> None:
    make_clip(tmp_path / "clip.gif", Clip(frames=4))
    result = restored(tmp_path / "clip.gif", tmp_path / "out.gif")
    assert [notice.code for notice in result.notices] == ["clip_palette"] and result.frames == 4
    before, after = read_frames(tmp_path / "clip.gif"), read_frames(tmp_path / "out.gif")
    for old, new in zip(before, after, strict=True):
        assert (old.time, old.duration) == (new.time, new.duration)
        assert np.abs(old.pixels.astype(int) - new.pixels).mean() < 3


@pytest.mark.parametrize("kind", ["gif", "webp", "zip"])
def test_frames_are_written_as_they_come(kind: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (30, 200, 240, 3), np.uint8)
    write_frames(tmp_path / "clip.mp4", iter(noise), Fraction(25))
    target = ClipTarget(tmp_path / f"out.{kind}", kind)
    sizes = []
    for event in restore_clip(tmp_path / "clip.mp4", [target], SteadyRestorer()):
        if isinstance(event, FrameDone):
            sizes.append(sum(part.stat().st_size for part in tmp_path.glob(".demoire-*.part")))
    whole, buffered = target.path.stat().st_size, 1 << 18
    assert sizes[9] > 0.25 * whole - buffered > 0 and sizes[-1] > 0.9 * whole - buffered


def test_frames_without_a_time_are_shown_as_browsers_do(tmp_path: Path) -> None:
    images = [Image.fromarray(picture(number)) for number in range(3)]
    images[0].save(tmp_path / "clip.gif", save_all=True, append_images=images[1:], duration=0)
    assert [float(frame.duration) for frame in read_frames(tmp_path / "clip.gif")] == [0.1, 0.1, 0.1]


def test_transparent_frames_are_put_on_white(tmp_path: Path) -> None:
    frames = [np.dstack((picture(number), np.full((48, 64), 255 * number, np.uint8))) for number in range(2)]
    images = [Image.fromarray(frame) for frame in frames]
    images[0].save(
        tmp_path / "clip.webp", save_all=True, append_images=images[1:], duration=50, lossless=True, exact=True
    )
    source = open_clip(tmp_path / "clip.webp")
    first, second = source.frames()
    assert (first.pixels == 255).all() and np.array_equal(second.pixels, picture(1))
    assert [notice.code for notice in source.notices] == ["clip_on_white"]


@pytest.mark.parametrize("packed", [False, True])
def test_pictures_come_in_the_order_in_which_people_count(packed: bool, tmp_path: Path) -> None:
    names = ["shot10.png", "shot2.png", "shot1.png", "notes.txt"]
    (tmp_path / "shots").mkdir()
    data = {name: png(picture(int(name[4:-4]))) for name in names[:3]} | {"notes.txt": b"hello"}
    source = tmp_path / "shots"
    if packed:
        source = pack(tmp_path / "shots.zip", {f"inside/{name}": content for name, content in data.items()})
    else:
        for name, content in data.items():
            (source / name).write_bytes(content)
    result = restored(source, tmp_path / ("out.zip" if packed else "out"))
    assert [notice.code for notice in result.notices] == (["clip_other_files"] if packed else [])
    frames = read_frames(tmp_path / ("out.zip" if packed else "out"))
    for number, frame in zip((1, 2, 10), frames, strict=True):
        assert np.array_equal(frame.pixels, picture(number))


def test_a_profile_is_converted(tmp_path: Path) -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    pack(tmp_path / "clip.zip", {"1.png": png(picture(1), icc_profile=lab)})
    assert np.array_equal(read_frames(tmp_path / "clip.zip")[0].pixels, picture(1))


def test_a_zip_reaches_no_other_place(tmp_path: Path) -> None:
    names = ["../1.png", "/etc/2.png", "C:\\3.png", "a/../../4.png", "..\\5.png"]
    outside = set(tmp_path.parent.iterdir())
    pack(tmp_path / "clip.zip", {name: png(picture(number)) for number, name in enumerate(names)})
    assert len(read_frames(tmp_path / "clip.zip")) == 5
    assert set(tmp_path.parent.iterdir()) == outside and [path.name for path in tmp_path.iterdir()] == ["clip.zip"]


def test_what_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    bomb = png(np.zeros((3000, 3000, 3), np.uint8)) + bytes(30_000_000)
    with pytest.raises(ClipTooLargeError, match="unpacks"):
        open_clip(pack(tmp_path / "clip.zip", {"1.png": bomb}), limits=ClipLimits(max_pixels=10_000_000))
    large = pack(tmp_path / "large.zip", {"1.png": png(np.zeros((3000, 3000, 3), np.uint8))})
    with pytest.raises(Exception, match="megapixels"):
        open_clip(large, limits=ClipLimits(max_pixels=1_000_000))
    many = pack(tmp_path / "many.zip", {f"{number}.png": b"x" for number in range(30)})
    with pytest.raises(ClipTooLargeError, match="at most 24"):
        open_clip(many, limits=ClipLimits(max_seconds=2))


def test_a_locked_damaged_or_empty_zip_gets_a_sentence(tmp_path: Path) -> None:
    pack(tmp_path / "clip.zip", {"1.png": png(picture(1))})
    data = bytearray((tmp_path / "clip.zip").read_bytes())
    locked = (
        bytes(data)
        .replace(b"PK\3\4\x14\0\0\0", b"PK\3\4\x14\0\1\0")
        .replace(b"PK\1\2\x14\3\x14\0\0\0", b"PK\1\2\x14\3\x14\0\1\0")
    )
    data[60:70] = bytes(10)
    for broken in (locked, bytes(data), (tmp_path / "clip.zip").read_bytes()[:-40], b"PK\5\6" + bytes(18)):
        (tmp_path / "broken.zip").write_bytes(broken)
        with pytest.raises(ClipError, match=r"'broken\.zip'"):
            open_clip(tmp_path / "broken.zip")


def test_pictures_of_several_sizes_are_no_clip(tmp_path: Path) -> None:
    pack(tmp_path / "clip.zip", {"1.png": png(picture(1)), "2.png": png(picture(2, 20, 20))})
    with pytest.raises(ClipError, match="different sizes"):
        restored(tmp_path / "clip.zip", tmp_path / "out.mp4")
    assert len(read_frames(tmp_path / "out.mp4")) == 1


@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_an_animation_that_is_cut_off(kind: str, tmp_path: Path) -> None:
    make_clip(tmp_path / f"whole.{kind}", Clip(frames=10))
    data = (tmp_path / f"whole.{kind}").read_bytes()
    (tmp_path / f"clip.{kind}").write_bytes(data[: len(data) * 2 // 3])
    try:
        result = restored(tmp_path / f"clip.{kind}", tmp_path / "out.mp4")
    except ClipError as error:
        assert kind == "webp" and "cannot be read" in str(error)  # its frames are read only as a whole
    else:
        assert 4 <= result.frames <= 7 and "clip_cut_off" in [notice.code for notice in result.notices]


def test_kinds_are_told_by_content(tmp_path: Path) -> None:
    for kind in ("mp4", "mov", "webm", "mkv", "gif", "webp"):
        make_clip(tmp_path / f"clip.{kind}", Clip(frames=2))
        (tmp_path / f"clip.{kind}").rename(tmp_path / "clip.jpg")
        assert kind_of(tmp_path / "clip.jpg") == kind
    for suffix in ("gif", "webp", "jpg", "png", "avif"):
        Image.fromarray(picture(1)).save(tmp_path / f"still.{suffix}")
        assert kind_of(tmp_path / f"still.{suffix}") is None
    assert kind_of(tmp_path / "none") is None and kind_of(tmp_path) is None
    assert kind_of_suffix(".M4V") == "mp4" and kind_of_suffix("") is None and kind_of_suffix(".jpg") is None
