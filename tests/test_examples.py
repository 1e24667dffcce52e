"""The first screen shows what the bundled model makes of its example, not a picture made by hand."""

from pathlib import Path

import numpy as np
import pytest

from demoire.images import decode, encode
from demoire.restore import Restored, RestoreOptions, restore
from demoire.ui.routes import TASTES


@pytest.mark.slow
def test_the_restored_example_is_the_bundled_models(tmp_path: Path) -> None:
    before, after = (decode(TASTES[name]) for name in ("before", "after"))
    *_, last = restore(before, RestoreOptions(model="cnn", device="cpu"))
    assert isinstance(last, Restored)
    encode(last.picture, tmp_path / "again.jpg", "jpeg")
    distance = np.abs(decode(tmp_path / "again.jpg").pixels.astype(int) - after.pixels).mean()
    assert distance < 1, (
        "the weights changed; run: python -m demoire restore demoire/ui/examples/sheet.jpg "
        "-o demoire/ui/examples/sheet_demoired.jpg"
    )
    assert np.abs(after.pixels.astype(int) - before.pixels).mean() > 1, "there is something to be seen"
