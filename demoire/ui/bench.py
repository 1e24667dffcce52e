"""The restore tab's workbench, as other parts of the page find it: what they may read, set and add to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr


@dataclass(frozen=True)
class Bench:
    """The components of the restore tab that a plug may use.

    Attributes:
        viewer: its value is ``Comparison.describe()``.
        status: the status line; its values are made in ``status.py``.
        visit: the state that holds the visitor's ``Visit``, None before the first photo.
        run: hidden; the name of the run that the browser waits for.
        families: one group of ticked models per family, each with the ids that it offers.
        tile, device, format: the folded settings.
    """

    viewer: gr.HTML
    status: gr.HTML
    visit: gr.State
    run: gr.Textbox
    families: tuple[tuple[gr.CheckboxGroup, tuple[str, ...]], ...]
    tile: gr.Dropdown
    device: gr.Dropdown
    format: gr.Radio

    @property
    def settings(self) -> list[Any]:
        """The components of all settings: inputs for ``describe``, outputs for ``updates``."""
        return [self.tile, self.device, self.format, *(group for group, _ in self.families)]

    def describe(self, values: Sequence[Any]) -> dict[str, Any]:
        """The settings as JSON, from the values of ``settings``."""
        tile, device, kind, *ticked = values
        models = [name for group in ticked for name in group or []]
        return {"models": models, "tile": tile, "device": device, "format": kind}

    def updates(self, data: Mapping[str, Any]) -> list[Any]:
        """Updates for ``settings`` from what ``describe`` gave; models that are not here are left out."""
        models = data.get("models")
        wanted = models if isinstance(models, list) else []
        choices = [data.get(name) for name in ("tile", "device", "format")]
        plain = [gr.update(value=value) if isinstance(value, str) else gr.skip() for value in choices]
        return plain + [gr.update(value=[name for name in names if name in wanted]) for _, names in self.families]
