"""A Gradio page that fetches nothing for its visitors, and opens nothing but what they uploaded."""

from typing import Any

import gradio as gr
from gradio.block_function import BlockFunction
from gradio.data_classes import FileData, ListFiles

from demoire.ui.handlers import uploaded_file
from demoire.ui.texts import TEXTS


class ClosedBlocks(gr.Blocks):
    """As ``gr.Blocks``; but an input that names a file elsewhere, which Gradio would download, is refused.

    So is what is no upload where a file belongs: Gradio would refuse it with a trace in the log and without a sentence.
    """

    def validate_inputs(self, block_fn: BlockFunction, inputs: list[Any]) -> None:
        """As Gradio's; called before anything is done with the inputs.

        Raises:
            gr.Error: one of them is, or holds, a file at an address of the network, or should be a file and is none.
        """
        super().validate_inputs(block_fn, inputs)
        if _names_address(inputs) or not all(map(_fits, block_fn.inputs, inputs)):
            raise gr.Error(TEXTS["error.not_uploaded"].en, print_exception=False)


def _names_address(value: Any) -> bool:
    """Whether a JSON value holds a file whose place is an address; walks as Gradio does before it downloads."""
    if isinstance(value, dict):
        path = value.get("path")
        return (isinstance(path, str) and "://" in path) or any(_names_address(part) for part in value.values())
    return isinstance(value, list | tuple) and any(_names_address(part) for part in value)


def _fits(block: object, value: Any) -> bool:
    """Whether a component of files gets uploaded ones, as many as it takes; others get anything."""
    if not isinstance(block, gr.File) or value is None:
        return True
    kind = ListFiles if block.file_count == "multiple" else FileData
    try:
        given = kind.model_validate(value, context={"validate_meta": True})
    except ValueError:
        return False
    return all(uploaded_file(file.path) for file in (given if isinstance(given, ListFiles) else [given]))
