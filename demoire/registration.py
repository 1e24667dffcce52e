"""Where a reference picture lies in a photo: the homography between two pictures of the same thing.

What both show is compared after a band-pass, so that neither the camera's tone and vignetting nor fine moire leads the
search. Two ways to begin, a shift found by phase correlation and features with RANSAC, are both refined coarse to fine
by maximising the correlation coefficient (Evangelidis and Psarakis, IEEE TPAMI 2008, doi:10.1109/TPAMI.2008.113); the
better one counts.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter, map_coordinates
from skimage.feature import SIFT, match_descriptors
from skimage.measure import ransac
from skimage.registration import phase_cross_correlation
from skimage.transform import ProjectiveTransform

Grey = NDArray[np.float32]
Matrix = NDArray[np.float64]

LONGEST = 1280  # sides are reduced to this before anything is looked for; a tenth of a pixel there remains
LEVELS = 4  # halved three times
JUDGED = 1  # the level at which candidates are compared: fine detail is blurred by cameras
FEATURES = 800  # longest side on which features are looked for
BAND = (1.0, 8.0)  # sigmas of the band-pass, at every level
BLANK = 2 / 255  # a band-passed picture without any more than this has nothing to be found by
SETTLED = 0.02  # a step that moves no corner by more pixels ends a level
STEPS = 25
SURE = 0.5  # a start that gets this far needs no other
HOPELESS = 0.25  # one that gets no farther at a coarse level is given up
LEAST_SHARE = 0.1  # of the photo, that must be covered
TILES = 8


@dataclass(frozen=True)
class Registration:
    """How a reference picture lies in a photo.

    Attributes:
        matrix: 3x3, from (x, y, 1) of a pixel's centre in the photo to the same in the reference; [2, 2] is 1.
        likeness: -1 to 1: the median correlation, tile by tile, of what both show.
    """

    matrix: Matrix
    likeness: float


def register(reference: NDArray[np.uint8], photo: NDArray[np.uint8]) -> Registration | None:
    """Finds the reference in the photo; None where there is nothing to find it by, as in blank pictures.

    Args:
        reference, photo: (H, W, 3) uint8, each at least 32 pixels high and wide.
    """
    small, shrink = _reduced(photo, LONGEST)
    best: Registration | None = None
    for start in _starts(reference, photo):
        scale = scale_of(start, *photo.shape[:2])
        fitting, grow = _resized(reference, min(1.0, shrink / scale))
        found = _refine(fitting, small, _between(start, shrink, grow))
        if found is not None and (best is None or found.likeness > best.likeness):
            best = Registration(_between(found.matrix, 1 / shrink, 1 / grow), found.likeness)
        if best is not None and best.likeness > SURE:
            break
    return best


def covers(matrix: Matrix, height: int, width: int, reference: tuple[int, int]) -> NDArray[np.bool_]:
    """(height, width): which pixels of a photo fall into a reference of the given (height, width)."""
    return _within(*_mapped(matrix, *_grid(height, width)), reference)


def scale_of(matrix: Matrix, height: int, width: int) -> float:
    """Reference pixels per photo pixel, in the middle of a photo of ``height`` x ``width``."""
    depth = float(matrix[2] @ (width / 2, height / 2, 1.0))
    return float(np.sqrt(abs(np.linalg.det(matrix) / depth**3)))


def _grey(pixels: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(pixels).convert("L")


def _resized(pixels: NDArray[np.uint8], factor: float) -> tuple[Grey, float]:
    """Grey in [0, 1], at most as large as the picture, and the factor that it became."""
    image = _grey(pixels)
    size = max(16, round(image.width * factor)), max(16, round(image.height * factor))
    if size != image.size:
        image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3)
    return np.asarray(np.asarray(image) / np.float32(255), np.float32), image.width / pixels.shape[1]


def _reduced(pixels: NDArray[np.uint8], longest: int) -> tuple[Grey, float]:
    return _resized(pixels, min(1.0, longest / max(pixels.shape[:2])))


def _between(matrix: Matrix, photo: float, reference: float) -> Matrix:
    """The same homography for pictures resized by the two factors; pixel centres lie at whole numbers."""
    moved: Matrix = _resizing(reference) @ matrix @ np.linalg.inv(_resizing(photo))
    moved /= moved[2, 2]
    return moved


def _resizing(factor: float) -> Matrix:
    return np.array([[factor, 0, (factor - 1) / 2], [0, factor, (factor - 1) / 2], [0, 0, 1]])


def _starts(reference: NDArray[np.uint8], photo: NDArray[np.uint8]) -> Iterator[Matrix]:
    """Rough guesses: the whole reference on the whole photo, moved as the two correlate best; then by features."""
    across, down = (reference.shape[axis] / photo.shape[axis] for axis in (1, 0))
    whole = np.array([[across, 0, (across - 1) / 2], [0, down, (down - 1) / 2], [0, 0, 1]])
    small, shrink = _reduced(photo, LONGEST >> (LEVELS - 1))
    stretched = _grey(reference).resize((small.shape[1], small.shape[0]), Image.Resampling.LANCZOS, reducing_gap=3)
    banded = _banded(np.asarray(stretched, np.float32)), _banded(small)
    if min(float(np.abs(picture).max()) for picture in banded) < BLANK:
        return
    shift, _, _ = phase_cross_correlation(*banded, normalization=None)  # type: ignore[no-untyped-call]
    yield whole @ np.array([[1, 0, shift[1] / shrink], [0, 1, shift[0] / shrink], [0, 0, 1]])
    if np.abs(shift).max() > 0:
        yield whole
    found = _by_features(reference, photo)
    if found is not None:
        yield found


def _by_features(reference: NDArray[np.uint8], photo: NDArray[np.uint8]) -> Matrix | None:
    small, shrink = _reduced(photo, FEATURES)
    fitting, grow = _reduced(reference, FEATURES)
    described: list[tuple[Matrix, Grey]] = []
    for picture in (small, fitting):
        sift = SIFT(upsampling=1)  # type: ignore[no-untyped-call]
        try:
            sift.detect_and_extract(gaussian_filter(picture, 0.8))  # type: ignore[no-untyped-call]
        except RuntimeError:  # finds none
            return None
        described.append((np.asarray(sift.positions, np.float64), np.asarray(sift.descriptors, np.float32)))
    (positions, descriptors), (others, other_descriptors) = described
    pairs = match_descriptors(descriptors, other_descriptors, cross_check=True, max_ratio=0.85)  # type: ignore[no-untyped-call]
    if len(pairs) < 8:
        return None
    places = positions[pairs[:, 0], ::-1], others[pairs[:, 1], ::-1]
    model, inliers = ransac(places, ProjectiveTransform, min_samples=4, residual_threshold=3, max_trials=1000, rng=0)  # type: ignore[no-untyped-call]
    if not model or inliers is None or inliers.sum() < 8:
        return None
    params: Matrix = model.params
    return _between(params, 1 / shrink, 1 / grow)


def _banded(picture: Grey) -> Grey:
    fine, coarse = BAND
    band: Grey = gaussian_filter(picture, fine) - gaussian_filter(picture, coarse)
    return band


def _halved(picture: Grey) -> Grey:
    height, width = (side // 2 * 2 for side in picture.shape)
    half: Grey = picture[:height, :width].reshape(height // 2, 2, width // 2, 2).mean((1, 3))
    return half


def _pyramid(picture: Grey) -> list[Grey]:
    levels = [picture]
    while len(levels) < LEVELS and min(levels[-1].shape) >= 64:
        levels.append(_halved(levels[-1]))
    return levels


def _refine(reference: Grey, photo: Grey, matrix: Matrix) -> Registration | None:
    """Climbs from the coarsest level to the finest; None where the two do not hold together."""
    references, photos = _pyramid(reference), _pyramid(photo)
    levels, likeness = min(len(references), len(photos)), -1.0
    banded = [(_banded(references[level]), _banded(photos[level])) for level in range(levels)]
    for level in reversed(range(levels)):
        factor = 0.5**level
        found = _climb(*banded[level], _between(matrix, factor, factor))
        if found is None:
            return None
        if level >= min(JUDGED, levels - 1):
            likeness = _likeness(*banded[level], found)
            if likeness < HOPELESS:
                return None
        matrix = _between(found, 1 / factor, 1 / factor)
    return Registration(matrix, likeness)


def _grid(height: int, width: int) -> tuple[Grey, Grey]:
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return x, y


def _mapped(matrix: Matrix, x: Grey, y: Grey) -> tuple[Grey, Grey]:
    """Where the homography takes each place; far outside where it goes behind the camera."""
    m = matrix.astype(np.float32)
    depth = m[2, 0] * x + m[2, 1] * y + m[2, 2]
    depth = np.where(depth > 1e-3, depth, np.nan)
    return (
        np.nan_to_num((m[0, 0] * x + m[0, 1] * y + m[0, 2]) / depth, nan=-1e6),
        np.nan_to_num((m[1, 0] * x + m[1, 1] * y + m[1, 2]) / depth, nan=-1e6),
    )


def _within(x: Grey, y: Grey, size: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which places lie in a picture of (height, width)."""
    inside: NDArray[np.bool_] = (x >= 0) & (y >= 0) & (x <= size[1] - 1) & (y <= size[0] - 1)
    return inside


