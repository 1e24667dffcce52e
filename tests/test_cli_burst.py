"""Bursts on the command line, as a user types them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from test_burst import other_screen, shot

from demoire.burst import Burst, restore_burst
from demoire.cli import main
from demoire.images import decode
from demoire.loading import ModelCache
from demoire.restore import Restored, RestoreOptions
from tests.tiny import write_recurrent

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def photos(tmp_path: Path, weights: Path) -> list[str]:
    """Three photos of one screen; beside them stands a model that remembers."""
    write_recurrent(weights)
    paths = [tmp_path / f"{name}.png" for name in "abc"]
    for number, path in enumerate(paths):
        Image.fromarray(shot(number, 6)).save(path)
    return list(map(str, paths))


def restore(weights: Path, *arguments: object, model: str = "rnn") -> int:
    return main(["restore", *map(str, arguments), "--model", model, "--device", "cpu", "--weights", str(weights)])


def expected(weights: Path, *paths: str) -> np.ndarray:
    """What the library makes of the first with the others."""
    chosen, *others = [decode(Path(path)) for path in paths]
    burst = Burst(chosen, tuple((lambda photo=photo: photo) for photo in others))
    *_, result = restore_burst(burst, RestoreOptions(model="rnn", device="cpu"), ModelCache(weights))
    assert isinstance(result, Restored)
    return result.picture.pixels


def test_three_photos_become_one_in_a_process_of_its_own(photos: list[str], weights: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "demoire", "restore", *photos, "--burst", "--model", "rnn", "--json"]
    command += ["-o", str(tmp_path / "better.png"), "--weights", str(weights), "--device", "cpu"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    (facts,) = map(json.loads, done.stdout.splitlines())
    assert (facts["input"], facts["photos"], facts["notices"]) == (photos[2], 3, [])
    assert np.array_equal(decode(tmp_path / "better.png").pixels, expected(weights, photos[2], photos[0], photos[1]))


def test_another_photo_is_chosen_and_the_result_named_after_it(
    photos: list[str], weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert restore(weights, *photos, "--burst", "--chosen", 2, "-o", tmp_path / "out") == 0
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b_demoired.png"]
    result = decode(tmp_path / "out" / "b_demoired.png").pixels
    assert np.array_equal(result, expected(weights, photos[1], photos[0], photos[2]))
    assert "(3 photos, 6 tiles on cpu" in capsys.readouterr().out
    folder = tmp_path / "folder"
    folder.mkdir()
    for path in photos:
        Path(path).rename(folder / Path(path).name)
    assert restore(weights, folder, "--burst", "--chosen", 2, "-o", tmp_path / "again.png") == 0
    assert np.array_equal(decode(tmp_path / "again.png").pixels, result)


def test_what_does_not_belong_is_told(
    photos: list[str], weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(other_screen()).save(tmp_path / "x.png")
    assert restore(weights, tmp_path / "x.png", *photos[:2], "--burst", "-o", tmp_path / "out") == 0
    assert "(2 photos," in (told := capsys.readouterr().out) and "were left out." in told
    assert restore(weights, tmp_path / "x.png", photos[0], "--burst", "-o", tmp_path / "out", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["photos"] == 1 and "the result is of one photo alone" in facts["notices"][0]


def test_one_photo_is_told_to_be_as_from_the_cnn(
    photos: list[str], weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert restore(weights, photos[0], "-o", tmp_path / "out", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["photos"] == 1 and facts["notices"][0].startswith("One frame: as the CNN; give 2-10 photos")
    assert restore(weights, photos[0], "-o", tmp_path / "out", "--json", model="tiny") == 0
    assert "photos" not in json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("arguments", "model", "words"),
    [
        (["--burst", "--chosen", "4"], "rnn", "There are 3 photos: --chosen must be 1 to 3, not 4."),
        (["--chosen", "1"], "rnn", "add --burst, or leave it out"),
        (["--burst"], "tiny", "choose one that takes several: rnn"),
        (["a.png"] * 8 + ["--burst"], "rnn", "has 2 to 10 photos, not 11"),
        (["broken.png", "--burst", "--chosen", "1"], "rnn", "broken.png"),
        (["--burst", "-o", "c.png"], "rnn", "is the photo itself"),
    ],
)
def test_what_cannot_be_gets_one_sentence(
    photos: list[str],
    weights: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    model: str,
    words: str,
) -> None:
    monkeypatch.chdir(Path(photos[0]).parent)
    Path("broken.png").write_bytes(b"no picture")
    assert restore(weights, "-o", "out", *photos, *arguments, model=model) == 1
    told = capsys.readouterr()
    assert told.err.startswith("demoire: ") and words in told.err and told.err.count("\n") == 1
    assert not list(Path("out").glob("*")) and "Traceback" not in told.err
