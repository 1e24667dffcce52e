"""The tab that restores clips, in Chromium: real clips in, videos that play in step out."""

from pathlib import Path

import numpy as np
import pytest
from photos import banded
from visitors import PATIENCE, PHONE, Invite, Visitor

from demoire.clips.clip import Pixels
from demoire.metrics import peak_signal_to_noise, to_float
from tests.clipping import Clip, make_clip, read_frames, read_sound

pytestmark = pytest.mark.browser


def numbered(number: int, height: int, width: int) -> Pixels:
    """Bands that move, and in the corner the number of the frame in eight squares, black or white."""
    frame = banded(height, width, period=23 + number % 5)
    for bit in range(8):
        frame[4:20, 4 + 18 * bit : 20 + 18 * bit] = 255 * (number >> bit & 1)
    return frame


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "我的 视频.mp4"
    times = tuple(np.cumsum([0, *(3000 + 1500 * (number % 3) for number in range(19))]).tolist())
    make_clip(path, Clip(frames=20, height=120, width=176, times=times, sound="aac"), numbered)
    return path


def enter(visitor: Visitor, title: str = "Clip") -> None:
    visitor.page.get_by_role("tab", name=title).click()
    visitor.page.wait_for_selector(".clip", state="visible")


def reach(visitor: Visitor, phase: str) -> None:
    visitor.page.wait_for_selector(f".clip[data-phase={phase}]", timeout=PATIENCE)


def give(visitor: Visitor, path: Path) -> None:
    visitor.page.set_input_files(".clip-input", path)
    reach(visitor, "ready")


def numbers_shown(visitor: Visitor) -> list[int]:
    """The numbers that both players show, read from their pixels."""
    found = visitor.page.evaluate(
        """() => [...document.querySelectorAll(".clip video")].map((video) => {
          const canvas = Object.assign(document.createElement("canvas"), {width: 176, height: 120});
          const pen = canvas.getContext("2d");
          pen.drawImage(video, 0, 0);
          const bit = (at) => (pen.getImageData(12 + 18 * at, 12, 1, 1).data[1] > 128 ? 1 << at : 0);
          return [0, 1, 2, 3, 4, 5, 6, 7].reduce((sum, at) => sum + bit(at), 0);
        })"""
    )
    return [int(number) for number in found]


def settle(visitor: Visitor) -> None:
    visitor.page.wait_for_function(
        "() => [...document.querySelectorAll('.clip video')].every((v) => !v.seeking && v.readyState >= 2)"
    )


def expect_number(visitor: Visitor, number: int) -> None:
    """Waits until both players show a frame: a key is heard, and a frame drawn, a moment after it was asked for."""
    for _ in range(100):
        settle(visitor)
        if numbers_shown(visitor) == [number, number]:
            return
        visitor.page.wait_for_timeout(100)
    assert numbers_shown(visitor) == [number, number]


def restore(visitor: Visitor) -> None:
    visitor.page.click(".clip-start")
    reach(visitor, "done")
    settle(visitor)


def test_a_clip_is_restored_played_in_step_and_taken_home(
    visit: Invite, clip: Path, tmp_path: Path, models: Path
) -> None:
    visitor = visit()
    enter(visitor)
    give(visitor, clip)
    assert "176 × 120" in visitor.page.inner_text(".clip-facts")
    restore(visitor)
    assert numbers_shown(visitor) == [0, 0]
    for number in (7, 13, 19, 2):
        visitor.page.fill(".clip-scrubber", str(number))
        expect_number(visitor, number)
    visitor.page.click(".clip-forward")
    expect_number(visitor, 3)
    assert "Frame 4 of 20" in visitor.page.inner_text(".clip-place")
    visitor.page.focus(".clip-scrubber")
    visitor.page.keyboard.press("ArrowLeft")
    expect_number(visitor, 2)
    assert "Flicker" in visitor.page.inner_text(".clip-flicker")

    visitor.page.click(".clip-play")
    visitor.page.wait_for_function("() => document.querySelector('.clip-place')?.textContent.includes('20 of 20')")
    expect_number(visitor, 19)

    taken = visitor.download(tmp_path, ".clip-download")
    assert taken.name == "我的 视频_demoired.mp4"
    frames, original = read_frames(taken), read_frames(clip)
    assert [frame.time for frame in frames] == [frame.time for frame in original]
    assert read_sound(taken) == read_sound(clip)
    expected = through_model(clip, models)
    shown, given = ([luma(frame.pixels) for frame in clip] for clip in (frames, original))
    assert min(peak_signal_to_noise(*pair) for pair in zip(shown, expected, strict=True)) > 36
    assert max(peak_signal_to_noise(*pair) for pair in zip(shown, given, strict=True)) < 36


