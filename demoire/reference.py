"""The true screen content as a reference: brought to where the photo shows it, it tells how good a result is."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from demoire.errors import MismatchError
from demoire.metadata import to_8_bit
from demoire.metrics import METRICS, Comparison, Reference
from demoire.picture import Notice, Picture, Samples
from demoire.registration import Matrix, Registration, covers, register, scale_of
from demoire.restore import Box

ByteImage = NDArray[np.uint8]

LEAST_SIDE = 32
SCALES = (0.25, 8.0)  # reference pixels per photo pixel between which both can show the same detail
RELATED = 0.3  # pairs of photo and truth reach 0.9 and more, other pictures 0.15
LEAST_BOX = 64
MOST_PIXELS = 16_000_000  # scored at once; what is larger is scored in its middle
OUTSIDE = 128
GAIN = 4.0
_CELLS = 128


@dataclass(frozen=True)
class Truth:
    """A reference picture as the camera saw it.

    Attributes:
        pixels: (H, W, 3) uint8 of the photo's size, in its colour space; mid-grey where the reference does not reach.
        box: (top, left, bottom, right), the part of the photo that figures are of.
        likeness: 0.3 to 1, how well both agree after a band-pass.
        notices: what limits the figures.
    """

    pixels: ByteImage
    box: Box
    likeness: float
    notices: tuple[Notice, ...]

    def score(self, restored: Samples) -> Mapping[str, float]:
        """The metrics of `demoire.metrics.METRICS` by name; nan where one is not defined.

        Args:
            restored: (H, W, 3) uint8 or uint16 of the photo's size.
        """
        comparison = self._comparison(restored)
        return {name: metric.function(comparison) for name, metric in METRICS.items()}

    def difference(self, restored: Samples, gain: float = GAIN) -> ByteImage:
        """What is wrong with a result, after the photometric fit: mid-grey where nothing is, ``gain`` times enlarged.

        Args:
            restored: (H, W, 3) uint8 or uint16 of the photo's size.

        Returns:
            (H, W, 3) uint8.
        """
        top, left, bottom, right = self.box
        wrong = self._comparison(restored).fitted - self._reference.clean
        shown = np.full(self.pixels.shape, OUTSIDE, np.uint8)
        shown[top:bottom, left:right] = np.rint(np.clip(OUTSIDE + 255 * gain * wrong, 0, 255)).astype(np.uint8)
        return shown

    @cached_property
    def _reference(self) -> Reference:
        top, left, bottom, right = self.box
        return Reference(self.pixels[top:bottom, left:right])

    def _comparison(self, restored: Samples) -> Comparison:
        if restored.shape != self.pixels.shape:
            (height, width), (wanted_height, wanted_width) = restored.shape[:2], self.pixels.shape[:2]
            raise MismatchError(
                f"The result is {width}x{height} and the photo {wanted_width}x{wanted_height} pixels; restore it again."
            )
        top, left, bottom, right = self.box
        return Comparison(to_8_bit(restored[top:bottom, left:right]), self._reference)


def align(reference: Picture, photo: Picture) -> Truth:
    """Finds the reference in the photo and brings it there.

    Raises:
        MismatchError: it is too small or too large, has nothing to find it by, shows something else, or only a scrap of
            the photo.
    """
    shown, found = locate(reference, photo)
    pixels, box = bring(shown, found.matrix, photo.height, photo.width)
    middle = _middle(box)
    return Truth(pixels, middle, found.likeness, _notices(box, middle, photo))


def locate(reference: Picture, photo: Picture) -> tuple[ByteImage, Registration]:
    """The reference in the photo's colour space, (H, W, 3) uint8 of its own size, and where the photo shows it.

    Raises:
        MismatchError: it is too small or too large, has nothing to find it by, or shows something else.
    """
    seen, shown = to_8_bit(photo.pixels), _in_space_of(reference, photo)
    if min(*seen.shape[:2], *shown.shape[:2]) < LEAST_SIDE:
        raise MismatchError(
            f"A reference picture of {reference.width}x{reference.height} pixels cannot be matched to a photo of "
            f"{photo.width}x{photo.height}; both need at least {LEAST_SIDE} pixels a side."
        )
    return shown, _related(register(shown, seen), reference, photo)


def bring(shown: ByteImage, matrix: Matrix, height: int, width: int) -> tuple[ByteImage, Box]:
    """Lays a reference over a photo of ``height`` x ``width``.

    Args:
        shown, matrix: as of ``locate``.

    Returns:
        (height, width, 3) uint8, mid-grey where the reference does not reach, and a largest box that it covers.

    Raises:
        MismatchError: it covers only a scrap of the photo.
    """
    covered = covers(matrix, height, width, (shown.shape[0], shown.shape[1]))
    box = _inner_box(covered)
    if min(box[2] - box[0], box[3] - box[1]) < LEAST_BOX:
        raise MismatchError("The reference shows too little of the photo; give a picture of the whole screen.")
    return np.where(covered[..., None], _warped(shown, matrix, height, width), np.uint8(OUTSIDE)), box


def _related(found: Registration | None, reference: Picture, photo: Picture) -> Registration:
    """What was found, if the two pictures do belong together."""
    if found is None or found.likeness < RELATED:
        raise MismatchError(
            "The reference does not match the photo: it shows something else, or too little to tell; "
            "give the very picture that the screen showed, such as a screenshot."
        )
    scale = scale_of(found.matrix, photo.height, photo.width)
    if not SCALES[0] <= scale <= SCALES[1]:
        raise MismatchError(
            f"The reference of {reference.width}x{reference.height} pixels is too {'small' if scale < 1 else 'large'} "
            f"for this photo of {photo.width}x{photo.height}; give it at the size at which the screen showed it."
        )
    return found


def _in_space_of(reference: Picture, photo: Picture) -> ByteImage:
    """8-bit pixels of the reference in the colour space of the photo."""
    pixels = to_8_bit(reference.pixels)
    if reference.icc == photo.icc:
        return pixels
    source, target = (_profile(picture) for picture in (reference, photo))
    try:
        converted = ImageCms.profileToProfile(Image.fromarray(pixels), source, target, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return pixels  # the profile of a grey picture, say; the fit takes care of tones
    return pixels if converted is None else np.asarray(converted)


def _profile(picture: Picture) -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(io.BytesIO(picture.icc) if picture.icc else ImageCms.createProfile("sRGB"))


def _warped(reference: ByteImage, matrix: Matrix, height: int, width: int) -> ByteImage:
    """The reference as the photo shows it, bicubic; reduced first where the photo is coarser."""
    image = Image.fromarray(reference)
    factor = min(1.0, 1 / scale_of(matrix, height, width))
    if factor < 0.8:
        image = image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.LANCZOS)
    across, down = image.width / reference.shape[1], image.height / reference.shape[0]
    corner = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])  # Pillow counts from the corners of pixels
    moved = np.diag([across, down, 1.0]) @ corner @ matrix @ np.linalg.inv(corner)
    data = (moved / moved[2, 2]).ravel()[:8].tolist()
    return np.asarray(image.transform((width, height), Image.Transform.PERSPECTIVE, data, Image.Resampling.BICUBIC))


def _inner_box(covered: NDArray[np.bool_]) -> Box:
    """A largest upright box that lies in the covered part, to within a cell of a coarse grid."""
    height, width = covered.shape
    if covered.all():
        return 0, 0, height, width
    cell = max(1, -(-max(height, width) // _CELLS))
    rows, columns = height // cell, width // cell
    full: NDArray[np.bool_] = covered[: rows * cell, : columns * cell].reshape(rows, cell, columns, cell).min((1, 3))
    best, run = (0, 0, 0, 0), np.zeros(columns, int)
    largest = 0
    for bottom in range(rows):
        run = np.where(full[bottom], run + 1, 0)
        for left in range(columns):
            tall = np.minimum.accumulate(run[left:])
            areas = tall * np.arange(1, len(tall) + 1)
            wide = int(areas.argmax())
            if areas[wide] > largest:
                largest = int(areas[wide])
                best = (bottom + 1 - int(tall[wide]), left, bottom + 1, left + wide + 1)
    top, left, bottom, right = (edge * cell for edge in best)
    return top, left, bottom, right


def _middle(box: Box) -> Box:
    """The box, or its middle where that is all that can be scored."""
    top, left, bottom, right = box
    height, width = bottom - top, right - left
    factor = min(1.0, (MOST_PIXELS / (height * width)) ** 0.5)
    rows, columns = int(height * factor), int(width * factor)
    top, left = top + (height - rows) // 2, left + (width - columns) // 2
    return top, left, top + rows, left + columns


def _notices(box: Box, middle: Box, photo: Picture) -> tuple[Notice, ...]:
    share = (box[2] - box[0]) * (box[3] - box[1]) / (photo.height * photo.width)
    notices = []
    if share < 0.95:
        text = f"The reference covers a box of {share:.0%} of the photo; the figures are of that part."
        notices.append(Notice("reference_part", text))
    if middle != box:
        text = f"The figures are of the middle {MOST_PIXELS // 1_000_000} megapixels of the picture."
        notices.append(Notice("reference_middle", text))
    return tuple(notices)
