"""The page as its visitors meet it: ``python app.py`` in a process of its own, seen by a real Chromium."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from photos import make_photos
from playwright.sync_api import Browser, sync_playwright
from visitors import DESKTOP, PATIENCE, Invite, Server, Visitor

ROOT = Path(__file__).resolve().parents[2]
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def _free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _environment(folder: Path, port: int) -> dict[str, str]:
    return {
        **os.environ,
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(folder / "gradio"),
        "GRADIO_ANALYTICS_ENABLED": "False",
        "TMPDIR": str(folder),
        "HF_HUB_OFFLINE": "1",
        "DEMOIRE_MAX_MEGAPIXELS": "30",
        "DEMOIRE_MAX_MEGABYTES": "40",
    }


@contextlib.contextmanager
def _serving(folder: Path) -> Iterator[Server]:
    """The page in a process of its own, which must have nothing to complain about in the end."""
    port = _free_port()
    log = folder / "log.txt"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "app.py"], cwd=ROOT, env=_environment(folder, port), stdout=out, stderr=subprocess.STDOUT
        )
    try:
        _wait(f"http://127.0.0.1:{port}/health", process, log)
        yield Server(f"http://127.0.0.1:{port}", process.pid, log)
    finally:
        process.terminate()
        process.wait(30)
    assert "Traceback" not in log.read_text()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with _serving(tmp_path_factory.mktemp("server")) as running:
        yield running


@pytest.fixture
def fresh_server(tmp_path: Path) -> Iterator[Server]:
    """A server that no other test has used."""
    with _serving(tmp_path) as running:
        yield running


def _wait(address: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=5) as answer:
            assert json.load(answer) == {"status": "ok"}
            return
        time.sleep(0.1)
    raise TimeoutError(log.read_text())


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium")
    assert path, "these tests need Chromium; tests/run.sh installs it"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield chromium
        chromium.close()


@contextlib.contextmanager
def _inviting(browser: Browser, address: str) -> Iterator[Invite]:
    visitors: list[Visitor] = []

    def invite(locale: str = "en-US", **screen: Any) -> Visitor:
        context = browser.new_context(locale=locale, accept_downloads=True, **(screen or DESKTOP))
        context.set_default_timeout(PATIENCE)
        visitor = Visitor(context, context.new_page(), address)
        visitor.watch()
        visitor.open()
        visitors.append(visitor)
        return visitor

    yield invite
    for visitor in visitors:
        visitor.context.close()
        assert visitor.complaints == []


@pytest.fixture
def visit(browser: Browser, server: Server) -> Iterator[Invite]:
    """Invites visitors: ``visit(locale=..., **screen)``; none of them may have seen an error."""
    with _inviting(browser, server.address) as invite:
        yield invite


@pytest.fixture
def visit_fresh(browser: Browser, fresh_server: Server) -> Iterator[Invite]:
    """As ``visit``, to the fresh server."""
    with _inviting(browser, fresh_server.address) as invite:
        yield invite


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Small photos of all sorts, by what is special about them."""
    return make_photos(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="session")
def restored(photos: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the command line left the restored photos."""
    folder = tmp_path_factory.mktemp("restored")
    command = [sys.executable, "-m", "demoire", "restore", *map(str, photos.values()), "-o", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=600)
    return folder
