"""The state of a view survives the way through JSON; what a browser may send is checked."""

import json
import math

import pytest

from demoire.comparison import Comparison, Pane, Run, Source, ViewState
from demoire.errors import DataError

SOURCE = Source("views/x", 30, 40, 1, 512)


def test_a_view_comes_back_as_it_was() -> None:
    view = ViewState(
        "split", 2.5, 0.25, 0.75, "original", "result-2", 0.3, 8, True, ("reference",), ("result-2",), True
    )
    assert ViewState.read(json.loads(json.dumps(view.describe()))) == view
    assert ViewState.read({}) == ViewState()
    assert ViewState.read({"later": 1, "zoom": 0}) == ViewState(zoom=0)


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {"mode": "none"},
        {"mode": []},
        {"zoom": 17},
        {"zoom": 0.1},
        {"zoom": True},
        {"zoom": "1"},
        {"x": -0.1},
        {"y": math.nan},
        {"a": 3},
        {"a": "x" * 65},
        {"gain": 3},
        {"signed": 1},
        {"mask": 1},
        {"patches": "yes"},
        {"hidden": "all"},
        {"order": ["x"] * 33},
    ],
)
def test_a_view_that_is_not_as_agreed_is_refused(data: object) -> None:
    with pytest.raises(DataError):
        ViewState.read(data)


def test_a_comparison_is_plain_json() -> None:
    run = Run("cnn", "cnn", "bundled", "cpu", "float32", 4, 1.5, box=(1, 2, 3, 4))
    pane = Pane("result-1", "result", SOURCE, run=run, figures={"raw": 30.5, "ssim": math.inf, "fitted": math.nan})
    told = Comparison("key", (Pane("original", "original", SOURCE), pane), ViewState(), "photo.jpg").describe()
    assert json.loads(json.dumps(told, allow_nan=False))["panes"][1]["run"]["box"] == [1, 2, 3, 4]
    assert told["panes"][1]["figures"] == {"raw": 30.5}
    assert told["view"]["zoom"] == 1.0
