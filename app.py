"""Serves the page: ``python app.py``. ``GRADIO_SERVER_NAME`` and ``GRADIO_SERVER_PORT`` say where, else on loopback."""

import tempfile
from pathlib import Path

from demoire.allocator import prepare_process
from demoire.restore import register_on_zero_gpu
from demoire.ui.page import Page, settings_from_environment

if __name__ == "__main__":
    prepare_process()
    register_on_zero_gpu()
    with tempfile.TemporaryDirectory(prefix="demoire-") as folder:
        Page(settings_from_environment(Path(folder))).launch()
