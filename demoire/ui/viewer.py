"""The viewer: pictures side by side at their own pixels. Its script is the modules in ``assets/viewer``."""

from collections.abc import Mapping
from typing import Any

import gradio as gr

from demoire.ui.parts import Kit


def viewer(kit: Kit, name: str, props: Mapping[str, Any] | None = None) -> gr.HTML:
    """A viewer with the id ``viewer-<name>``; its value is ``Comparison.describe()``, or None while it is empty.

    In the browser ``window.demoire.views[name]()`` tells how it is looked at, as ``ViewState.read`` reads it.
    ``props``: ``crop`` = True offers to try a part of the photo.
    """
    return kit.own("viewer", props={"name": name, "crop": False, **(props or {})}, elem_id=f"viewer-{name}")