def _sampled(picture: Grey, x: Grey, y: Grey) -> Grey:
    sampled: Grey = map_coordinates(picture, (y, x), order=1, mode="nearest")
    return sampled


def _climb(reference: Grey, photo: Grey, matrix: Matrix) -> Matrix | None:
    """Maximises the correlation of the warped reference with the photo, from ``matrix`` on, at one level."""
    height, width = photo.shape
    x, y = _grid(height, width)
    slope_y, slope_x = (np.asarray(slope, np.float32) for slope in np.gradient(reference))
    corners = np.array([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]], np.float64).T
    for _ in range(STEPS):
        u, v = _mapped(matrix, x, y)
        inside = _within(u, v, reference.shape)
        if inside.mean() < LEAST_SHARE:
            return None
        seen, at_x, at_y = (_sampled(part, u[inside], v[inside]) for part in (reference, slope_x, slope_y))
        step = _step(seen, photo[inside], _descent(matrix, x[inside], y[inside], u[inside], v[inside], at_x, at_y))
        if step is None:
            return None
        moved = matrix + np.append(step, 0).reshape(3, 3)
        if not _sane(moved, corners):
            return None
        before, after = (places[:2] / places[2] for places in (matrix @ corners, moved @ corners))
        matrix = moved
        if np.abs(after - before).max() < SETTLED:
            break
    return matrix


