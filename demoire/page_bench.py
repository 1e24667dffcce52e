"""What the page costs its visitors, in a real Chromium: the wait for what they look at, its own time, its start."""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from demoire.bench import make_photo
from demoire.catalog import WEIGHTS
from demoire.errors import DemoireError
from demoire.extras import require
from demoire.images import decode, encode

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

_APP = Path(__file__).parents[1] / "app.py"
_EMPTY = "import gradio\nwith gradio.Blocks() as page:\n    pass\npage.launch(quiet=True, share=False, ssr_mode=False)"
_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")
_PATIENCE = 1200.0
_SCREEN = {"width": 1440, "height": 900}

# Presses Restore; milliseconds until the middle of the result is no longer the dimmed original, until all of it is
# there, and until its file is offered; what the page says of it; and where the file is.
_RUN = """() => new Promise((done) => {
  const cells = () => [...document.querySelectorAll("#viewer-restore .cell[data-key^=result]")];
  const known = new Set(cells().map((cell) => cell.dataset.key));
  const stage = document.querySelector("#viewer-restore .stage");
  const middle = (cell) => {
    const { canvas } = cell.querySelector("canvas").getContext("2d");
    return canvas.getContext("2d").getImageData((canvas.width >> 1) - 32, (canvas.height >> 1) - 32, 64, 64).data;
  };
  const shown = (cell) => {
    const [before, after] = [stage.querySelector(".cell[data-key=original]"), cell].map(middle);
    let [same, dimmed] = [0, 0];
    after.forEach((value, at) => {
      if (at % 4 === 3) return;
      same += Math.abs(value - before[at]);
      dimmed += Math.abs(value - (0.45 * before[at] + 0.55 * 127));
    });
    return same < dimmed;
  };
  const began = performance.now();
  const found = {};
  const note = (name) => (found[name] ??= performance.now() - began);
  const look = () => {
    const cell = cells().find((one) => !known.has(one.dataset.key));
    if (cell && shown(cell)) note("first");
    if (cell?.dataset.state === "done" && stage.dataset.complete === "yes") note("done");
    const link = cell?.querySelector("a.take");
    if (!link || !found.done) return requestAnimationFrame(look);
    note("offered");
    done({ ...found, facts: cell.querySelector(".cell-facts").textContent, file: link.href });
  };
  document.querySelector("#restore").click();
  look();
})"""


@dataclass(frozen=True)
class PageOptions:
    """What to measure: the size of the photo, how often (medians count), by the model ticked first in ``weights``."""

    megapixels: float = 12
    repeats: int = 3
    weights: Path = WEIGHTS


@dataclass(frozen=True)
class PageRun:
    """One press on Restore, the model being warm; all in seconds.

    Attributes:
        first_tile: until what the visitor looks at is shown restored.
        whole: until all of it is there.
        offered: until its file is offered.
        model: of these, what restoring took (to 0.1 s), as the page says.
        encoding: of these, what writing the file takes, measured apart.
    """

    first_tile: float
    whole: float
    offered: float
    model: float
    encoding: float

    @property
    def overhead(self) -> float:
        """The page's own time: all but the model and the encoding."""
        return self.offered - self.model - self.encoding


@dataclass(frozen=True)
class PageCost:
    """The page's cost; medians, in seconds.

    Attributes:
        first_tile, overhead: as in ``PageRun``.
        start, empty_start: from the start of the process until the page answers; of an empty page of Gradio.
        ratio: of these two.
        torch_before_use: whether torch was loaded before anything was to be restored; None where that cannot be seen.
        runs: what was measured.
    """

    megapixels: float
    first_tile: float
    overhead: float
    start: float
    empty_start: float
    ratio: float
    torch_before_use: bool | None
    runs: tuple[PageRun, ...]


@dataclass(frozen=True)
class _Server:
    address: str
    process: int
    started: float

    def has_torch(self) -> bool | None:
        maps = Path(f"/proc/{self.process}/maps")
        return "libtorch" in maps.read_text() if maps.exists() else None


