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
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from photos import make_photos
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, sync_playwright

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
#: The device pixels per CSS pixel and the size of a screen.
DESKTOP: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
#: How long a step of the page may take on a busy machine, in milliseconds.
PATIENCE = 120_000


@dataclass(frozen=True)
class Server:
    """The running page."""

    address: str
    process: int
    log: Path

    def loaded(self, library: str) -> bool:
        """Whether the server has mapped a library whose path has ``library`` in it."""
        return library in Path(f"/proc/{self.process}/maps").read_text()


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


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("server")
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


@dataclass
class Visitor:
    """Someone with a browser; anything that goes wrong in it is kept in ``complaints``."""

    context: BrowserContext
    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Notes console errors, uncaught exceptions and requests that leave this machine."""
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        self.context.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.complaints.append(f"console: {message.text}")

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.complaints.append(f"request: {request.url}")

    def open(self) -> None:
        """Goes to the page and waits until it can be used."""
        self.page.goto(self.address)
        self.page.wait_for_selector(".drop .choose", state="visible")

    def reach(self, phase: str) -> None:
        """Waits until the page is in a phase."""
        self.page.wait_for_selector(f"html[data-phase={phase}]", timeout=PATIENCE)

    def give(self, photo: Path) -> None:
        """Chooses a photo and waits until it is open."""
        self.page.set_input_files(".photo-input", photo)
        self.reach("ready")

    def restore(self) -> None:
        """Presses Restore and waits for the download."""
        self.page.click("#restore")
        self.reach("done")
        self.page.wait_for_selector("#download:not([disabled])", timeout=PATIENCE)

    def download(self, folder: Path) -> Path:
        """Saves the download under the name that it is offered with."""
        with self.page.expect_download() as waiting:
            self.page.click("#download")
        path = folder / waiting.value.suggested_filename
        waiting.value.save_as(path)
        return path

    def text(self) -> str:
        """All that can be read."""
        return self.page.inner_text("body")


Invite = Callable[..., Visitor]


@pytest.fixture
def visit(browser: Browser, server: Server) -> Iterator[Invite]:
    """Invites visitors: ``visit(locale=..., **screen)``; none of them may have seen an error."""
    visitors: list[Visitor] = []

    def invite(locale: str = "en-US", **screen: Any) -> Visitor:
        context = browser.new_context(locale=locale, accept_downloads=True, **(screen or DESKTOP))
        context.set_default_timeout(PATIENCE)
        visitor = Visitor(context, context.new_page(), server.address)
        visitor.watch()
        visitor.open()
        visitors.append(visitor)
        return visitor

    yield invite
    for visitor in visitors:
        visitor.context.close()
        assert visitor.complaints == []


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
