"""Who visits the page, and from what."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Request

#: The device pixels per CSS pixel and the size of a screen.
DESKTOP: dict[str, Any] = {"viewport": {"width": 1440, "height": 900}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
#: How long a step of the page may take on a busy machine, in milliseconds.
PATIENCE = 300_000


@dataclass(frozen=True)
class Server:
    """The running page."""

    address: str
    process: int
    log: Path

    def loaded(self, library: str) -> bool:
        """Whether the server has mapped a library whose path has ``library`` in it."""
        return library in Path(f"/proc/{self.process}/maps").read_text()


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
        self.finish()

    def finish(self) -> None:
        """Waits until everything of a run is there, the files for download included."""
        self.reach("done")
        self.page.wait_for_selector(".runs li:last-child .download", timeout=PATIENCE)

    def tick(self, *models: str) -> None:
        """Ticks these models and no others."""
        for box in self.page.locator(".family input").all():
            box.set_checked(box.get_attribute("name") in models)

    def download(self, folder: Path, link: str = ".runs .download") -> Path:
        """Saves the first file behind ``link`` under the name that it is offered with."""
        with self.page.expect_download() as waiting:
            self.page.locator(link).first.click()
        path = folder / waiting.value.suggested_filename
        waiting.value.save_as(path)
        return path

    def text(self) -> str:
        """All that can be read."""
        return self.page.inner_text("body")


Invite = Callable[..., Visitor]
