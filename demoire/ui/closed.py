"""A Gradio page that fetches nothing for its visitors."""

from typing import Any

import gradio as gr
from gradio.block_function import BlockFunction

from demoire.ui.texts import TEXTS


class ClosedBlocks(gr.Blocks):
    """As ``gr.Blocks``; but an input that names a file elsewhere, which Gradio would download, is refused."""

    def validate_inputs(self, block_fn: BlockFunction, inputs: list[Any]) -> None:
        """As Gradio's; called before anything is done with the inputs.

        Raises:
            gr.Error: one of them is, or holds, a file at an address of the network.
        """
        super().validate_inputs(block_fn, inputs)
        if _names_address(inputs):
            raise gr.Error(TEXTS["error.not_uploaded"].en, print_exception=False)


def _names_address(value: Any) -> bool:
    """Whether a JSON value holds a file whose place is an address; walks as Gradio does before it downloads."""
    if isinstance(value, dict):
        path = value.get("path")
        return (isinstance(path, str) and "://" in path) or any(_names_address(part) for part in value.values())
    return isinstance(value, list | tuple) and any(_names_address(part) for part in value)
