"""Clips made here by FFmpeg's libraries, restored by a restorer that changes nothing, and read back."""

import shutil
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from demoire.clips.clip import ClipLimits
from demoire.clips.restoring import ClipOpened, ClipRestored, ClipTarget, FrameDone, open_clip, restore_clip
from demoire.errors import CancelledError, ClipError, ClipTooLargeError, DemoireError, OutputError
from demoire.metrics import peak_signal_to_noise, to_float
from demoire.picture import Notice
from tests.clipping import Clip, SteadyRestorer, make_clip, picture, read_frames, read_sound, restored


def test_frames_come_back_as_they_were(tmp_path: Path) -> None:
    make_clip(tmp_path / "clip.mp4", Clip(frames=12))
    result = restored(tmp_path / "clip.mp4", tmp_path / "out.mp4")
    assert result.whole and result.frames == 12 and result.notices == ()
    before, after = read_frames(tmp_path / "clip.mp4"), read_frames(tmp_path / "out.mp4")
    assert [frame.time for frame in after] == [frame.time for frame in before]
    assert [frame.duration for frame in after] == [frame.duration for frame in before]
    for old, new in zip(before, after, strict=True):
        assert peak_signal_to_noise(to_float(new.pixels), to_float(old.pixels)) > 40


def test_the_result_plays_in_browsers(tmp_path: Path) -> None:
    make_clip(tmp_path / "clip.mkv", Clip(frames=3))
    restored(tmp_path / "clip.mkv", tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as file:
        context = file.streams.video[0].codec_context
        assert (context.name, context.pix_fmt) == ("h264", "yuv420p")
    data = (tmp_path / "out.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize("kind", ["mp4", "mov", "mkv", "webm"])
def test_every_kind_is_read_and_written(kind: str, tmp_path: Path) -> None:
    make_clip(tmp_path / f"clip.{kind}", Clip(frames=5))
    result = restored(tmp_path / f"clip.{kind}", tmp_path / f"out.{kind}")
    assert result.facts.kind == kind and result.frames == 5
    before, after = read_frames(tmp_path / f"clip.{kind}"), read_frames(tmp_path / f"out.{kind}")
    for old, new in zip(before, after, strict=True):
        assert new.time == old.time
        assert peak_signal_to_noise(to_float(new.pixels), to_float(old.pixels)) > 32


def test_shape_of_pixels_and_title_are_kept(tmp_path: Path) -> None:
    make_clip(tmp_path / "clip.mp4", Clip(frames=2, aspect=Fraction(4, 3), title="A screen"))
    restored(tmp_path / "clip.mp4", tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as file:
        assert file.streams.video[0].sample_aspect_ratio == Fraction(4, 3)
        assert file.metadata["title"] == "A screen"


@pytest.mark.parametrize("reordered", [False, True])
def test_times_that_vary_are_kept(reordered: bool, tmp_path: Path) -> None:
    times = (0, 3003, 9009, 10010, 40040, 41041)
    make_clip(tmp_path / "clip.mp4", Clip(frames=6, times=times, reordered=reordered))
    result = restored(tmp_path / "clip.mp4", tmp_path / "out.mp4")
    expected = [Fraction(time, 90000) for time in times]
    assert [frame.time for frame in read_frames(tmp_path / "out.mp4")] == expected
    assert result.times[:-1] == pytest.approx([float(time) for time in expected])
    for number, frame in enumerate(read_frames(tmp_path / "out.mp4")):
        assert peak_signal_to_noise(to_float(frame.pixels), to_float(picture(number))) > 27


SOUNDS = [("aac", "mp4"), ("libopus", "mp4"), ("flac", "mp4"), ("aac", "mov"), ("libopus", "webm"), ("alac", "mkv")]


@pytest.mark.parametrize(("sound", "kind"), SOUNDS)
def test_sound_is_copied_bit_by_bit(sound: str, kind: str, tmp_path: Path) -> None:
    make_clip(tmp_path / f"clip.{kind}", Clip(frames=25, sound=sound))
    restored(tmp_path / f"clip.{kind}", tmp_path / f"out.{kind}")
    before, after = read_sound(tmp_path / f"clip.{kind}"), read_sound(tmp_path / f"out.{kind}")
    assert len(before) > 5
    assert [packet for packet, _ in after] == [packet for packet, _ in before]
    assert [float(time) for _, time in after] == pytest.approx([float(time) for _, time in before], abs=0.0021)


def test_the_last_bit_of_sound_that_tells_no_length_is_kept(tmp_path: Path) -> None:
    make_clip(tmp_path / "clip.mkv", Clip(frames=25, sound="alac"))
    restored(tmp_path / "clip.mkv", tmp_path / "out.mp4")
    before, after = read_sound(tmp_path / "clip.mkv"), read_sound(tmp_path / "out.mp4")
    assert [packet for packet, _ in after] == [packet for packet, _ in before] and len(before) > 5


def test_a_kind_that_joins_packets_of_samples_keeps_every_byte(tmp_path: Path) -> None:
    make_clip(tmp_path / "clip.mkv", Clip(frames=10, sound="pcm_s16le"))
    assert restored(tmp_path / "clip.mkv", tmp_path / "out.mov").notices == ()
    before, after = (b"".join(data for data, _ in read_sound(tmp_path / name)) for name in ("clip.mkv", "out.mov"))
    assert after == before != b""


DROPPED = [("pcm_s16le", "mp4"), ("libopus", "mov"), ("flac", "mov"), ("aac", "webm")]


@pytest.mark.parametrize(("sound", "kind"), DROPPED)
def test_sound_that_a_kind_cannot_hold_is_said(sound: str, kind: str, tmp_path: Path) -> None:
    make_clip(tmp_path / "clip.mkv", Clip(frames=5, sound=sound))
    result = restored(tmp_path / "clip.mkv", tmp_path / f"out.{kind}")
    assert [notice.code for notice in result.notices] == ["clip_sound_dropped"]
    assert read_sound(tmp_path / f"out.{kind}") == [] and len(read_frames(tmp_path / f"out.{kind}")) == 5


def test_codecs_that_nobody_knows(tmp_path: Path) -> None:
    make_clip(tmp_path / "clip.mkv", Clip(frames=5, sound="aac"))
    data = (tmp_path / "clip.mkv").read_bytes()
    (tmp_path / "sound.mkv").write_bytes(data.replace(b"A_AAC", b"A_XYZ"))
    (tmp_path / "video.mkv").write_bytes(data.replace(b"V_MPEG4/ISO/AVC", b"V_MPEG4/ISO/XYZ"))
    result = restored(tmp_path / "sound.mkv", tmp_path / "out.mp4")
    assert result.frames == 5 and [notice.code for notice in result.notices] == ["clip_sound_dropped"]
    with pytest.raises(ClipError, match=r"'video\.mkv' is of a kind that is not known here; convert it to H\.264\.$"):
        restored(tmp_path / "video.mkv", tmp_path / "none.mp4")


@pytest.mark.parametrize("turn", [90, 180, -90])
def test_a_turned_clip_comes_back_upright(turn: int, tmp_path: Path) -> None:
    make_clip(tmp_path / "clip.mp4", Clip(frames=3, turn=turn))
    restored(tmp_path / "clip.mp4", tmp_path / "out.mp4")
    stored = picture(0, 48, 64)
    upright = np.rot90(stored, turn // 90)
    frame = read_frames(tmp_path / "out.mp4")[0]
    assert frame.pixels.shape == upright.shape
    assert peak_signal_to_noise(to_float(frame.pixels), to_float(upright)) > 27
    with av.open(str(tmp_path / "out.mp4")) as file:
        assert next(file.decode(video=0)).rotation == 0


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", [1, 5])
def test_range_and_matrix_are_kept(full: bool, matrix: int, tmp_path: Path) -> None:
    make_clip(tmp_path / "clip.mp4", Clip(frames=2, full=full, matrix=matrix))
    restored(tmp_path / "clip.mp4", tmp_path / "out.mp4")
    with av.open(str(tmp_path / "clip.mp4")) as old, av.open(str(tmp_path / "out.mp4")) as new:
        before, after = next(old.decode(video=0)), next(new.decode(video=0))
    assert int(after.color_range) == int(before.color_range) == (2 if full else 1)
    assert int(after.colorspace) == int(before.colorspace) == matrix
    planes = [np.asarray(frame.to_ndarray(format="yuv420p"), float) for frame in (before, after)]
    assert abs(planes[0].mean() - planes[1].mean()) < 0.3 and np.abs(planes[0] - planes[1]).mean() < 1.2


@pytest.mark.parametrize("share", [0.2, 0.5, 0.8, 0.97])
@pytest.mark.parametrize("kind", ["mp4", "mkv"])
def test_a_clip_that_is_cut_off_ends_where_it_ends(kind: str, share: float, tmp_path: Path) -> None:
    make_clip(tmp_path / f"whole.{kind}", Clip(frames=40, height=96, width=128))
    data = (tmp_path / f"whole.{kind}").read_bytes()
    (tmp_path / f"clip.{kind}").write_bytes(data[: int(len(data) * share)])
    result = restored(tmp_path / f"clip.{kind}", tmp_path / "out.mp4")
    frames = read_frames(tmp_path / "out.mp4")
    assert len(frames) == result.frames
    assert max((share - 0.2) * 40, 1) <= len(frames) <= 40 * share + 3
    assert len(frames) == 39 or "clip_cut_off" in [notice.code for notice in result.notices]
    for number, frame in enumerate(frames):
        assert peak_signal_to_noise(to_float(frame.pixels), to_float(picture(number, 96, 128))) > 25


def empty(path: Path) -> None:
    with av.open(str(path), "w", format="mp4") as file:
        stream = file.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        file.start_encoding()


def only_sound(path: Path) -> None:
    make_clip(path, Clip(frames=0, sound="aac"))


def without_index(path: Path) -> None:
    make_clip(path, Clip(frames=5, front=False))
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"moov")])


def garbage(path: Path) -> None:
    path.write_bytes(b"\0\0\0\x20ftypisom" + bytes(range(256)) * 8)


def nothing(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("make", [empty, only_sound, without_index, garbage, nothing])
def test_what_cannot_be_read_gets_a_sentence_and_leaves_no_file(make: Callable[[Path], None], tmp_path: Path) -> None:
    make(tmp_path / "clip.mp4")
    with pytest.raises(ClipError) as caught:
        restored(tmp_path / "clip.mp4", tmp_path / "out.mp4")
    assert "clip.mp4" in str(caught.value) and str(caught.value).endswith(".")
    assert ("only sound" in str(caught.value)) == (make is only_sound)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


@pytest.mark.parametrize("limits", [ClipLimits(max_seconds=0.5), ClipLimits(max_pixels=3000), ClipLimits(max_bytes=99)])
def test_what_is_too_large_is_refused(limits: ClipLimits, tmp_path: Path) -> None:
    make_clip(tmp_path / "clip.mp4", Clip(frames=25))
    with pytest.raises(ClipTooLargeError, match="accepted"):
        open_clip(tmp_path / "clip.mp4", limits=limits)


@pytest.mark.parametrize("kind", ["mp4", "webm"])
def test_a_frame_that_is_far_too_large_is_not_decoded(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_clip(tmp_path / f"clip.{kind}", Clip(frames=3))
    monkeypatch.setattr("demoire.clips.video._BOMB", 1000)
    assert len(read_frames(tmp_path / f"clip.{kind}")) == 3
    decoded: list[object] = []
    monkeypatch.setattr("demoire.clips.video.VideoSource._decode_first", decoded.append)
    with pytest.raises(ClipTooLargeError, match="megapixels"):
        open_clip(tmp_path / f"clip.{kind}", limits=ClipLimits(max_pixels=48 * 64 - 1))
    monkeypatch.undo()
    assert decoded == []


def test_a_frame_that_is_larger_than_its_header_says_is_not_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_clip(tmp_path / "clip.webm", Clip(frames=3))
    data = (tmp_path / "clip.webm").read_bytes()
    size = b"\xb0\x81\x40\xba\x81\x30"  # PixelWidth, PixelHeight
    assert size in data
    (tmp_path / "clip.webm").write_bytes(data.replace(size, b"\xb0\x81\x08\xba\x81\x08"))
    with pytest.raises(ClipTooLargeError, match="megapixels"):
        open_clip(tmp_path / "clip.webm", limits=ClipLimits(max_pixels=1000))
    monkeypatch.setattr("demoire.clips.video._BOMB", 1000)
    with pytest.raises(ClipError, match="no frame that can be read: it is cut off or far too large"):
        open_clip(tmp_path / "clip.webm", limits=ClipLimits(max_pixels=1000))


def test_a_clip_that_tells_no_length_ends_at_the_limit(tmp_path: Path) -> None:
    make_clip(tmp_path / "clip.mkv", Clip(frames=25, live=True))
    source = open_clip(tmp_path / "clip.mkv", limits=ClipLimits(max_seconds=0.5))
    assert source.facts.seconds is None
    frames = list(source.frames())
    assert (len(frames), frames[-1].time + frames[-1].duration) == (13, Fraction(13, 25))
    assert [notice.code for notice in source.notices] == ["clip_shortened"]
    assert len(read_frames(tmp_path / "clip.mkv")) == 25


def test_limits_are_settings() -> None:
    limits = ClipLimits.from_environment({"DEMOIRE_MAX_CLIP_SECONDS": "2", "DEMOIRE_MAX_CLIP_MEGAPIXELS": "0.5"})
    assert (limits.max_seconds, limits.max_pixels, limits.max_frames) == (2, 500_000, 240)
    with pytest.raises(DemoireError, match="DEMOIRE_MAX_CLIP_SECONDS"):
        ClipLimits.from_environment({"DEMOIRE_MAX_CLIP_SECONDS": "long"})


def test_cancel_keeps_what_is_finished(tmp_path: Path) -> None:
    make_clip(tmp_path / "clip.mp4", Clip(frames=50, sound="aac"))
    done: list[FrameDone] = []
    targets = [ClipTarget(tmp_path / "out.mp4", "mp4"), ClipTarget(tmp_path / "before.mp4", "mp4", "before")]
    events = restore_clip(tmp_path / "clip.mp4", targets, SteadyRestorer(), cancelled=lambda: len(done) == 10)
    last = None
    for last in events:
        done += [last] if isinstance(last, FrameDone) else []
    assert isinstance(last, ClipRestored) and not last.whole and last.frames == 10
    assert [notice.code for notice in last.notices] == ["clip_cancelled"]
    assert len(read_frames(tmp_path / "out.mp4")) == len(read_frames(tmp_path / "before.mp4")) == 10
    sound = read_sound(tmp_path / "out.mp4")
    assert sound == read_sound(tmp_path / "clip.mp4")[: len(sound)] and 0.3 < sound[-1][1] < 0.42


def test_closing_and_errors_keep_what_is_finished_too(tmp_path: Path) -> None:
    make_clip(tmp_path / "clip.mp4", Clip(frames=20))
    events = restore_clip(tmp_path / "clip.mp4", [ClipTarget(tmp_path / "a.mp4", "mp4")], SteadyRestorer())
    for _ in range(5):
        event = next(events)
    assert isinstance(event, FrameDone) and event.index == 4 and event.total == 20
    events.close()
    assert len(read_frames(tmp_path / "a.mp4")) == 4

    events = restore_clip(tmp_path / "clip.mp4", [ClipTarget(tmp_path / "b.mp4", "mp4")], SteadyRestorer(fail_at=7))
    seen: list[object] = []
    with pytest.raises(OutputError, match="broken"):
        seen.extend(event for event in events if isinstance(event, ClipRestored))
    assert len(seen) == 1 and len(read_frames(tmp_path / "b.mp4")) == 7
    events = restore_clip(
        tmp_path / "clip.mp4", [ClipTarget(tmp_path / "d.mp4", "mp4")], SteadyRestorer(9, KeyboardInterrupt())
    )
    with pytest.raises(KeyboardInterrupt):
        list(events)
    assert len(read_frames(tmp_path / "d.mp4")) == 9
    with pytest.raises(CancelledError):
        list(
            restore_clip(
                tmp_path / "clip.mp4", [ClipTarget(tmp_path / "c.mp4", "mp4")], SteadyRestorer(), cancelled=lambda: True
            )
        )
    assert not list(tmp_path.glob("c.mp4")) and not list(tmp_path.glob(".demoire*"))


def test_where_one_file_cannot_be_completed_the_others_are(tmp_path: Path) -> None:
    make_clip(tmp_path / "clip.mp4", Clip(frames=6))
    targets = [ClipTarget(tmp_path / name / "out.mp4", "mp4") for name in ("a", "b")]
    for target in targets:
        target.path.parent.mkdir()
    events = restore_clip(tmp_path / "clip.mp4", targets, SteadyRestorer())
    for _ in range(3):
        next(events)
    shutil.rmtree(tmp_path / "a")
    with pytest.raises(OutputError, match="cannot be written"):
        list(events)
    assert len(read_frames(tmp_path / "b" / "out.mp4")) == 6


def test_events_tell_facts_rate_and_time_left(tmp_path: Path) -> None:
    make_clip(tmp_path / "clip.mp4", Clip(frames=6))
    opened, *frames, _ = restore_clip(tmp_path / "clip.mp4", [], SteadyRestorer())
    assert isinstance(opened, ClipOpened)
    assert (opened.facts.height, opened.facts.width, opened.facts.frames) == (48, 64, 6)
    assert [frame.index for frame in frames if isinstance(frame, FrameDone)] == [1, 2, 3, 4, 5, 6]
    last = frames[-1]
    assert isinstance(last, FrameDone) and last.share == 1 and last.seconds_left == 0 and last.frames_per_second > 0


def test_an_odd_size_is_padded_and_said(tmp_path: Path) -> None:
    make_clip(tmp_path / "clip.gif", Clip(frames=3, height=47, width=63))
    result = restored(tmp_path / "clip.gif", tmp_path / "out.mp4")
    assert "clip_padded" in [notice.code for notice in result.notices]
    assert read_frames(tmp_path / "out.mp4")[0].pixels.shape == (48, 64, 3)


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    make_clip(tmp_path / "clip.mp4", Clip(frames=2))
    with pytest.raises(OutputError, match="cannot be written"):
        restored(tmp_path / "clip.mp4", tmp_path / "none" / "out.mp4")


def test_notices_name_their_translation() -> None:
    from demoire.ui.texts import TEXTS

    modules = ("restoring", "video", "writing", "stills", "moving")
    found = [
        value
        for name in modules
        for value in vars(__import__(f"demoire.clips.{name}", fromlist=["_"])).values()
        if isinstance(value, Notice)
    ]
    assert len(found) > 8
    for notice in found:
        assert TEXTS[f"notice.{notice.code}"].en == notice.text


def test_deep_pixels_become_eight_bits(tmp_path: Path) -> None:
    make_clip(tmp_path / "clip.mkv", Clip(frames=2, deep=True))
    result = restored(tmp_path / "clip.mkv", tmp_path / "out.mp4")
    assert [notice.code for notice in result.notices] == ["clip_depth"]
