"""The tab that restores photos: its components and what each of them starts."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from demoire.catalog import OFFERED, ModelEntry
from demoire.detect import DETECTOR
from demoire.images import OUTPUT_CHOICES
from demoire.judge import DISCRIMINATOR
from demoire.ui.bench import Bench
from demoire.ui.handlers import Handlers
from demoire.ui.jobs import Desk
from demoire.ui.parcels import NOTHING
from demoire.ui.parts import Kit
from demoire.ui.plugs import PLUGS
from demoire.ui.routes import EXAMPLES
from demoire.ui.status import refused, status
from demoire.ui.viewer import viewer
from demoire.ui.visits import MOST_PHOTOS

#: Sides of tiles to choose from, in pixels; the model's own halo is part of them.
TILES = (512, 768, 1024, 1536)
DEVICES = ("auto", "cpu", "cuda", "mps")
#: How long a visitor's photos and results are kept at most, in seconds.
KEPT = 43200
#: Jobs on the device wait in a lane of our own, which knows everybody's place; opening and writing do not wait.
DEVICE_LANE = "device"
FILE_LANE = "files"
REFERENCE_LANE = "reference"  # takes seconds of all cores
#: How many jobs may wait for the device at once.
WAITING = 64


@dataclass(frozen=True)
class Buttons:
    """What starts and ends runs."""

    restore: gr.Button
    every: gr.Button
    cancel: gr.Button


@dataclass(frozen=True)
class Told:
    """What events tell something."""

    status: gr.HTML
    viewer: gr.HTML
    parcels: gr.HTML
    intake: gr.HTML


def build(kit: Kit, desk: Desk, models: Mapping[str, ModelEntry]) -> None:
    """Adds the tab's components to the page and wires them."""
    limits = desk.settings.limits
    sizes = {"megapixels": limits.max_pixels // 1_000_000, "megabytes": limits.max_bytes >> 20}
    restoring = {name: entry for name, entry in models.items() if entry.family in OFFERED}
    bursts = any(entry.remembers for entry in restoring.values())
    with gr.Column(elem_id="workbench"):
        with gr.Column(elem_id="side") as side:
            intake = kit.own(
                "intake",
                {"photos": [], "at": None, "reference": None},
                {"examples": list(EXAMPLES), "most": MOST_PHOTOS, "bursts": bursts, **sizes},
            )
            with gr.Column(elem_id="controls"):
                families = _models(kit, restoring)
                buttons = _buttons(kit, bool(restoring))
                settings = partial(gr.Accordion, open=False, elem_id="settings")
                with kit.labelled(settings, _said("label", "control.settings")):
                    tile, device, kind = _settings(kit)
            line = kit.own("status", status("empty") if restoring else refused("error.no_models"))
        pictures = viewer(kit, "restore", {"crop": True})
    visit = gr.State(None, time_to_live=KEPT, delete_callback=lambda visit: visit and visit.close())
    run = gr.Textbox(visible=False)
    bench = Bench(pictures, line, visit, run, families, tile, device, kind)
    with side, gr.Row(elem_id="result-actions"):
        parcels = kit.own("parcels", NOTHING.describe())
        for plug in PLUGS:
            plug(kit, desk, bench)
    _wire(bench, buttons, Told(line, pictures, parcels, intake), Handlers(desk, restoring), models)


def _said(prop: str, key: str) -> Any:
    return lambda say: {prop: say(key)}


def _models(kit: Kit, models: Mapping[str, ModelEntry]) -> tuple[tuple[gr.CheckboxGroup, tuple[str, ...]], ...]:
    """A group of boxes to tick for each family that has models; the first model is ticked."""
    groups = []
    first = next(iter(models), None)
    for family in OFFERED:
        names = tuple(name for name, entry in models.items() if entry.family == family)
        if names:
            make = partial(
                gr.CheckboxGroup,
                value=[first] if first in names else [],
                elem_id=f"family-{family}",
                elem_classes="family",
            )
            groups.append((kit.labelled(make, partial(_choices, family, names)), names))
    return tuple(groups)


def _choices(family: str, names: tuple[str, ...], say: Any) -> dict[str, Any]:
    return {"label": say(f"family.{family}"), "choices": [(say(f"model.{name}"), name) for name in names]}


def _buttons(kit: Kit, usable: bool) -> Buttons:
    with gr.Row(elem_id="actions"):
        restore = partial(gr.Button, variant="primary", elem_id="restore", interactive=usable)
        every = partial(gr.Button, elem_id="restore-all", interactive=usable)
        return Buttons(
            kit.labelled(restore, _said("value", "control.restore")),
            kit.labelled(every, _said("value", "control.restore_all")),
            kit.labelled(partial(gr.Button, elem_id="cancel"), _said("value", "control.cancel")),
        )


def _settings(kit: Kit) -> tuple[gr.Dropdown, gr.Dropdown, gr.Radio]:
    tile = kit.labelled(
        partial(gr.Dropdown, value="auto", filterable=False, elem_id="tile"),
        lambda say: {
            "label": say("control.tile"),
            "info": say("control.tile.info"),
            "choices": [(say("control.tile.auto"), "auto"), *((f"{side} × {side}", str(side)) for side in TILES)],
        },
    )
    device = kit.labelled(
        partial(gr.Dropdown, value="auto", filterable=False, elem_id="device"),
        lambda say: {
            "label": say("control.device"),
            "info": say("control.device.info"),
            "choices": [(say(f"control.device.{name}"), name) for name in DEVICES],
        },
    )
    kind = kit.labelled(
        partial(gr.Radio, value="auto", elem_id="format"),
        lambda say: {
            "label": say("control.format"),
            "info": say("control.format.info"),
            "choices": [(say(f"control.format.{name}"), name) for name in OUTPUT_CHOICES],
        },
    )
    return tile, device, kind


def _wire(bench: Bench, buttons: Buttons, told: Told, handlers: Handlers, models: Mapping[str, ModelEntry]) -> None:
    """No endpoint is public: the page is the only client, and every job on the device goes through the desk's lane."""
    quiet: partial[dict[str, Any]] = partial(dict, show_progress="hidden", api_visibility="private")
    files = quiet(concurrency_id=FILE_LANE, concurrency_limit=2)
    device = quiet(concurrency_id=DEVICE_LANE, concurrency_limit=WAITING)
    groups = [group for group, _ in bench.families]
    seen = [told.status, told.viewer]
    intake, everything = told.intake, [*seen, told.parcels, told.intake]
    runs = [
        button.click(
            handlers.restore,
            [bench.run, bench.tile, bench.device, bench.visit, *groups],
            seen,
            js=f"(run, ...rest) => [window.demoire.begin({every}), ...rest]",
            trigger_mode="multiple",
            **device,
        )
        for button, every in ((buttons.restore, "false"), (buttons.every, "true"))
    ]
    # Writing is a step of its own: the panes are already shown, and the device is free for the next visitor.
    written = [
        run.success(handlers.write_fresh, [bench.format, bench.visit], [*seen, told.parcels], **files) for run in runs
    ]
    written.append(bench.format.input(handlers.write, [bench.format, bench.visit], [*seen, told.parcels], **files))
    brought = [
        intake.photo(handlers.open_upload, [bench.visit], [*everything, bench.visit], **files),
        intake.example(handlers.open_example, [bench.visit], [*everything, bench.visit], **files),
        intake.reference(
            handlers.open_reference,
            [bench.visit],
            everything,
            **quiet(concurrency_id=REFERENCE_LANE, concurrency_limit=1),
        ),
    ]
    # Off the visitor's way, and without a word where it fails.
    for event in brought[:2] if DETECTOR in models else ():
        event.success(handlers.look, [bench.visit], [told.viewer, told.intake], **device)
    for event in runs if DISCRIMINATOR in models else ():
        event.success(handlers.judge, [bench.visit], [told.viewer], **device)
    chosen = intake.choose(handlers.select, [bench.visit], everything, queue=False, **quiet())
    buttons.cancel.click(
        handlers.cancel,
        [bench.run, bench.visit],
        None,
        js="(run, visit) => [window.demoire.end(), visit]",
        queue=False,
        **quiet(),
    )
    phases = {"queued,loading,working": runs, "done": [*written, chosen], "opening,matching": brought}
    for during, events in phases.items():
        for event in events:  # only what nobody foresaw gets here
            event.failure(None, js=f"() => window.demoire.tell('broken', '{during}')", api_visibility="private")
