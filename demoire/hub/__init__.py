"""Where models' files come from: bundled weights, the Hub's cache, the Hub. Nothing else knows huggingface_hub."""

from typing import TYPE_CHECKING

from demoire.hub.fetch import Fetching, HubOptions
from demoire.hub.sources import Resolved, Sources, read_verified

if TYPE_CHECKING:
    from demoire.hub.pretrained import DemoireModel

__all__ = ["DemoireModel", "Fetching", "HubOptions", "Resolved", "Sources", "read_verified"]


def __getattr__(name: str) -> object:
    """``DemoireModel`` at its first use, since torch takes seconds to import."""
    if name == "DemoireModel":
        from demoire.hub.pretrained import DemoireModel

        return DemoireModel
    raise AttributeError(f"module 'demoire.hub' has no attribute '{name}'")
