"""The page in a process of its own."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

from visitors import Server

ROOT = Path(__file__).resolve().parents[2]


def _free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _environment(folder: Path, port: int, settings: Mapping[str, str]) -> dict[str, str]:
    return {
        **os.environ,
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(folder / "gradio"),
        "GRADIO_ANALYTICS_ENABLED": "False",
        "TMPDIR": str(folder),
        "HF_HUB_OFFLINE": "1",
        "DEMOIRE_MAX_MEGAPIXELS": "45",
        "DEMOIRE_MAX_MEGABYTES": "40",
        "DEMOIRE_SHARES": str(folder / "shares"),
        **settings,
    }


@contextlib.contextmanager
def serving(folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[Server]:
    """The page, which must have nothing to complain about in the end; ``settings`` are of the environment."""
    port = _free_port()
    log = folder / "log.txt"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "app.py"],
            cwd=ROOT,
            env=_environment(folder, port, settings or {}),
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait(f"http://127.0.0.1:{port}/health", process, log)
        yield Server(f"http://127.0.0.1:{port}", process.pid, log)
    finally:
        process.terminate()
        process.wait(30)
    assert "Traceback" not in log.read_text()


def _wait(address: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + 300
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=5) as answer:
            assert json.load(answer) == {"status": "ok"}
            return
        time.sleep(0.1)
    raise TimeoutError(log.read_text())
