"""The tab that photographs a clean picture on a simulated display: its components and what each of them starts."""

import secrets
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import Any

import gradio as gr
from gradio.context import Context

from demoire.catalog import RESTORING, ModelEntry
from demoire.comparison import Comparison
from demoire.errors import DataError, DemoireError
from demoire.simulate.settings import LAYOUTS, RANGES, ShotSettings, surprise
from demoire.ui.handlers import MOST_MODELS, uploaded_file
from demoire.ui.jobs import Desk, Waiting
from demoire.ui.parts import Kit, Say
from demoire.ui.restore_tab import DEVICE_LANE, FILE_LANE, KEPT, WAITING
from demoire.ui.routes import EXAMPLES
from demoire.ui.simulations import Studio
from demoire.ui.status import Status, failed, refused, status
from demoire.ui.viewer import viewer

_EXPLAINED = ("scale", "perspective", "blur", "jpeg", "reduction", "seed")

# A name for the run, so that the one before ends; and the tab of a link that has settings is opened.
_BEGIN = "(run, ...rest) => { window.demoire.tell('simulate', 'queued'); return [String(Date.now()), ...rest]; }"
_FROM_LINK = """() => {
  const code = new URLSearchParams(location.search).get("simulate") ?? "";
  const title = window.demoire.t("tab.simulate");
  const tabs = [...document.querySelectorAll("button[role=tab]")];
  if (code) tabs.find((tab) => tab.textContent.trim() === title)?.click();
  return [code];
}"""


def build(kit: Kit, desk: Desk, models: Mapping[str, ModelEntry]) -> None:
    """Adds the tab's components to the page and wires them."""
    restoring = {name: model for name, model in models.items() if model.family in RESTORING}
    handlers = _Handlers(desk, restoring)
    studio = gr.State(None, time_to_live=KEPT, delete_callback=lambda studio: studio and studio.close())
    run = gr.Textbox(visible=False)
    with gr.Row(elem_id="simulator"):
        with gr.Column(elem_id="simulator-settings"):
            line = kit.own("simulate", None, {"megabytes": desk.settings.limits.max_bytes >> 20})
            with gr.Row(elem_id="simulator-actions"):
                main = partial(gr.Button, variant="primary", elem_id="simulate-run")
                shoot = kit.labelled(main, _said("value", "simulate.run"))
                other = partial(gr.Button, elem_id="simulate-surprise")
                lucky = kit.labelled(other, _said("value", "simulate.surprise"))
            ticked = kit.labelled(
                partial(gr.CheckboxGroup, value=list(restoring)[:1], elem_id="simulate-models"),
                lambda say: {
                    "label": say("simulate.models"),
                    "choices": [(say(f"model.{name}"), name) for name in restoring],
                },
            )
            settings = _settings(kit)
        with gr.Column(elem_id="simulator-pictures"):
            kit.own("easel")
            pictures = viewer(kit, "simulate")
    quiet: partial[dict[str, Any]] = partial(dict, show_progress="hidden", api_visibility="private")
    device = quiet(concurrency_id=DEVICE_LANE, concurrency_limit=WAITING, trigger_mode="multiple")
    given, told = [run, studio, ticked, *settings], [line, pictures, studio]
    drawn = lucky.click(handlers.surprise, None, settings, queue=False, **quiet())
    runs = [event(handlers.run, given, told, js=_BEGIN, **device) for event in (shoot.click, drawn.success)]
    opened = line.picture(handlers.open_upload, [studio], told, **quiet(concurrency_id=FILE_LANE, concurrency_limit=2))
    for started in (*runs, opened):
        started.failure(None, js="() => window.demoire.tell('simulate-broken')", api_visibility="private")
    if Context.root_block is not None:
        Context.root_block.load(handlers.from_link, [run], settings, js=_FROM_LINK, **quiet(queue=False))


def _said(prop: str, key: str) -> Any:
    return lambda say: {prop: say(key)}


def _layouts(say: Say) -> dict[str, Any]:
    choices = [(say(f"simulate.layout.{name}"), name) for name in LAYOUTS]
    return {"label": say("simulate.layout"), "choices": choices}


def _number(name: str, say: Say) -> dict[str, Any]:
    info = {"info": say(f"simulate.{name}.info")} if name in _EXPLAINED else {}
    return {"label": say(f"simulate.{name}"), **info}


def _settings(kit: Kit) -> list[Any]:
    """One component for each of the settings, in their order."""
    start = ShotSettings()
    layout = partial(gr.Dropdown, value=start.layout, filterable=False, elem_id="simulate-layout")
    components: list[Any] = [kit.labelled(layout, _layouts)]
    for name, (low, high, step) in RANGES.items():
        fixed = partial(
            gr.Number if name == "seed" else gr.Slider,
            value=getattr(start, name),
            minimum=low,
            maximum=high,
            step=step,
            elem_id=f"simulate-{name}",
        )
        components.append(kit.labelled(fixed, partial(_number, name)))
    return components


def _read(values: Sequence[Any]) -> ShotSettings:
    """The settings from the values of their components."""
    layout, *numbers = values
    named = dict(zip(RANGES, numbers, strict=True))
    whole = {name: int(named[name]) for name in ("jpeg", "seed") if isinstance(named[name], int | float)}
    return ShotSettings(layout, **{**named, **whole})


def _values(settings: ShotSettings) -> list[Any]:
    return [settings.layout, *(getattr(settings, name) for name in RANGES)]


class _Handlers:
    """What each event does, for all visitors."""

    def __init__(self, desk: Desk, models: Mapping[str, ModelEntry]) -> None:
        self._desk = desk
        self._models = models

    def surprise(self) -> list[Any]:
        """Settings as training draws them, with a new seed."""
        return _values(surprise(secrets.randbelow(int(RANGES["seed"][1]) + 1)))

    def from_link(self, code: str) -> list[Any]:
        """The settings of a link; without one, and for one that is none, they stay."""
        try:
            return _values(ShotSettings.read(code))
        except DataError:
            return [gr.skip() for _ in range(len(RANGES) + 1)]

    def open_upload(self, studio: Studio | None, event: gr.EventData) -> tuple[Any, Any, Studio]:
        """Takes the clean picture that the visitor's browser uploaded."""
        studio = studio or self._studio()
        path = uploaded_file(getattr(event, "path", None))
        if path is None:
            return refused("error.not_uploaded"), gr.skip(), studio
        try:
            studio.open(path)
        except DemoireError as error:
            return failed(error), gr.skip(), studio
        return status("", {"name": studio.name}), gr.skip(), studio

    def run(
        self, run: str, studio: Studio | None, ticked: list[str] | None, *values: Any
    ) -> Generator[tuple[Status, Any, Studio], None, None]:
        """Photographs and restores, telling each step."""
        studio = studio or self._studio()
        models = [self._models[name] for name in ticked or [] if name in self._models][:MOST_MODELS]
        panes: Any = gr.skip()
        try:
            settings = _read(values)
            with closing(studio.run(settings, models, run)) as events:
                for event in events:
                    panes = event.describe() if isinstance(event, Comparison) else gr.skip()
                    phase = "queued" if isinstance(event, Waiting) else "working"
                    done = len(event.panes) - 3 if isinstance(event, Comparison) else -1
                    phase = "done" if done == len(models) else "restoring" if done >= 0 else phase
                    yield status(phase, {"code": settings.code()} if phase == "done" else {}), panes, studio
        except DemoireError as error:
            yield failed(error), panes, studio  # the last ones again: see ``handlers.or_nothing``

    def _studio(self) -> Studio:
        return Studio(self._desk, EXAMPLES["clean"].path)