def luma(pixels: Pixels) -> np.ndarray:
    """(height, width) in [0, 1]: what of a picture a video keeps at every pixel."""
    return np.asarray(to_float(pixels) @ np.array([0.299, 0.587, 0.114], np.float32))


def through_model(clip: Path, weights: Path) -> list[np.ndarray]:
    """What the model makes of each frame, without a page or an encoder."""
    from demoire.clips.frames import open_restorer
    from demoire.loading import ModelCache
    from demoire.restore import RestoreOptions

    with open_restorer(ModelCache(weights), RestoreOptions(device="cpu")) as restorer:
        return [luma(restorer.restore(frame.pixels)) for frame in read_frames(clip)]


def test_two_models_stand_side_by_side_for_one_clip(visit: Invite, clip: Path) -> None:
    visitor = visit()
    enter(visitor)
    give(visitor, clip)
    restore(visitor)
    visitor.page.check(".clip-models input[value=rnn]")
    restore(visitor)
    assert visitor.page.locator(".clip-runs li").count() == 2
    visitor.page.locator(".clip-what").first.select_option("cnn")
    settle(visitor)
    sources = visitor.page.eval_on_selector_all(".clip video", "videos => videos.map((video) => video.src)")
    assert len(set(sources)) == 2 and numbers_shown(visitor) == [0, 0]


def test_the_first_frame_shows_at_once_and_cancel_keeps_what_is_done(visit: Invite, tmp_path: Path) -> None:
    make_clip(tmp_path / "long.mp4", Clip(frames=200, height=480, width=640), numbered)
    visitor = visit()
    enter(visitor)
    give(visitor, tmp_path / "long.mp4")
    visitor.page.click(".clip-start")
    reach(visitor, "working")
    visitor.page.wait_for_function(
        "() => [...document.querySelectorAll('.clip img')].every((image) => image.naturalWidth === 640)"
    )
    assert "frames/s" in visitor.page.inner_text(".clip-text") and "left" in visitor.page.inner_text(".clip-text")
    visitor.page.click(".clip-stop")
    reach(visitor, "cancelled")
    settle(visitor)
    assert "can be played" in visitor.page.inner_text(".clip-text")
    frames = read_frames(visitor.download(tmp_path, ".clip-download"))
    assert 1 <= len(frames) < 200
    assert f"of {len(frames)}" in visitor.page.inner_text(".clip-place")
    assert numbers_shown(visitor) == [0, 0]


def test_what_is_no_clip_is_refused_in_chinese_on_a_phone(visit: Invite, clip: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"\0\0\0\x20ftypisom" + bytes(200))
    visitor = visit(locale="zh-CN", **PHONE)
    enter(visitor, "视频")
    visitor.page.set_input_files(".clip-input", tmp_path / "broken.mp4")
    reach(visitor, "failed")
    assert "无法读取这个视频" in visitor.page.inner_text(".clip-text")
    assert visitor.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    give(visitor, clip)
    restore(visitor)
    assert visitor.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert "修复前" in visitor.page.inner_text(".clip-flicker")


def test_the_sample_is_at_hand(visit: Invite) -> None:
    visitor = visit()
    enter(visitor)
    visitor.page.click(".clip-sample")
    reach(visitor, "ready")
    assert "512 × 288" in visitor.page.inner_text(".clip-facts")


def test_a_file_dropped_on_this_tab_is_a_clip_and_no_photo(visit: Invite, clip: Path) -> None:
    visitor = visit()
    enter(visitor)
    data = visitor.page.evaluate_handle(
        """bytes => { const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(bytes)], "dropped.mp4", {type: "video/mp4"})); return data; }""",
        list(clip.read_bytes()),
    )
    visitor.page.dispatch_event(".clip-drop", "dragenter", {"dataTransfer": data})
    visitor.page.dispatch_event(".clip-drop", "drop", {"dataTransfer": data})
    reach(visitor, "ready")
    assert visitor.page.inner_text(".clip-name") == "dropped.mp4"
    assert visitor.page.get_attribute("html", "data-phase") == "empty"
