"""In the restore tab: the dialog that makes a link, and the settings that one brings along (``/?with=<id>``)."""

import json
from contextlib import suppress
from typing import Any

import gradio as gr
from gradio.context import Context

from demoire.comparison import ViewState
from demoire.errors import DataError, DemoireError, LinkGoneError, OutputError
from demoire.ui.bench import Bench
from demoire.ui.jobs import Desk
from demoire.ui.parts import Kit
from demoire.ui.share_links import Links
from demoire.ui.status import status
from demoire.ui.texts import error_texts
from demoire.ui.visits import Visit

#: Links are made one at a time, so that large pictures do not meet in memory.
MAKING_LANE = "share"

Told = dict[str, Any]


def build(kit: Kit, desk: Desk, bench: Bench) -> None:
    """Adds the dialog and its events."""
    links = desk.links
    panel = kit.own("share", props={"days": links.library.settings.days})
    handlers = _Handlers(links, bench)
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    making: dict[str, Any] = {**quiet, "concurrency_id": MAKING_LANE, "concurrency_limit": 1}
    made = panel.make(
        handlers.make,
        [bench.run, bench.visit, *bench.settings],
        panel,
        js="(ask, ...rest) => [window.demoire.shareAsk(), ...rest]",
        **making,
    )
    revoked = panel.revoke(handlers.revoke, None, panel, **making)
    for event in (made, revoked):
        event.failure(None, js="() => window.demoire.tell('share-broken')", api_visibility="private")
    if Context.root_block is not None:
        Context.root_block.load(
            handlers.use_settings,
            [bench.run],
            bench.settings,
            js="() => [window.demoire.linkAsk('with') ?? '']",
            queue=False,
            **quiet,
        )


class _Handlers:
    """What each event does, for all visitors."""

    def __init__(self, links: Links, bench: Bench) -> None:
        self._links = links
        self._bench = bench

    def make(self, ask: str, visit: Visit | None, *values: Any) -> Told:
        """Stores what the visitor sees and tells the link and its key, or why there is none."""
        view, original = _asked(ask)
        try:
            if visit is None or visit.work is None:
                raise OutputError("There is nothing to share yet; restore a photo first.")
            settings = self._bench.describe(values)
            receipt = self._links.share(visit.work, settings, view, with_original=original)
        except DemoireError as error:
            return status("ask", {"error": error_texts(error)})
        facts = {"id": receipt.id, "key": receipt.key, "expires": receipt.expires}
        return status("done", {"receipt": {**facts, "base": self._links.library.settings.public_url}})

    def revoke(self, event: gr.EventData) -> Told:
        """Deletes the link that was just made, with the key that the browser still has."""
        try:
            self._links.delete(str(getattr(event, "id", "")), str(getattr(event, "key", "")))
        except LinkGoneError:  # what was asked for is already so
            return status("revoked")
        except DemoireError as error:
            return status("done", {"error": error_texts(error)})
        return status("revoked")

    def use_settings(self, share_id: str) -> list[Any]:
        """The settings of a link; without one, and for one that is gone, they stay as they are."""
        if share_id:  # most visitors come without: the store is not asked
            with suppress(DemoireError):
                return self._bench.updates(self._links.library.look(share_id).settings)
        return [gr.skip() for _ in self._bench.settings]


def _asked(text: str) -> tuple[ViewState, bool]:
    """How the pictures are looked at, and whether the original is shared, too: only if the browser clearly says so."""
    try:
        asked = json.loads(text)
        return ViewState.read(asked["view"]), asked["original"] is True
    except (ValueError, TypeError, KeyError, DataError):
        return ViewState(), False
