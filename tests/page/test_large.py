"""Large and unusual photos through the page: what went in comes out, as pixels and as colours."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from photos import banded
from PIL import ImageCms
from serving import serving
from visitors import PATIENCE, Invite, Server

from demoire.images import decode

pytestmark = pytest.mark.browser

#: Not the profile that libraries fall back to.
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes().replace(b"sRGB", b"P3ish")


@pytest.fixture
def fresh_server(tmp_path: Path, weights: Path) -> Iterator[Server]:
    """A page whose only model hands back its input."""
    catalog = weights / "catalog.json"
    models = json.loads(catalog.read_text())["models"]
    catalog.write_text(json.dumps({"models": {"identity": models["identity"]}}))
    with serving(tmp_path, {"DEMOIRE_WEIGHTS": str(weights)}) as running:
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
