"""What the status line is told: a phase and its numbers; the words are found in the browser, in its language."""

import time
from collections.abc import Mapping
from typing import Any

from demoire.errors import DemoireError
from demoire.picture import Notice
from demoire.restore import TileDone
from demoire.ui.jobs import Event, Started, Waiting
from demoire.ui.texts import TEXTS, error_texts, notice_texts
from demoire.ui.visits import Result

Status = dict[str, Any]


def status(phase: str, facts: Mapping[str, Any] | None = None) -> Status:
    """A phase with its facts. The stamp makes it new: a value that is what it was before reaches no browser."""
    return {"phase": phase, "stamp": time.monotonic_ns(), **(facts or {})}


def refused(key: str) -> Status:
    """After a refusal of the page's own; ``key`` is its text."""
    return status("failed", {"error": TEXTS[key].per_language()})


def failed(error: DemoireError) -> Status:
    """After an error of the pipeline."""
    return status("failed", {"error": error_texts(error)})


def done(result: Result, notices: tuple[Notice, ...], file: str | None) -> Status:
    """After a run; ``file`` is the download's name once it is written, and ``notices`` what that could not keep."""
    run = result.restored
    facts = {name: getattr(run, name) for name in ("seconds", "device", "tiles", "dtype", "model", "origin")}
    told = dict.fromkeys((*run.notices, *notices))
    return status(
        "done", {"run": {**facts, "file": file}, "encoding": file is None, "notices": [notice_texts(n) for n in told]}
    )


def progress(event: Event, run: str) -> Status:
    """While a run is under way, and at its end; the browser knows by ``run`` what belongs to one that was cancelled."""
    return {**_progress(event), "of": run}


def _progress(event: Event) -> Status:
    match event:
        case Waiting():
            return status("queued")
        case Started():
            return status("loading")
        case TileDone():
            tiles = {"done": event.index, "total": event.total}
            return status("working", {**tiles, "rate": event.megapixels_per_second, "left": event.seconds_left})
        case Result():
            return done(event, (), None)
