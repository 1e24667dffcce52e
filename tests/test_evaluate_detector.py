"""The command that scores the detector: which sets there are, and what counts in each."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from demoire.cli import main
from demoire.detect import FULL_STRENGTH
from demoire.evaluate_detector import true_strength
from demoire.training.building import StoreOptions, build_store
from demoire.training.content import ContentStore
from tests.tiny import write_detector


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Twelve pictures of noise, the first of which is large."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number, side in enumerate((1300, *[140] * 11)):
        Image.fromarray(rng.integers(0, 256, (side, 150, 3), dtype=np.uint8)).save(folder / f"{number:02d}.png")
    return folder


def test_every_set_is_scored(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content, weights, pairs = tmp_path / "content", tmp_path / "weights", tmp_path / "pairs"
    for _ in build_store(StoreOptions((pictures,), pages=4, licence="CC0-1.0"), content):
        pass
    write_detector(weights)
    for part in ("moire", "clean"):
        (pairs / part).mkdir(parents=True)
        for number in range(3):
            colours = np.random.default_rng(number).integers(40, 210, (5, 5, 3), dtype=np.uint8)
            smooth = np.asarray(Image.fromarray(colours).resize((320, 320), Image.Resampling.BICUBIC), float)
            wave = 5 * (number + 1) * np.sin(np.arange(320) / 2) * (part == "moire")
            picture = (smooth + wave[:, None, None]).round().astype(np.uint8)
            Image.fromarray(picture).save(pairs / part / f"{number:04d}.png")
    command = ["evaluate-detector", "--pairs", str(pairs), "--clean", str(pictures), "--weights", str(weights)]
    command += ["--textures", "2", "--content", str(content), "--captures", "3"]
    assert main([*command, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    counts = {name: (summary["positives"], summary["negatives"]) for name, summary in found["summary"].items()}
    held_out = len(ContentStore(content, "val").entries)
    assert held_out >= 2
    simulated = counts.pop("simulated")
    assert sum(simulated) <= 3
    sets = {"pairs": (3, 3), "pictures": (0, 12), "real": (3, 15), "textures": (0, 2), "content": (0, held_out)}
    assert counts == sets
    for name, scored in found["pictures"].items():
        alarms = [one["probability"] >= 0.5 for one in scored if not one["moire"]]
        if alarms:
            assert found["summary"][name]["false_alarms"] == pytest.approx(sum(alarms) / len(alarms))
    truths = [one["true_strength"] for one in found["pictures"]["pairs"] if one["moire"]]
    assert truths == pytest.approx([5 / 32, 10 / 32, 15 / 32], rel=0.15)
    assert main(command) == 0
    table = capsys.readouterr().out
    assert [line.split()[0] for line in table.splitlines()[1:]] == list(found["summary"])


def test_strength_of_a_real_pair_is_that_of_bands_where_nothing_else_is() -> None:
    """Bands on a third of a flat part; beside it detail that lies a pixel apart in both pictures."""
    clean = np.full((240, 480, 3), 0.5, np.float32)
    clean[:, 300:] = np.kron(np.random.default_rng(0).random((24, 18, 3)), np.ones((10, 10, 1)))
    photo = np.roll(clean, 1, axis=0)
    photo[:, :100] += (12 / 255 * np.sin(2 * np.pi * np.arange(240) / 20))[:, None, None]
    assert true_strength(photo, clean) == pytest.approx(12 / FULL_STRENGTH, rel=0.1)
    assert true_strength(np.roll(clean, 1, axis=0), clean) is None