def measure_page(options: PageOptions) -> PageCost:
    """Measures starts in turn, then one page with a browser.

    Raises:
        DemoireError: Playwright, Chromium or ``app.py`` is missing; a page does not start.
    """
    require("Measuring the page", "test", "playwright")
    if options.repeats < 1 or options.megapixels <= 0:
        raise DemoireError("There is nothing to measure; give a size and repeats of more than 0.")
    if not _APP.is_file():
        raise DemoireError("There is no app.py beside the package; run this in a copy of the repository.")
    starts: dict[str, list[float]] = {"page": [], "empty": []}
    with tempfile.TemporaryDirectory() as folder:
        commands = {"page": [str(_APP)], "empty": ["-c", _EMPTY]}
        for _ in range(options.repeats):
            for name, command in commands.items():
                with _serving(command, Path(folder), options.weights) as server:
                    starts[name].append(server.started)
        photo = make_photo(Path(folder), options.megapixels, "png")
        with _serving(commands["page"], Path(folder), options.weights) as server, _browsing() as browser:
            torch_before_use, runs = _visit(browser, server, photo, options.repeats)
    start, empty = median(starts["page"]), median(starts["empty"])
    return PageCost(
        megapixels=options.megapixels,
        first_tile=median(run.first_tile for run in runs),
        overhead=median(run.overhead for run in runs),
        start=start,
        empty_start=empty,
        ratio=start / empty,
        torch_before_use=torch_before_use,
        runs=tuple(runs),
    )


@contextmanager
def _serving(command: list[str], folder: Path, weights: Path) -> Iterator[_Server]:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "DEMOIRE_SHARES": str(folder / "shares"),
        "DEMOIRE_WEIGHTS": str(weights),
        "GRADIO_ANALYTICS_ENABLED": "False",
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(folder / "gradio"),
        "HF_HUB_OFFLINE": "1",
        "TMPDIR": str(folder),
    }
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *command], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait(address, process, began + _PATIENCE)
        yield _Server(address, process.pid, time.perf_counter() - began)
    finally:
        process.terminate()
        process.wait()


def _wait(address: str, process: "subprocess.Popen[bytes]", end: float) -> None:
    while time.perf_counter() < end and process.poll() is None:
        with suppress(OSError), urllib.request.urlopen(address, timeout=5):
            return
        time.sleep(0.01)
    raise DemoireError("The page does not start; run 'python app.py' to see why.")


@contextmanager
def _browsing() -> Iterator["BrowserContext"]:
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if path is None:
        raise DemoireError(f"There is no browser to measure with; install one of {', '.join(_BROWSERS)}.")
    with sync_playwright() as playwright, playwright.chromium.launch(executable_path=path, args=_FLAGS) as chromium:
        context = chromium.new_context(locale="en-US", viewport=_SCREEN)  # type: ignore[arg-type]
        context.set_default_timeout(1000 * _PATIENCE)
        yield context


def _visit(context: "BrowserContext", server: _Server, photo: Path, repeats: int) -> tuple[bool | None, list[PageRun]]:
    """Whether torch was there before it was needed, and the runs after one that warms up."""
    page = context.new_page()
    page.goto(server.address)
    page.wait_for_selector(".drop .choose", state="visible")
    torch_before_use = server.has_torch()
    page.set_input_files(".photo-input", photo)
    page.wait_for_selector("html[data-phase=ready]")
    page.wait_for_selector("#viewer-restore .stage[data-complete=yes]")
    _run(page, context, photo)
    return torch_before_use, [_run(page, context, photo) for _ in range(repeats)]


def _run(page: "Page", context: "BrowserContext", photo: Path) -> PageRun:
    found: dict[str, Any] = page.evaluate(_RUN)
    file = photo.with_name(f"taken-{photo.name}")
    file.write_bytes(context.request.get(found["file"]).body())
    restored = decode(file)
    began = time.perf_counter()
    encode(restored, file, "png")
    encoding = time.perf_counter() - began
    model = next(part for part in found["facts"].split(" · ") if part.endswith(" s"))
    return PageRun(
        first_tile=found["first"] / 1000,
        whole=found["done"] / 1000,
        offered=found["offered"] / 1000,
        model=float(model.removesuffix(" s").replace(",", "")),
        encoding=encoding,
    )
