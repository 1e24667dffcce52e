"""The tab that restores clips: its component and what each of its events starts."""

from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from demoire.catalog import OFFERED, ModelEntry
from demoire.clips.clip import ClipFacts
from demoire.errors import DemoireError
from demoire.ui.handlers import uploaded_file
from demoire.ui.jobs import Desk, Downloading, Started, Waiting
from demoire.ui.parts import Kit
from demoire.ui.restore_tab import DEVICE_LANE, FILE_LANE, KEPT, WAITING
from demoire.ui.screening import Glimpse, Screening, Shown
from demoire.ui.status import Status, failed, refused, status

#: Made by ``python -m demoire simulate-clip``, of a page that it made itself.
SAMPLE = Path(__file__).parent / "examples" / "clip.mp4"


def build(kit: Kit, desk: Desk, models: Mapping[str, ModelEntry]) -> None:
    """Adds the tab's component to the page and wires it."""
    restoring = {name: entry for name, entry in models.items() if entry.family in OFFERED}
    handlers = _Handlers(desk, restoring)
    screening = gr.State(None, time_to_live=KEPT, delete_callback=lambda screening: screening and screening.close())
    limits = desk.settings.clips
    facts = {
        "models": sorted(restoring, key=lambda name: not restoring[name].remembers),  # the first one is chosen
        "seconds": limits.max_seconds,
        "megapixels": limits.max_pixels / 1e6,
        "megabytes": limits.max_bytes >> 20,
    }
    line = kit.own("clip", status("empty") if restoring else refused("error.no_models"), facts)
    quiet: partial[dict[str, Any]] = partial(dict, show_progress="hidden", api_visibility="private")
    told = [line, screening]
    brought = line.clip(handlers.open_upload, [screening], told, **quiet(concurrency_id=FILE_LANE, concurrency_limit=2))
    sample = line.sample(
        handlers.open_sample, [screening], told, **quiet(concurrency_id=FILE_LANE, concurrency_limit=2)
    )
    started = line.start(
        handlers.run,
        [screening],
        told,
        trigger_mode="multiple",
        **quiet(concurrency_id=DEVICE_LANE, concurrency_limit=WAITING),
    )
    line.stop(handlers.stop, [screening], None, queue=False, **quiet())
    for event in (brought, sample, started):  # only what nobody foresaw gets here
        event.failure(None, js="() => window.demoire.tell('clip-broken')", api_visibility="private")


def _facts(facts: ClipFacts) -> dict[str, Any]:
    return {
        "name": facts.name,
        "height": facts.height,
        "width": facts.width,
        "frames": facts.frames,
        "seconds": facts.seconds,
        "rate": float(facts.rate) if facts.rate else None,
    }


class _Handlers:
    """What each event does, for all visitors."""

    def __init__(self, desk: Desk, models: Mapping[str, ModelEntry]) -> None:
        self._desk = desk
        self._models = models

    def open_upload(self, screening: Screening | None, event: gr.EventData) -> tuple[Status, Screening]:
        """Takes the clip that the visitor's browser uploaded."""
        return self._open(uploaded_file(getattr(event, "path", None)), screening)

    def open_sample(self, screening: Screening | None) -> tuple[Status, Screening]:
        """Takes the clip that comes with the page."""
        return self._open(SAMPLE, screening)

    def _open(self, path: Path | None, screening: Screening | None) -> tuple[Status, Screening]:
        screening = screening or Screening(self._desk)
        if path is None:
            return refused("error.not_uploaded"), screening
        try:
            first, facts = screening.open(path)
        except DemoireError as error:
            return failed(error), screening
        return status("ready", {"clip": _facts(facts), "still": [first.address, ""], "runs": []}), screening

    def run(
        self, screening: Screening | None, event: gr.EventData
    ) -> Generator[tuple[Status, Screening | None], None, None]:
        """Restores the clip, telling each step."""
        model = self._models.get(str(getattr(event, "model", "")))
        if screening is None or model is None:
            yield refused("error.no_clip" if model else "error.no_model"), screening
            return
        run = str(getattr(event, "run", ""))
        phase = "cancelled"
        try:
            with closing(screening.run(model, run)) as steps:
                for step in steps:
                    if isinstance(step, Shown):
                        phase = "done" if step.result.whole else "cancelled"
                    else:
                        yield _told(step, run), screening
        except DemoireError as error:
            yield {**failed(error), "run": run, "runs": _runs(screening)}, screening
            return
        yield status(phase, {"run": run, "runs": _runs(screening), "made": model.id}), screening

    def stop(self, screening: Screening | None) -> None:
        """Ends the run that is under way."""
        if screening is not None:
            screening.cancel()


def _runs(screening: Screening) -> list[dict[str, Any]]:
    return [shown.describe() for shown in screening.runs.values()]


def _told(step: Waiting | Downloading | Started | Glimpse, run: str) -> Status:
    """What the browser is told of a step."""
    match step:
        case Waiting():
            return status("queued", {"run": run, "before": step.before})
        case Downloading():
            return status("loading", {"run": run, "bytes": asdict(step)})
        case Started():
            return status("loading", {"run": run})
        case Glimpse():
            frame = step.frame
            facts = {"done": frame.index, "total": frame.total, "rate": frame.frames_per_second}
            still = {"still": [file.address for file in step.pictures]} if step.pictures else {}
            return status("working", {"run": run, "left": frame.seconds_left, **facts, **still})
