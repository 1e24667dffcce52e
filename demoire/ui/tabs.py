"""The tabs of the page, in order."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from demoire.catalog import ModelEntry
from demoire.ui import clip_tab, restore_tab, simulate_tab
from demoire.ui.jobs import Desk
from demoire.ui.parts import Kit, Say


@dataclass(frozen=True)
class Tab:
    """One tab: the key of its title in the catalogue of texts, and what builds it."""

    title: str
    build: Callable[[Kit, Desk, Mapping[str, ModelEntry]], None]

    def wording(self, say: Say) -> dict[str, Any]:
        """The tab's own texts."""
        return {"label": say(self.title)}


TABS: tuple[Tab, ...] = (
    Tab("tab.restore", restore_tab.build),
    Tab("tab.clip", clip_tab.build),
    Tab("tab.simulate", simulate_tab.build),
)