def _sane(matrix: Matrix, corners: Matrix) -> bool:
    """Whether the photo stays in front of the camera, unmirrored."""
    depth = matrix[2] @ corners
    return bool(np.isfinite(matrix).all() and depth.min() > 0.2 and depth.max() < 5 and np.linalg.det(matrix) > 0)


def _descent(matrix: Matrix, x: Grey, y: Grey, u: Grey, v: Grey, at_x: Grey, at_y: Grey) -> Grey:
    """(8, pixels): how the warped reference changes with each entry of the matrix but the last."""
    depth = (matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2]).astype(np.float32)
    across, down = at_x / depth, at_y / depth
    away = -(across * u + down * v)
    return np.stack((across * x, across * y, across, down * x, down * y, down, away * x, away * y))


def _step(seen: Grey, photo: Grey, descent: Grey) -> Matrix | None:
    """The step of the forward additive algorithm; None where the two pictures no longer correlate."""
    seen, photo = seen - seen.mean(), photo - photo.mean()
    size = np.abs(descent).max(1, keepdims=True) + 1e-20  # entries differ by many orders of magnitude
    slopes = descent / size
    slopes -= slopes.mean(1, keepdims=True)
    hessian = (slopes @ slopes.T).astype(np.float64)
    along_seen, along_photo = slopes @ seen, slopes @ photo
    try:
        solved = np.linalg.solve(hessian + np.eye(8) * 1e-7 * np.trace(hessian), np.stack((along_seen, along_photo), 1))
    except np.linalg.LinAlgError:
        return None
    below = float(photo @ seen - along_photo @ solved[:, 0])
    if not below > 0:
        return None
    gain = float(seen @ seen - along_seen @ solved[:, 0]) / below
    step: Matrix = (gain * solved[:, 1] - solved[:, 0]) / size[:, 0]
    return step if np.isfinite(step).all() else None


def _likeness(reference: Grey, photo: Grey, matrix: Matrix) -> float:
    """The median over tiles of the correlation of two band-passed pictures; -1 where too few have any structure."""
    height, width = photo.shape
    u, v = _mapped(matrix, *_grid(height, width))
    inside = _within(u, v, reference.shape)
    seen = _sampled(reference, u, v)
    rows, columns = np.arange(height) * TILES // height, np.arange(width) * TILES // width
    tile = (rows[:, None] * TILES + columns)[inside]
    if inside.mean() < LEAST_SHARE:
        return -1.0

    def total(values: Grey) -> Matrix:
        return np.asarray(np.bincount(tile, values, TILES * TILES), np.float64)

    a, b = seen[inside], photo[inside]
    count = np.maximum(total(np.ones_like(a)), 1)
    both = total(a * b) - total(a) * total(b) / count
    power = [np.maximum(total(p * p) - total(p) ** 2 / count, 0) for p in (a, b)]
    structured = (power[0] > 0.25 * power[0].mean()) & (power[0] / count > 1e-5) & (count > inside.size / TILES**2 / 2)
    if structured.sum() < 3:
        return -1.0
    return float(np.median((both / np.sqrt(power[0] * power[1] + 1e-12))[structured]))
