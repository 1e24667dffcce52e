"""Serves the page: ``python app.py``. ``GRADIO_SERVER_NAME`` and ``GRADIO_SERVER_PORT`` say where, else on loopback."""

import os
import tempfile
from pathlib import Path

from demoire.restore import register_on_zero_gpu
from demoire.ui.page import Page, settings_from_environment

if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # torch's threads that wait in a loop slow the page's own down
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # large pages for large tensors (Linux)
    register_on_zero_gpu()
    with tempfile.TemporaryDirectory(prefix="demoire-") as folder:
        Page(settings_from_environment(Path(folder))).launch()
