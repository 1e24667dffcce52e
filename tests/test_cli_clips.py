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
from demoire.clips.restoring import open_clip
from demoire.metrics import peak_signal_to_noise, to_float
from tests.clipping import Clip, make_clip, picture, read_frames


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def restore(weights: Path, *arguments: object) -> int:
    return main(["restore", *map(str, arguments), "--weights", str(weights), "--device", "cpu", "--model", "identity"])


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
