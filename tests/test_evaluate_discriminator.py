"""Scores of the discriminator: closed forms of its figures, and the command on constructed pairs."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from demoire.cli import main
from demoire.errors import DataError
from demoire.evaluate_discriminator import calibration_error, summarise
from demoire.training.card import REPORTS, Figures
from tests.pictures import photo, screen
from tests.tiny import write_discriminator


def test_calibration_error_by_closed_forms() -> None:
    assert calibration_error([1.0] * 5, [0.0] * 50) == 0
    assert calibration_error([0.0], [1.0, 1.0]) == 1
    assert calibration_error([0.5] * 3, [0.5] * 7) == pytest.approx(0)
    # All say 0.75 where half are true.
    assert calibration_error([0.75] * 4, [0.75] * 4) == pytest.approx(0.25)


def test_summary_counts_what_ranks_as_it_should() -> None:
    scored = [
        {"moire": 0.1, "cnn": 0.4, "clean": 0.9},
        {"moire": 0.6, "cnn": 0.2, "clean": 0.5},
        {"moire": 0.2, "cnn": 0.9, "clean": 0.8},
    ]
    summary = summarise(scored)
    assert summary.pairs == 3
    assert summary.means == pytest.approx({"moire": 0.3, "cnn": 0.5, "clean": 2.2 / 3})
    assert summary.clean_over_moire == pytest.approx(2 / 3)
    assert summary.clean_over_restored == pytest.approx(2 / 3)
    with pytest.raises(DataError, match="no pairs"):
        summarise([])


def test_the_command_scores_pairs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights, pairs = tmp_path / "weights", tmp_path / "pairs"
    write_discriminator(weights)
    for side in ("moire", "clean"):
        (pairs / side).mkdir(parents=True)
    for number in range(2):
        clean = screen(96, 96, number)
        for side, pixels in (("clean", clean), ("moire", photo(clean))):
            Image.fromarray(np.asarray(pixels)).save(pairs / side / f"{number}.png")
    arguments = ["evaluate-discriminator", "--pairs", str(pairs), "--models", "--weights", str(weights)]
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [set(one) for one in found["judged"]["pairs"]] == [{"moire", "clean"}] * 2
    assert 0 <= found["summary"]["pairs"]["means"]["clean"] <= 1
    (tmp_path / "judged.json").write_text(json.dumps(found))
    figures = Figures.read("mine", tmp_path / "judged.json")
    assert figures.report is REPORTS["judged"]
    assert figures.summary["pairs"]["clean"] == found["summary"]["pairs"]["means"]["clean"]
    assert main(arguments) == 0
    assert "clean over moire" in capsys.readouterr().out
    assert main(["evaluate-discriminator", "--models", "--weights", str(weights)]) == 1
    assert "nothing to score" in capsys.readouterr().err
