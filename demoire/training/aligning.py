"""A pair of a user's own made fit to train on: the clean picture laid over the photo, in its tone; or refused."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from demoire.errors import DataError
from demoire.metadata import to_8_bit
from demoire.metrics import ByteImage, Comparison, Reference, to_bytes
from demoire.pairs import PairFiles, read_picture
from demoire.reference import LEAST_SIDE, bring, locate
from demoire.registration import SURE, Matrix, register

ALIKE = 0.6  # more than what is scored by eye needs, for nobody looks at these: pairs reach 0.9, chance 0.35
TOLERANCE = 1.0  # a clean picture no point of which lies farther off, in pixels, is taken as it is
BENT = 1.5  # pixels that a part may lie off once the whole lies right: above what photos with moire are measured to
WINDOW = 512  # side of the parts that are looked at


@dataclass(frozen=True)
class Aligned:
    """A photo and its target, both (H, W, 3) uint8; ``moved`` where the clean picture had to be laid over the photo."""

    photo: ByteImage
    target: ByteImage
    moved: bool


def align_pair(files: PairFiles, side: int) -> Aligned:
    """Lays the clean picture over the photo where it does not lie there yet, and gives it the photo's tone.

    What the clean picture does not cover is cut off.

    Raises:
        DemoireError: a file is broken, they do not belong together, or less than ``side`` pixels are left.
    """
    photo, clean = read_picture(files.moire), read_picture(files.clean)
    _check_size(photo.height, photo.width, side)
    shown, found = locate(clean, photo)
    if found.likeness < ALIKE:
        raise DataError(
            f"photo and clean picture are alike only to {found.likeness:.2f}, and {ALIKE} is needed to lay one over "
            "the other with certainty; give the very picture that the screen showed."
        )
    seen = to_8_bit(photo.pixels)
    moved = shown.shape != seen.shape or float(_displacements(found.matrix, *seen.shape[:2]).max()) > TOLERANCE
    if moved:
        shown, (top, left, bottom, right) = bring(shown, found.matrix, photo.height, photo.width)
        shown, seen = shown[top:bottom, left:right], seen[top:bottom, left:right]
        _check_size(bottom - top, right - left, side)
    _check_parts(shown, seen)
    return Aligned(seen, in_tone_of(seen, shown), moved)


def in_tone_of(photo: ByteImage, clean: ByteImage) -> ByteImage:
    """The clean picture with brightness, colours and vignetting of the photo.

    With the clean picture itself as its target a network would learn, beside moire, how this camera differs from that
    screen, and then change the colours of every photo; it is to take moire away and leave the tone as photographed.
    """
    return to_bytes(Comparison(clean, Reference(photo)).fitted)


def _check_size(height: int, width: int, side: int) -> None:
    if min(height, width) < side:
        raise DataError(
            f"{width}x{height} pixels can be used, and crops are of {side}x{side}; give a larger photo that shows more "
            "of the clean picture."
        )


def _displacements(matrix: Matrix, height: int, width: int) -> NDArray[np.float64]:
    """How far, in pixels, a homography takes places all over a picture from where they are."""
    y, x = np.mgrid[0 : height - 1 : 9j, 0 : width - 1 : 9j]
    u, v, depth = np.tensordot(matrix, np.stack((x, y, np.ones_like(x))), 1)
    return np.asarray(np.hypot(u / depth - x, v / depth - y), np.float64)


def _check_parts(clean: ByteImage, photo: ByteImage) -> None:
    """Raises DataError where the whole lies right but parts do not: a curved screen, a lens that bends lines."""
    height, width = photo.shape[:2]
    rows, columns = (min(length // 2, WINDOW) for length in (height, width))
    if min(rows, columns) < LEAST_SIDE:
        return
    for y, x in ((1, 1), (1, 3), (3, 1), (3, 3)):
        top, left = y * height // 4 - rows // 2, x * width // 4 - columns // 2
        part = slice(top, top + rows), slice(left, left + columns)
        found = register(clean[part], photo[part])
        if found is None or found.likeness < SURE:  # too little to see there
            continue
        off = float(np.median(_displacements(found.matrix, rows, columns)))
        if off > BENT:
            raise DataError(
                f"parts of the clean picture lie {off:.1f} pixels off when the whole lies right; the screen or the "
                "lens bends it, so take the photo from farther away."
            )
