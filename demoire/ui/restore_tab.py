"""The tab that restores a photo: its components and what each of them starts."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from demoire.catalog import ModelEntry
from demoire.images import OUTPUT_CHOICES
from demoire.ui.handlers import Handlers
from demoire.ui.jobs import Desk
from demoire.ui.parts import Kit
from demoire.ui.routes import EXAMPLES
from demoire.ui.status import refused, status

#: Sides of tiles to choose from, in pixels; the model's own halo is part of them.
TILES = (512, 768, 1024, 1536)
DEVICES = ("auto", "cpu", "cuda", "mps")
#: How long a visitor's photo and result are kept at most, in seconds.
KEPT = 43200
#: All jobs on the device share one lane of the queue; opening and writing pictures does not wait for it.
DEVICE_LANE = "device"
FILE_LANE = "files"


@dataclass(frozen=True)
class Controls:
    """The components of the tab."""

    intake: gr.HTML
    model: gr.Radio
    restore: gr.Button
    cancel: gr.Button
    download: gr.DownloadButton
    tile: gr.Dropdown
    device: gr.Dropdown
    format: gr.Radio
    status: gr.HTML
    viewer: gr.HTML
    run: gr.Textbox
    visit: gr.State


def build(kit: Kit, desk: Desk, models: Mapping[str, ModelEntry]) -> None:
    """Adds the tab's components to the page and wires them."""
    limits = desk.settings.limits
    sizes = {"megapixels": limits.max_pixels // 1_000_000, "megabytes": limits.max_bytes >> 20}
    intake = kit.own("intake", props={"examples": list(EXAMPLES), **sizes})
    with gr.Column(elem_id="controls"):
        model = kit.labelled(
            partial(gr.Radio, value=next(iter(models), None), elem_id="model"),
            lambda say: {"label": say("control.model"), "choices": [(say(f"model.{name}"), name) for name in models]},
        )
        restore, cancel, download = _actions(kit, bool(models))
        settings = partial(gr.Accordion, open=False, elem_id="settings")
        with kit.labelled(settings, lambda say: {"label": say("control.settings")}):
            tile, device, kind = _settings(kit)
    line = kit.own("status", status("empty") if models else refused("error.no_models"))
    viewer = kit.own("viewer", {"photo": None, "result": None})
    visit = gr.State(None, time_to_live=KEPT, delete_callback=lambda visit: visit and visit.close())
    run = gr.Textbox(visible=False)
    _wire(
        Controls(intake, model, restore, cancel, download, tile, device, kind, line, viewer, run, visit), Handlers(desk)
    )


def _actions(kit: Kit, usable: bool) -> tuple[gr.Button, gr.Button, gr.DownloadButton]:
    with gr.Row(elem_id="actions"):
        restore = kit.labelled(
            partial(gr.Button, variant="primary", elem_id="restore", interactive=usable),
            lambda say: {"value": say("control.restore")},
        )
        cancel = kit.labelled(partial(gr.Button, elem_id="cancel"), lambda say: {"value": say("control.cancel")})
        download = kit.labelled(
            partial(gr.DownloadButton, elem_id="download", interactive=False),
            lambda say: {"label": say("control.download")},
        )
    return restore, cancel, download


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


def _wire(c: Controls, handlers: Handlers) -> None:
    """No endpoint is public: the page is the only client, and every job on the device goes through the one lane."""
    quiet: partial[dict[str, Any]] = partial(dict, show_progress="hidden", api_visibility="private")
    files = quiet(concurrency_id=FILE_LANE, concurrency_limit=2)
    run = c.restore.click(
        handlers.restore,
        [c.model, c.tile, c.device, c.run, c.visit],
        [c.status, c.viewer],
        js="(model, tile, device, run, visit) => [model, tile, device, window.demoire.begin(), visit]",
        trigger_mode="multiple",
        **quiet(concurrency_id=DEVICE_LANE, concurrency_limit=1),
    )
    # Writing is a step of its own: the panes are already shown, and the device is free for the next visitor.
    written = [
        run.success(handlers.write_fresh, [c.format, c.visit], [c.status, c.download], **files),
        c.format.input(handlers.write, [c.format, c.visit], [c.status, c.download], **files),
    ]
    opened = [c.status, c.viewer, c.download, c.visit]
    brought = [
        c.intake.photo(handlers.open_upload, [c.visit], opened, **files),
        c.intake.example(handlers.open_example, [c.visit], opened, **files),
    ]
    c.cancel.click(
        handlers.cancel,
        [c.run, c.visit],
        None,
        js="(run, visit) => [window.demoire.end(), visit]",
        queue=False,
        **quiet(),
    )
    phases = {"queued,loading,working": [run], "done": written, "opening": brought}
    for during, events in phases.items():
        for event in events:  # only what nobody foresaw gets here
            event.failure(None, js=f"() => window.demoire.tell('broken', '{during}')", api_visibility="private")
