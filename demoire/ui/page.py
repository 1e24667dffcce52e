"""The page: its frame around the tabs, and how it is served."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from demoire.catalog import WEIGHTS, ModelEntry, load_catalog
from demoire.clips.clip import ClipLimits
from demoire.errors import WeightsError
from demoire.hub import Sources
from demoire.picture import Limits
from demoire.shares import ShareSettings
from demoire.ui import api, share_section
from demoire.ui.closed import ClosedBlocks
from demoire.ui.jobs import CLIP_SECONDS, Desk, Settings
from demoire.ui.parts import ASSETS, Kit
from demoire.ui.restore_tab import KEPT, WAITING
from demoire.ui.routes import routes
from demoire.ui.share_routes import share_routes
from demoire.ui.tabs import TABS
from demoire.ui.texts import TEXTS, with_models
from demoire.ui.theme import stylesheet, theme

#: Uploads and downloads in Gradio's cache: how often it is swept and how old a file may grow, in seconds.
SWEEP = (1800, KEPT)
#: More visitors than this are asked to come back later.
QUEUE = 64
#: Threads beside those of jobs that wait for the device.
SPARE_THREADS = 40


def settings_from_environment(folder: Path, environment: Mapping[str, str] = os.environ) -> Settings:
    """The page's settings: ``DEMOIRE_WEIGHTS``, and what ``Limits``, ``ClipLimits`` and ``ShareSettings`` read.

    Raises:
        DemoireError: a value is not as it should be.
    """
    weights = Path(environment.get("DEMOIRE_WEIGHTS") or WEIGHTS)
    shares = ShareSettings.from_environment(environment)
    limits = Limits.from_environment(environment)
    clips = ClipLimits.from_environment(environment, CLIP_SECONDS)
    return Settings(folder=folder, weights=weights, limits=limits, clips=clips, shares=shares)


def _models(weights: Path) -> Mapping[str, ModelEntry]:
    """The models that restore; without a readable catalogue the page still opens and says that there are none."""
    try:
        return load_catalog(weights)
    except WeightsError:
        return {}


class Page:
    """The Gradio page and the desk behind it."""

    def __init__(self, settings: Settings) -> None:
        self.desk = Desk(settings)
        models = _models(settings.weights)
        sources = Sources(settings.weights)
        origins = {name: sources.origin(entry) for name, entry in models.items()}
        self._kit = Kit(with_models(models.values(), origins))
        self.blocks = self._build(models)

    def _build(self, models: Mapping[str, ModelEntry]) -> gr.Blocks:
        kit = self._kit
        title = TEXTS["page.title"].en
        blocks = ClosedBlocks(title=title, analytics_enabled=False, delete_cache=SWEEP, fill_width=True)
        with blocks:
            api.build(self.desk, models)  # first, so that its endpoints get the names that they ask for
            header = kit.own("header")
            share_section.build(kit, self.desk.links)
            with gr.Column(elem_id="tool"):
                self._add_tabs(models)
            kit.own("footer")
            language = gr.Textbox(visible=False)
            chosen: dict[str, Any] = {
                "fn": kit.relabel,
                "inputs": [language],
                "outputs": kit.labels,
                "js": "() => [window.demoire.language]",
                "queue": False,
                "show_progress": "hidden",
                "api_visibility": "private",
            }
            header.language(**chosen)
            blocks.load(**chosen)
        blocks.queue(api_open=False, max_size=QUEUE)
        return blocks

    def _add_tabs(self, models: Mapping[str, ModelEntry]) -> None:
        if len(TABS) == 1:
            TABS[0].build(self._kit, self.desk, models)
            return
        with gr.Tabs():
            for tab in TABS:
                with self._kit.labelled(gr.Tab, tab.wording):
                    tab.build(self._kit, self.desk, models)

    def launch(self, *, block: bool = True, port: int | None = None) -> str:
        """Serves the page, on loopback unless ``GRADIO_SERVER_NAME`` says otherwise, and returns its address."""
        _, address, _ = self.blocks.launch(
            server_port=port,
            prevent_thread_lock=not block,
            quiet=not block,
            share=False,
            show_error=False,
            footer_links=[],
            run_history=False,
            enable_monitoring=False,
            max_file_size=self.desk.settings.limits.max_bytes,
            max_threads=WAITING + SPARE_THREADS,
            ssr_mode=False,
            pwa=False,
            app_kwargs={
                "routes": [*routes(self.desk.views, self.desk.files), *share_routes(self.desk.links)],
                "docs_url": None,
                "redoc_url": None,
                "openapi_url": None,
            },
            i18n=self._kit.i18n,
            theme=theme(),
            head=f"<style>{stylesheet()}</style>",  # as css= Gradio would repeat every rule under a prefix of its own
            favicon_path=ASSETS / "favicon.svg",
        )
        return address
