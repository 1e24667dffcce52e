"""A reference is brought to where the photo shows it, gives true figures, and is refused where it does not belong."""

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms
from scipy.ndimage import gaussian_filter, map_coordinates

from demoire.errors import MismatchError
from demoire.metrics import METRICS, Comparison, Reference, photometric_fit, to_float
from demoire.picture import Picture
from demoire.reference import GAIN, OUTSIDE, Truth, align
from demoire.registration import covers, register, scale_of
from tests.pictures import photo as photograph
from tests.pictures import screen

ByteImage = NDArray[np.uint8]
HEIGHT, WIDTH = 240, 320


def content(seed: int = 3, height: int = HEIGHT, width: int = WIDTH) -> ByteImage:
    """A clean picture with structure of many sizes all over it."""
    random = np.random.default_rng(seed)
    picture = np.zeros((height, width, 3))
    for sigma, gain in ((24, 900), (8, 220), (3, 55)):
        picture += gain * gaussian_filter(random.normal(size=picture.shape), (sigma, sigma, 0))
    for _ in range(60):
        top, left = int(random.integers(height - 12)), int(random.integers(width - 40))
        picture[top : top + int(random.integers(2, 12)), left : left + int(random.integers(4, 40))] = random.uniform(
            -110, 110, 3
        )
    return np.clip(np.rint(picture + 128), 0, 255).astype(np.uint8)


