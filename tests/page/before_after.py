"""Makes the README's before and after: ``python tests/page/before_after.py``. Crops at 100 %, what fails among them."""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from demoire.evaluate import model_predict  # noqa: E402
from demoire.metrics import ByteImage  # noqa: E402
from demoire.pairs import load_picture  # noqa: E402
from demoire.simulate.picture import picture_of, take  # noqa: E402
from demoire.simulate.settings import ShotSettings, parameters_of  # noqa: E402

EXAMPLES, HELD_OUT = ROOT / "demoire" / "ui" / "examples", ROOT / "demoire" / "held_out"
HEIGHT, WIDTH, GAP = 260, 360, 8
CROPS = ((EXAMPLES / "ticket.jpg", 0.5, 0.5), (EXAMPLES / "sheet.jpg", 0.4, 0.6))
SHOT = ShotSettings(scale=1.52, angle=2.0, perspective=6.0, blur=0.4, seed=8)
QUALITY = 85


def _cut(picture: ByteImage, down: float, across: float) -> ByteImage:
    """A window, its middle at these shares of the picture's sides."""
    top, left = round(picture.shape[0] * down - HEIGHT / 2), round(picture.shape[1] * across - WIDTH / 2)
    return picture[max(top, 0) :][:HEIGHT, max(left, 0) :][:, :WIDTH]


def _simulated() -> ByteImage:
    """A held-out page on the simulated display, photographed."""
    import torch

    parameters, shared = parameters_of(SHOT)
    shot = take(load_picture(HELD_OUT / "e_article-en.png"), parameters, shared, torch.device("cpu"), longest=1000)
    return picture_of(shot.captures.moire)


def main() -> None:
    """Writes ``.readme/before_after.webp``: photos above, what `cnn` makes of them below."""
    predict = model_predict("cnn")
    photos = [(load_picture(path), down, across) for path, down, across in CROPS]
    photos.insert(1, (_simulated(), 0.4, 0.5))
    rows = [
        [_cut(picture, down, across) for picture, (_, down, across) in zip(pictures, photos, strict=True)]
        for pictures in ([photo for photo, _, _ in photos], [predict(photo) for photo, _, _ in photos])
    ]
    sheet = np.full((2 * HEIGHT + GAP, 3 * WIDTH + 2 * GAP, 3), 255, np.uint8)
    for row, crops in enumerate(rows):
        for column, crop in enumerate(crops):
            top, left = row * (HEIGHT + GAP), column * (WIDTH + GAP)
            sheet[top : top + HEIGHT, left : left + WIDTH] = crop
    Image.fromarray(sheet).save(ROOT / ".readme" / "before_after.webp", quality=QUALITY, method=6)


if __name__ == "__main__":
    main()
