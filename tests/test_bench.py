"""The cost of restoring, measured with a tiny model."""

import contextlib
import json
import os
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from demoire.bench import BenchOptions, Case, Cost, measure_run, peak_memory
from demoire.cli import main
from demoire.images import Picture, encode
from demoire.page_bench import PageCost, PageOptions, PageRun
from demoire.restore import RestoreOptions


def test_command_measures_each_size_in_a_process_of_its_own(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--model", "tiny", "--weights", str(weights), "--megapixels", "0.05", "0.2", "--threads", "1"]
    assert main(["bench", *arguments, "--repeats", "2", "--tile", "300", "--json"]) == 0
    cost = json.loads(capsys.readouterr().out)
    assert (cost["model"], cost["macs_per_pixel"]) == ("tiny", 500)
    small, large = cost["cases"]
    assert [round(case["megapixels"], 2) for case in (small, large)] == [0.05, 0.2]
    assert [len(case["runs"]) for case in (small, large)] == [2, 2]
    assert small["recomputation"] == pytest.approx(1, abs=0.05) and large["recomputation"] > 1.3
    for case in (small, large):
        assert 0 < case["share"] < 1 and 100e6 < case["peak_memory"] < 2e9
        rates = [run["network_rate"] / run["machine_rate"] for run in case["runs"]]
        assert min(rates) <= case["share"] <= max(rates)
        assert all(run["decode"] > 0 and run["encode"] > 0 and run["first_tile"] > 0 for run in case["runs"])
    dearness = [case["recomputation"] / case["share"] for case in (small, large)]
    assert cost["spread"] == pytest.approx(max(dearness) / min(dearness) - 1)


def test_the_table_has_a_line_for_each_size(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cases = tuple(Case(size, 0.37, 0.8, 0.5, 1.09, 1_200_000_000, ()) for size in (2.0, 12.0))
    asked: list[BenchOptions] = []
    cost = Cost("cnn", "cpu", 21051.0, 0.07, cases)
    monkeypatch.setattr("demoire.cli.bench.measure", lambda options: asked.append(options) or cost)
    assert main(["bench", "--megapixels", "2", "12"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5 and lines[3].split() == ["12.0", "0.37", "80%", "1.09x", "0.50", "s", "1200", "MB"]
    assert "7%" in lines[-1] and asked[0].megapixels == (2.0, 12.0)


def test_rates_count_what_was_computed(tmp_path: Path, weights: Path) -> None:
    encode(Picture(np.zeros((300, 300, 3), np.uint8)), tmp_path / "a.jpg", "jpeg")
    options = BenchOptions(restore=RestoreOptions(model="tiny", device="cpu"), weights=weights)
    whole = measure_run(tmp_path / "a.jpg", options, 500)
    assert (whole.tiles, whole.recomputation) == (1, 1)
    assert whole.network_rate > 300 * 300 * 500 / whole.restore / 2 / (os.cpu_count() or 1)
    assert 0 < whole.network_rate < whole.machine_rate
    tiled = measure_run(tmp_path / "a.jpg", replace(options, restore=replace(options.restore, tile=164)), 500)
    assert tiled.tiles > 4 and tiled.recomputation > 2


def test_peak_memory_is_that_of_this_process() -> None:
    before = peak_memory()
    block = np.ones(before // 8 + 30_000_000)
    assert peak_memory() - before > 200_000_000 and block.nbytes < peak_memory() < block.nbytes + before * 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "tinny"], "did you mean 'tiny'"),
        (["--model", "tiny", "--repeats", "0"], "more than 0"),
        (["--model", "tiny", "--megapixels", "-1"], "more than 0"),
        (["--model", "tiny", "--megapixels", "0.01"], "lack of memory"),
    ],
)
def test_what_goes_wrong_is_a_sentence(
    weights: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    words: str,
) -> None:
    def ended(*_: object) -> None:
        raise BrokenProcessPool("A process in the process pool was terminated abruptly.")

    monkeypatch.setattr("demoire.bench.ProcessPoolExecutor.submit", ended)
    assert main(["bench", "--weights", str(weights), *arguments]) == 1
    errors = capsys.readouterr().err.splitlines()
    assert len(errors) == 1 and words in errors[0]


PAGE = PageCost(12.0, 1.2, 0.4, 3.0, 2.5, 1.2, False, (PageRun(1.2, 9.0, 10.5, 8.6, 1.5),))


def test_what_the_page_costs_is_told(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[PageOptions] = []
    monkeypatch.setattr("demoire.cli.bench.measure_page", lambda options: asked.append(options) or PAGE)
    assert main(["bench", "--page", "--repeats", "5"]) == 0
    told = capsys.readouterr().out
    assert asked == [PageOptions(12, 5)]
    assert "1.20 s" in told and "1.20 times an empty page's 2.50 s" in told and told.splitlines()[4].endswith("no")
    assert main(["bench", "--page", "--megapixels", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"][0]["encoding"] == 1.5
    assert PAGE.runs[0].overhead == pytest.approx(10.5 - 8.6 - 1.5)


def test_the_page_cannot_be_measured_without_a_browser_or_a_size(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("demoire.page_bench._serving", lambda *_: contextlib.nullcontext(SimpleNamespace(started=1.0)))
    monkeypatch.setattr("demoire.page_bench.shutil.which", lambda _: None)
    for arguments, words in {
        ("--megapixels", "0.01"): "no browser to measure with",
        ("--megapixels", "1", "2"): "one number",
        ("--repeats", "0"): "more than 0",
    }.items():
        assert main(["bench", "--page", *arguments]) == 1
        assert words in capsys.readouterr().err
