"""What the status line is told: a phase and its numbers; the words are found in the browser, in its language."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from demoire.errors import DemoireError
from demoire.restore import LookedOver
from demoire.ui.job import Finished, Progress
from demoire.ui.jobs import Downloading, Event, Started, Waiting
from demoire.ui.texts import error_texts, notice_texts
from demoire.ui.visits import Reference, Result

Status = dict[str, Any]


def status(phase: str, facts: Mapping[str, Any] | None = None) -> Status:
    """A phase with its facts. The stamp makes it new: a value that is what it was before reaches no browser."""
    return {"phase": phase, "stamp": time.monotonic_ns(), **(facts or {})}


def refused(key: str, places: Mapping[str, Any] | None = None) -> Status:
    """After a refusal of the page's own; ``key`` is its text, ``places`` what that leaves open."""
    return status("failed", {"key": key, "places": places or {}})


def failed(error: DemoireError) -> Status:
    """After an error of the pipeline."""
    return status("failed", {"error": error_texts(error)})


def done(results: Sequence[Result], reference: Reference | None = None) -> Status:
    """After a run: how each result came about, what it, or its download, could not keep, what limits its figures."""
    notices = dict.fromkeys(reference.notices if reference else ())
    for result in results:
        kept = result.restored.notices if result.restored else ()
        notices |= dict.fromkeys((*kept, *(result.download.notices if result.download else ())))
    encoding = any(result.restored and not result.download for result in results)
    said = {"encoding": encoding, "notices": [notice_texts(notice) for notice in notices]}
    return status("done", {"runs": [_run(result) for result in results], **said})


def _run(result: Result) -> dict[str, Any]:
    return {
        **asdict(result.run),
        "file": result.download and asdict(result.download.file),
        "problem": error_texts(result.error) if result.error else None,
    }


def progress(event: Event) -> Status:
    """While a run is under way, and at its end."""
    match event:
        case Waiting():
            return status("queued", {"before": event.before})
        case Downloading():
            return status("loading", {"bytes": asdict(event)})
        case Started():
            return status("loading")
        case LookedOver():
            return status("working", {"looked": event.share})
        case Progress():
            return status("working", asdict(event))
        case Finished():
            return done(event.results)
