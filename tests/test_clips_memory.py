"""Memory does not grow with the length of a clip."""

import json
from fractions import Fraction

import pytest

from demoire.cli import main
from demoire.clips.bench import ClipBenchOptions, measure_clips


@pytest.mark.slow
def test_a_minute_takes_no_more_memory_than_ten_seconds() -> None:
    short, long = measure_clips(ClipBenchOptions(seconds=(10, 60), rate=Fraction(3)))
    assert (short.frames, long.frames) == (30, 180)
    assert abs(long.peak_memory - short.peak_memory) < 50e6


def test_the_command_measures_clips(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--clips", "0.2", "--rate", "30000/1001", "--json"]) == 0
    (cost,) = json.loads(capsys.readouterr().out)
    assert cost["frames"] == 6 and cost["frames_per_second"] > 0 and cost["peak_memory"] > 2e7
