"""Clips through ``python -m demoire restore``."""

import json
import shutil
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from demoire.cli import main
from demoire.clips.clip import Pixels
from demoire.clips.cuts import CutDetector
from demoire.clips.frames import RecurrentRestorer, open_restorer
from demoire.clips.restoring import open_clip
from demoire.loading import ModelCache
from demoire.metrics import peak_signal_to_noise, to_float
from demoire.restore import RestoreOptions
from demoire.ui.clip_tab import SAMPLE
from tests.clipping import Clip, make_clip, picture, read_frames
from tests.pictures import screen
from tests.tiny import write_recurrent


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def restore(weights: Path, *arguments: object, model: str = "identity") -> int:
    return main(["restore", *map(str, arguments), "--weights", str(weights), "--device", "cpu", "--model", model])


def test_a_clip_is_known_by_its_content(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_clip(tmp_path / "clip.mp4", Clip(frames=4, sound="aac"))
    (tmp_path / "clip.mp4").rename(tmp_path / "holiday.jpg")
    assert restore(weights, tmp_path / "holiday.jpg", "-o", tmp_path / "out.mp4", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["frames"], told["whole"], told["model"], told["device"]) == (4, True, "identity", "cpu")
    assert told["duration"] == pytest.approx(0.16) and told["output"] == str(tmp_path / "out.mp4")
    assert told["flicker"]["after"] == pytest.approx(told["flicker"]["before"])
    for number, frame in enumerate(read_frames(tmp_path / "out.mp4")):
        assert peak_signal_to_noise(to_float(frame.pixels), to_float(picture(number))) > 27


@pytest.mark.parametrize(("model", "remembers"), [("tiny", False), ("rnn", True)])
def test_a_model_that_remembers_sees_the_frames_in_order(
    model: str, remembers: bool, weights: Path, tmp_path: Path
) -> None:
    write_recurrent(weights)
    make_clip(tmp_path / "clip.mp4", Clip(frames=4, height=96, width=128), lambda number, *_: shaken(number))
    assert restore(weights, tmp_path / "clip.mp4", "-o", tmp_path / "out.mp4", model=model) == 0
    with open_restorer(ModelCache(weights), RestoreOptions(model=model, device="cpu")) as restorer:
        assert isinstance(restorer, RecurrentRestorer) == remembers
        given = [frame.pixels for frame in read_frames(tmp_path / "clip.mp4")]
        expected = [restorer.restore(frame) for frame in given]
        restorer.reset()
        forgotten = restorer.restore(given[-1])
    assert np.array_equal(expected[-1], forgotten) != remembers
    got = [luma(frame.pixels) for frame in read_frames(tmp_path / "out.mp4")]
    assert min(peak_signal_to_noise(*pair) for pair in zip(got, map(luma, expected), strict=True)) > 34
    near, far = (peak_signal_to_noise(got[-1], luma(frame)) for frame in (expected[-1], forgotten))
    assert (near > far + 1) == remembers


def shaken(number: int) -> Pixels:
    """A noisy screen seen from a hand."""
    view = screen(120, 152, seed=4)[number : number + 96, 2 * number : 2 * number + 128]
    noise = np.random.default_rng(number).normal(0, 5, (*view.shape[:2], 1))
    return np.clip(np.rint(view + noise), 0, 255).astype(np.uint8)


def luma(pixels: Pixels) -> np.ndarray:
    """(height, width) in [0, 1]: what of a picture a video keeps at every pixel."""
    return np.asarray(to_float(pixels) @ np.array([0.299, 0.587, 0.114], np.float32))


def test_photos_and_clips_go_into_a_folder(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in").mkdir()
    make_clip(tmp_path / "in" / "a.webm", Clip(frames=2))
    make_clip(tmp_path / "in" / "b.gif", Clip(frames=2))
    make_clip(tmp_path / "in" / "c.mkv", Clip(frames=2, sound="pcm_s16le"))
    Image.fromarray(picture(3)).save(tmp_path / "in" / "d.png")
    (tmp_path / "in" / "e.mp4").write_bytes(b"no clip")
    assert restore(weights, tmp_path / "in", "-o", tmp_path / "out") == 1
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["a_demoired.mp4", "b_demoired.gif", "c_demoired.mkv", "d_demoired.png"]
    told = capsys.readouterr()
    assert "2 frames" in told.out and "'e.mp4'" in told.err
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out" / "d_demoired.png")), picture(3))


def test_a_folder_becomes_a_clip_where_a_clip_is_asked_for(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "shots").mkdir()
    for number in range(3):
        Image.fromarray(picture(number)).save(tmp_path / "shots" / f"{number}.png")
    assert restore(weights, tmp_path / "shots", "-o", tmp_path / "out.mp4", "--rate", "8") == 0
    assert [float(frame.time) for frame in read_frames(tmp_path / "out.mp4")] == [0, 0.125, 0.25]
    assert restore(weights, tmp_path / "shots", "-o", tmp_path / "out") == 0
    assert len(list((tmp_path / "out").glob("*_demoired.png"))) == 3


@pytest.mark.parametrize("rate", ["0", "241", "-5", "1/0", "fast"])
def test_a_rate_that_no_clip_has_is_refused(rate: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["restore", str(tmp_path), "-o", str(tmp_path / "out.mp4"), f"--rate={rate}"])
    assert f"must be a number above 0 and at most 240, not {rate}" in capsys.readouterr().err


def test_an_animation_as_a_photo(weights: Path, tmp_path: Path) -> None:
    make_clip(tmp_path / "clip.gif", Clip(frames=3))
    assert restore(weights, tmp_path / "clip.gif", "-o", tmp_path / "out.png") == 0
    assert Image.open(tmp_path / "out.png").size == (64, 48)


def test_what_is_refused(weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_clip(tmp_path / "clip.mp4", Clip(frames=25))
    shutil.copy(tmp_path / "clip.mp4", tmp_path / "same.mp4")
    assert restore(weights, tmp_path / "clip.mp4", "-o", tmp_path / "out.mp4", "--max-seconds", 0.5) == 1
    assert restore(weights, tmp_path / "same.mp4", "-o", tmp_path / "same.mp4") == 1
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2 and "0.5 s are accepted" in told[0] and "never overwritten" in told[1]
    assert not (tmp_path / "out.mp4").exists()
    with closing(open_clip(tmp_path / "same.mp4")) as clip:  # untouched
        assert clip.facts.frames == 25


def test_the_bar_tells_rate_and_time_left(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_clip(tmp_path / "clip.mp4", Clip(frames=3))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert restore(weights, tmp_path / "clip.mp4", "-o", tmp_path / "out.mp4") == 0
    told = capsys.readouterr().err
    assert "frame 2/3" in told and "frames/s" in told and "s left" in told and "100%" in told


def test_a_clip_is_simulated_the_same_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--frames", "3", "--rate", "12", "--size", "64", "96"]
    for name, seed in (("a.mp4", "1"), ("b.mp4", "1"), ("c.mp4", "2")):
        assert main(["simulate-clip", "-o", str(tmp_path / name), "--seed", seed, *options]) == 0
    first, again, other = (read_frames(tmp_path / name) for name in ("a.mp4", "b.mp4", "c.mp4"))
    assert [float(frame.time) for frame in first] == pytest.approx([0, 1 / 12, 2 / 12])
    assert first[0].pixels.shape == (64, 96, 3)
    assert all(np.array_equal(one.pixels, two.pixels) for one, two in zip(first, again, strict=True))
    assert not np.array_equal(first[0].pixels, other[0].pixels)
    assert main(["simulate-clip", "-o", str(tmp_path / "d.mp4"), "--frames", "1"]) == 1
    assert "2 frames or more" in capsys.readouterr().err


def test_the_sample_is_small_and_whole() -> None:
    assert SAMPLE.stat().st_size <= 1_500_000
    with closing(open_clip(SAMPLE)) as clip:
        frames = list(clip.frames())
        assert (clip.facts.height, clip.facts.width, len(frames), clip.notices) == (288, 512, 48, [])
    detector = CutDetector()
    assert not any(detector.add(frame.pixels) for frame in frames)
