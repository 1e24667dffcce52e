"""What a link opens (``/?r=<id>``): the same pictures at the same place; or that it is gone."""

from typing import Any

import gradio as gr
from gradio.context import Context

from demoire.errors import DemoireError, LinkGoneError
from demoire.shares import Bundle
from demoire.ui.parts import Kit
from demoire.ui.share_links import Links
from demoire.ui.status import status
from demoire.ui.texts import error_texts
from demoire.ui.viewer import viewer

#: Links are opened one at a time, so that large pictures do not meet in memory.
OPENING_LANE = "shared"


def build(kit: Kit, links: Links) -> None:
    """Adds the section, which shows only where a link is asked for, and its events."""
    head = kit.own("shared")
    with gr.Column(elem_id="shared"):
        pictures = viewer(kit, "shared")
        foot = kit.own("shared_foot")
    section, shown = _Section(links), [head, pictures, foot]
    quiet: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    quiet |= {"concurrency_id": OPENING_LANE, "concurrency_limit": 1}
    opened = head.open(section.open, None, shown, **quiet)
    revoked = foot.revoke(section.revoke, None, shown, **quiet)
    for event in (opened, revoked):
        event.failure(None, js="() => window.demoire.tell('share-broken')", api_visibility="private")
    if Context.root_block is not None:
        Context.root_block.load(None, js="() => window.demoire.tell('loaded')", api_visibility="private")


class _Section:
    """What each event does, for all visitors."""

    def __init__(self, links: Links) -> None:
        self._links = links

    def open(self, event: gr.EventData) -> tuple[Any, Any, Any]:
        """Values of head, viewer and foot for the link that the page was opened with, or for the settings of one."""
        share_id, settings_of = (str(getattr(event, name, "") or "") for name in ("id", "settings"))
        try:
            if settings_of:
                models = self._links.library.look(settings_of).settings.get("models")
                return status("set", {"models": models if isinstance(models, list) else []}), gr.skip(), gr.skip()
            bundle, comparison = self._links.open(share_id)
        except DemoireError as error:
            return status("gone", {"error": error_texts(error)}), None, None
        return status("open", _facts(share_id, bundle)), comparison.describe(), _files(share_id, bundle)

    def revoke(self, event: gr.EventData) -> tuple[Any, Any, Any]:
        """Deletes the link that is shown, for whoever has its key; with a wrong key it stays."""
        share_id = str(getattr(event, "id", ""))
        try:
            self._links.delete(share_id, str(getattr(event, "key", "")))
            raise LinkGoneError
        except LinkGoneError as error:
            return status("gone", {"error": error_texts(error)}), None, None
        except DemoireError as error:
            return gr.skip(), gr.skip(), status("wrong", {"error": error_texts(error)})


def _facts(share_id: str, bundle: Bundle) -> dict[str, Any]:
    return {"id": share_id, "title": bundle.title, "created": bundle.created, "expires": bundle.expires}


def _files(share_id: str, bundle: Bundle) -> dict[str, Any]:
    return {"files": [{"address": f"s/{share_id}/{pane.file}", "name": pane.name} for pane in bundle.panes]}
