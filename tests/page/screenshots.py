"""Takes the two pictures of the README: ``python tests/page/screenshots.py``. They show the bundled example alone."""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from looks import settled  # noqa: E402
from playwright.sync_api import Browser, sync_playwright  # noqa: E402
from serving import serving  # noqa: E402
from visitors import DESKTOP, PATIENCE, PHONE, Visitor  # noqa: E402

FOLDER = ROOT / ".readme"
PHOTO = ROOT / "demoire" / "ui" / "examples" / "sheet.jpg"
QUALITY = 80


def _shot(visitor: Visitor, name: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        png = Path(folder) / "shot.png"
        visitor.page.screenshot(path=png)
        FOLDER.mkdir(exist_ok=True)
        Image.open(png).convert("RGB").save(FOLDER / name, quality=QUALITY, method=6)


def _visit(browser: Browser, address: str, name: str, mode: str, **screen: Any) -> None:
    """Restores the example by all models of the page and shows it."""
    context = browser.new_context(**screen)
    context.set_default_timeout(PATIENCE)
    visitor = Visitor(context, context.new_page(), address)
    visitor.open()
    visitor.give(PHOTO)
    for box in visitor.page.locator(".family input").all():
        box.check()
    visitor.restore()
    if mode == "side":
        for cell in visitor.page.locator("#viewer-restore .cell[data-key^=result]").all():
            cell.get_by_text("looks like a clean photo").wait_for()
    visitor.page.click(f"#viewer-restore [data-mode={mode}]")
    settled(visitor)
    visitor.page.locator("#viewer-restore" if mode == "split" else "#demoire-header").scroll_into_view_if_needed()
    _shot(visitor, name)
    context.close()


def main() -> None:
    """Takes both."""
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder)) as server, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        _visit(browser, server.address, "desktop.webp", "side", locale="en-US", **DESKTOP)
        _visit(browser, server.address, "phone.webp", "split", locale="zh-CN", color_scheme="dark", **PHONE)
        browser.close()


if __name__ == "__main__":
    main()
