"""Large and unusual photos through the page: what went in comes out, as pixels and as colours."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from looks import VIEWER, settled
from photos import banded
from PIL import Image, ImageCms
from serving import serving
from visitors import PATIENCE, Invite, Server, Visitor

from demoire.images import decode

pytestmark = pytest.mark.browser

#: Most script in a frame while a picture is moved, in milliseconds of the tab's own thread: a busy machine adds none.
MOST_SCRIPT = 16
#: Most memory of the tab, in bytes.
MOST_MEMORY = 600 << 20

#: Not the profile that libraries fall back to.
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes().replace(b"sRGB", b"P3ish")


@pytest.fixture
def fresh_server(tmp_path: Path, weights: Path) -> Iterator[Server]:
    """A page whose only model hands back its input."""
    catalog = weights / "catalog.json"
    models = json.loads(catalog.read_text())["models"]
    catalog.write_text(json.dumps({"models": {"identity": models["identity"]}}))
    limits = {"DEMOIRE_MAX_MEGAPIXELS": "110", "DEMOIRE_MAX_MEGABYTES": "100"}
    with serving(tmp_path, {"DEMOIRE_WEIGHTS": str(weights), **limits}) as running:
        yield running


@pytest.mark.slow
def test_a_heic_of_12_megapixels_comes_back_with_its_size_pixels_and_profile(
    visit_fresh: Invite, tmp_path: Path
) -> None:
    pixels = np.ascontiguousarray(banded(3000, 4000))
    image = pillow_heif.from_bytes(mode="RGB", size=(4000, 3000), data=pixels.tobytes())
    image.info["icc_profile"] = PROFILE
    photo = tmp_path / "照片 12 MP.heic"
    image.save(photo, quality=60)
    source = decode(photo)
    visitor = visit_fresh()
    visitor.give(photo)
    assert "4000 × 3000" in visitor.text()
    visitor.page.click("#restore")
    visitor.page.wait_for_selector("html[data-phase=done]", timeout=5 * PATIENCE)
    visitor.finish()
    file = visitor.download(tmp_path)
    assert file.name == "照片 12 MP_demoired.png"
    result = decode(file)
    assert np.array_equal(result.pixels, source.pixels) and result.icc == PROFILE
    assert "PNG" in visitor.text(), "that the kind of file has changed is said"


class Watch:
    """What a tab costs: time that its thread spends in script, and the memory of its process."""

    def __init__(self, visitor: Visitor) -> None:
        self._tab = visitor.context.new_cdp_session(visitor.page)
        self._tab.send("Performance.enable", {"timeDomain": "threadTicks"})
        assert visitor.context.browser
        self._browser = visitor.context.browser.new_browser_cdp_session()

    def script(self) -> float:
        """Milliseconds of script so far."""
        metrics = self._tab.send("Performance.getMetrics")["metrics"]
        return next(1000.0 * entry["value"] for entry in metrics if entry["name"] == "ScriptDuration")

    def memory(self) -> int:
        """The largest resident memory that any tab has had, in bytes."""
        processes = self._browser.send("SystemInfo.getProcessInfo")["processInfo"]
        tabs = [Path(f"/proc/{process['id']}/status") for process in processes if process["type"] == "renderer"]
        peaks = [line for tab in tabs for line in tab.read_text().splitlines() if line.startswith("VmHWM:")]
        return max(int(line.split()[1]) << 10 for line in peaks)


COUNT = """(name) => {
  window.drawn = 0;
  const count = (changes) => (window.drawn += changes.length);
  new MutationObserver(count).observe(document.querySelector(name), { attributeFilter: ["data-place"] });
}"""
NEXT = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(window.drawn))))"


def drags(visitor: Visitor, watch: Watch) -> list[float]:
    """Moves the pictures to and fro by hand; for each step the milliseconds of script to a frame drawn, sorted."""
    page = visitor.page
    box = page.locator(f"{VIEWER} canvas").first.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    steps = []
    for direction in (-1, -1, -1, -1, 1, 1, 1, 1):
        page.mouse.move(x - 230 * direction, y - 230 * direction)
        page.mouse.down()
        for way in range(-180, 240, 40):
            drawn, script = page.evaluate(NEXT), watch.script()
            page.mouse.move(x + way * direction, y + way * direction)
            drawn = page.evaluate(NEXT) - drawn
            assert drawn > 0, "each step moves the pictures"
            steps.append((watch.script() - script) / drawn)
        page.mouse.up()
    settled(visitor)
    return sorted(steps)


@pytest.mark.slow
def test_panning_a_result_of_100_megapixels_takes_little_script_and_memory(visit_fresh: Invite, tmp_path: Path) -> None:
    tile = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    large = tmp_path / "large.png"
    Image.fromarray(np.tile(tile, (128, 192, 1))).save(large, compress_level=1)  # 8192 x 12288
    visitor = visit_fresh()
    visitor.give(large)
    visitor.page.click("#restore")
    visitor.page.wait_for_selector("html[data-phase=done]", timeout=5 * PATIENCE)
    visitor.finish()
    watch = Watch(visitor)
    visitor.page.evaluate(COUNT, f"{VIEWER} .stage")
    found = {}
    for mode in ("side", "split", "blink", "difference"):
        visitor.page.click(f"{VIEWER} [data-mode={mode}]")
        settled(visitor)
        steps = drags(visitor, watch)
        found[mode] = [round(steps[len(steps) // 2], 2), round(steps[round(0.95 * len(steps))], 2)]
    assert all(0 < usual <= often < MOST_SCRIPT for usual, often in found.values()), found
    assert 50 << 20 < watch.memory() < MOST_MEMORY
    (tmp_path / "found.json").write_text(json.dumps({"script": found, "memory": watch.memory()}))
