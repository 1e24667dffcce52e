"""Removes moire from photos of screens."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from demoire.loading import LoadedModel, load_model

__version__ = "0.1.0"
__all__ = ["LoadedModel", "__version__", "load_model"]


def __getattr__(name: str) -> object:
    """``load_model`` and ``LoadedModel`` at their first use, since torch takes seconds to import."""
    if name in ("load_model", "LoadedModel"):
        from demoire import loading

        return getattr(loading, name)
    raise AttributeError(f"module 'demoire' has no attribute '{name}'")