def homography(scale: float = 1, degrees: float = 0, shift: tuple[float, float] = (0, 0), tilt: float = 0) -> NDArray:
    """From the photo's pixels to those of a reference ``scale`` times as fine."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    to_middle = np.array([[1, 0, -WIDTH / 2], [0, 1, -HEIGHT / 2], [0, 0, 1]])
    bent = np.array([[1, 0, 0], [0, 1, 0], [tilt / WIDTH, tilt / 2 / HEIGHT, 1]])
    turned = np.array([[cos * scale, -sin * scale, shift[0]], [sin * scale, cos * scale, shift[1]], [0, 0, 1]])
    back = np.array([[1, 0, WIDTH / 2 * scale], [0, 1, HEIGHT / 2 * scale], [0, 0, 1]])
    matrix = back @ turned @ bent @ to_middle
    return matrix / matrix[2, 2]


def places(matrix: NDArray) -> tuple[NDArray, NDArray]:
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    u, v, depth = np.tensordot(matrix, np.stack((x, y, np.ones_like(x))), 1)
    return u / depth, v / depth


def seen(reference: ByteImage, matrix: NDArray) -> ByteImage:
    """What a camera without faults sees of it: the pixels at the places that the homography names."""
    u, v = places(matrix)
    blur = max(0.0, 0.45 * (scale_of(matrix, HEIGHT, WIDTH) - 1))
    soft = gaussian_filter(reference.astype(np.float64), (blur, blur, 0))
    layers = [map_coordinates(soft[..., c], (v, u), order=1, mode="constant", cval=90) for c in range(3)]
    return np.rint(np.stack(layers, -1)).astype(np.uint8)


VIEWS = {
    "the same": homography(),
    "shifted": homography(shift=(11.4, -7.7)),
    "shifted far": homography(shift=(60, -35)),
    "turned": homography(degrees=6),
    "turned much": homography(degrees=35),
    "finer": homography(scale=2.3),
    "coarser": homography(scale=0.6),
    "in perspective": homography(scale=1.2, degrees=-3, tilt=0.25, shift=(5, 4)),
}


@pytest.mark.parametrize("view", VIEWS)
def test_a_known_view_is_found_to_a_fraction_of_a_pixel(view: str) -> None:
    matrix = VIEWS[view]
    scale = scale_of(matrix, HEIGHT, WIDTH)
    reference = content(height=round(HEIGHT * scale), width=round(WIDTH * scale))
    found = register(reference, photograph(seen(reference, matrix), bands=0.03))
    assert found is not None
    (u, v), (found_u, found_v) = places(matrix), places(found.matrix)
    inside = covers(matrix, HEIGHT, WIDTH, reference.shape[:2])  # type: ignore[arg-type]
    error = np.hypot(u - found_u, v - found_v)[inside] / scale
    assert error.mean() < 0.35 and error.max() < 1.5
    assert found.likeness > 0.6


def test_a_reference_of_another_size_gives_the_figures_of_the_truth() -> None:
    matrix = homography(scale=2, degrees=2)
    reference = content(height=2 * HEIGHT, width=2 * WIDTH)
    true = seen(reference, matrix)
    truth = align(Picture(reference), Picture(photograph(true, bands=0.03)))
    top, left, bottom, right = truth.box
    assert (bottom - top) * (right - left) > 0.7 * HEIGHT * WIDTH
    assert [notice.code for notice in truth.notices] == ["reference_part"]
    scores = truth.score(true)
    assert scores["raw"] > 30 and scores["ssim"] > 0.95
    assert truth.score(photograph(true, bands=0.1))["raw"] < 20
    assert truth.score(true.astype(np.uint16) * 257) == pytest.approx(scores, nan_ok=True)


@pytest.fixture(scope="module")
def same() -> tuple[ByteImage, ByteImage, Truth]:
    clean = screen(160, 200)
    photo = photograph(clean)
    box = (0, 0, *clean.shape[:2])
    return clean, photo, Truth(clean, box, 1.0, ())  # type: ignore[arg-type]


def test_scores_are_those_of_the_metrics(same: tuple[ByteImage, ByteImage, Truth]) -> None:
    clean, photo, truth = same
    comparison = Comparison(photo, Reference(clean))
    assert truth.score(photo) == {name: metric.function(comparison) for name, metric in METRICS.items()}


def test_the_difference_is_what_the_fit_leaves(same: tuple[ByteImage, ByteImage, Truth]) -> None:
    clean, photo, truth = same
    assert np.abs(truth.difference(clean).astype(int) - OUTSIDE).max() <= 1
    rest = 255 * (photometric_fit(to_float(photo), Reference(clean)) - to_float(clean))
    expected = np.clip(OUTSIDE + GAIN * rest, 0, 255)
    assert np.abs(truth.difference(photo) - expected).max() <= 0.51
    part = replace(truth, box=(40, 50, 140, 190)).difference(photo)
    assert (part[:40] == OUTSIDE).all() and (part[:, 190:] == OUTSIDE).all() and np.ptp(part[40:140, 50:190]) > 20


def test_the_references_profile_is_brought_to_the_photos() -> None:
    plain = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = plain.replace(b"rXYZ", b"xXYZ").replace(b"bXYZ", b"rXYZ").replace(b"xXYZ", b"bXYZ")
    clean = content()
    truth = align(Picture(clean[..., ::-1].copy(), icc=swapped), Picture(clean, icc=plain))
    assert np.abs(truth.pixels[4:-4, 4:-4].astype(int) - clean[4:-4, 4:-4]).max() <= 3


UNRELATED = {
    "something else": content(seed=8),
    "blank": np.full((HEIGHT, WIDTH, 3), 200, np.uint8),
    "black": np.zeros((HEIGHT, WIDTH, 3), np.uint8),
    "noise": np.random.default_rng(5).integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8),
    "a mirror image": content()[:, ::-1].copy(),
    "too few pixels": content()[:20, :20].copy(),
    "far too coarse": np.asarray(Image.fromarray(content()).resize((40, 33), Image.Resampling.BOX)),
}


@pytest.mark.parametrize("what", UNRELATED)
def test_what_does_not_belong_to_the_photo_is_refused(what: str) -> None:
    with pytest.raises(MismatchError) as refusal:
        align(Picture(UNRELATED[what]), Picture(photograph(content(), bands=0.02)))
    assert "; give" in str(refusal.value) or "need at least" in str(refusal.value)


def test_a_blank_photo_matches_nothing() -> None:
    with pytest.raises(MismatchError):
        align(Picture(content()), Picture(np.full((HEIGHT, WIDTH, 3), 128, np.uint8)))


def test_results_of_another_size_are_refused(same: tuple[ByteImage, ByteImage, Truth]) -> None:
    with pytest.raises(MismatchError, match="199x160"):
        same[2].score(same[1][:, 1:])
