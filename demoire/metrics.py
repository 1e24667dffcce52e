"""How close a restored photo of a screen is to the truth: one function per metric, and the registry of all of them.

A photo and its ground truth differ in colour, tone and vignetting, which says nothing about moire. So beside the raw
PSNR the picture is mapped onto the truth by a smooth photometric fit before it is scored; and `bands_left` looks at
moire alone, in the flat areas where it is seen most. Pictures are (H, W, 3) here, as NumPy and SciPy hold them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter, gaussian_filter1d, uniform_filter
from skimage.measure import blur_effect
from skimage.metrics import structural_similarity

from demoire.errors import DataError

FloatImage = npt.NDArray[np.float32]
ByteImage = npt.NDArray[np.uint8]

FIT_STEP = 4  # the photometric fit looks at every 4th pixel ...
FIT_SIGMA = 4.0  # ... of pictures blurred by this, so that it cannot follow the moire itself
FLAT_WINDOW = 24
FLAT_DEVIATION = 2.5 / 255
FLAT_SHARE = 0.02
DETAIL_SIGMAS = (1.0, 10.0)
SMALLEST_SIDE = 7  # the window of SSIM


def to_float(image: ByteImage) -> FloatImage:
    """(H, W, 3) uint8 to float32 in [0, 1]."""
    return image.astype(np.float32) / np.float32(255)


def to_bytes(image: FloatImage) -> ByteImage:
    """(H, W, 3) float in [0, 1] to uint8, clipped and rounded: what a saved 8-bit picture holds."""
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)


def blur(image: FloatImage, sigma: float) -> FloatImage:
    """Gaussian blur of the two axes of an (H, W, 3) picture by ``sigma`` pixels, mirrored at the borders."""
    blurred: FloatImage = gaussian_filter(image, (sigma, sigma, 0))
    return blurred


class Reference:
    """A clean picture, and what the metrics need to know of it, computed at first use and kept.

    Args:
        clean: (H, W, 3) uint8.

    Raises:
        DataError: it is no such array, or smaller than 7 pixels.
    """

    def __init__(self, clean: ByteImage) -> None:
        _check_picture(clean)
        self.shape = clean.shape
        self.clean = to_float(clean)

    @cached_property
    def fit_samples(self) -> FloatImage:
        """The blurred clean picture at the pixels that the photometric fit looks at."""
        return _fit_samples(self.clean)

    @cached_property
    def flat(self) -> npt.NDArray[np.bool_]:
        """(H, W): where the clean picture's 24x24 neighbourhood hardly varies in any channel."""
        window = (FLAT_WINDOW, FLAT_WINDOW, 0)
        mean = uniform_filter(self.clean, window)
        variance = uniform_filter(self.clean * self.clean, window) - mean * mean
        flat: npt.NDArray[np.bool_] = np.sqrt(np.maximum(variance, 0)).max(-1) < FLAT_DEVIATION
        return flat

    @cached_property
    def has_flat(self) -> bool:
        """Whether flat areas cover enough of the picture for `bands_left` to mean something."""
        return float(self.flat.mean()) >= FLAT_SHARE

    @cached_property
    def flat_detail(self) -> FloatImage:
        """(pixels, 3): the clean picture's own band-passed content in its flat areas."""
        return _detail(self.clean, self.flat)


class Comparison:
    """A picture beside its reference: what every metric is computed from; shared steps are done once.

    Args:
        image: (H, W, 3) uint8, of the reference's size.
        reference: the clean picture.

    Raises:
        DataError: the sizes differ, or the array is no 8-bit RGB picture.
    """

    def __init__(self, image: ByteImage, reference: Reference) -> None:
        _check_picture(image)
        if image.shape != reference.shape:
            (height, width), (wanted_height, wanted_width) = image.shape[:2], reference.shape[:2]
            raise DataError(
                f"The picture is {width}x{height} and the clean one {wanted_width}x{wanted_height} pixels: "
                "both must have the same size."
            )
        self.image = to_float(image)
        self.reference = reference

    @cached_property
    def fitted(self) -> FloatImage:
        """The picture after the photometric fit onto the clean one, clipped to [0, 1].

        The picture itself where that is nearer: found on blurred pictures, the fit may fail for colours beyond theirs.
        """
        fitted, clean = photometric_fit(self.image, self.reference), self.reference.clean
        return max(fitted, self.image, key=lambda image: peak_signal_to_noise(image, clean))


def photometric_fit(image: FloatImage, reference: Reference) -> FloatImage:
    """Maps brightness, colour and vignetting of a picture onto those of its reference.

    Least squares over 33 terms: a cubic in colour, and a quadratic in place times (1, r, g, b); found on both pictures
    blurred by 4 px at every 4th pixel, applied to the unblurred picture.

    Args:
        image: (H, W, 3) in [0, 1].
        reference: the clean picture of the same size.

    Returns:
        (H, W, 3) in [0, 1].
    """
    height, width = image.shape[:2]
    y, x = _places(height, width)
    samples = _terms(_fit_samples(image), y[::FIT_STEP], x[:, ::FIT_STEP])
    targets = reference.fit_samples.reshape(-1, 3)
    coefficients = np.linalg.lstsq(samples.reshape(len(samples), -1).T, targets, rcond=None)[0]
    fitted = np.empty_like(image)
    rows = max(1, 65536 // width)  # strips that stay in the processor's cache
    for top in range(0, height, rows):
        strip = slice(top, top + rows)
        terms = _terms(image[strip], y[strip], x)
        fitted[strip] = np.moveaxis(np.tensordot(coefficients.T, terms, 1), 0, -1)
    return np.clip(fitted, 0, 1, out=fitted)


def peak_signal_to_noise(image: FloatImage, clean: FloatImage) -> float:
    """PSNR in dB over all pixels and channels of two (H, W, 3) pictures in [0, 1]; infinite if they are equal."""
    error = float(np.square(image - clean, dtype=np.float32).mean(dtype=np.float64))
    return float(-10 * np.log10(error)) if error > 0 else float("inf")


def raw_psnr(comparison: Comparison) -> float:
    """PSNR of the picture as it is, in dB, 0 to infinity; much of it is global brightness and colour."""
    return peak_signal_to_noise(comparison.image, comparison.reference.clean)


def fitted_psnr(comparison: Comparison) -> float:
    """PSNR after the photometric fit, in dB, 0 to infinity; beware that any slight blur raises it."""
    return peak_signal_to_noise(comparison.fitted, comparison.reference.clean)


def fitted_ssim(comparison: Comparison) -> float:
    """Structural similarity after the photometric fit, -1 to 1: 7x7 windows, mean over channels.

    Reference: Wang et al., Image quality assessment: from error visibility to structural similarity, IEEE TIP 2004,
    doi:10.1109/TIP.2003.819861; as scikit-image computes it with data_range 1.
    """
    fitted, clean = comparison.fitted, comparison.reference.clean
    return float(structural_similarity(fitted, clean, channel_axis=2, data_range=1))  # type: ignore[no-untyped-call]


def bands_left(comparison: Comparison) -> float:
    """What moire is left in flat areas, in 1/255, 0 and up; nan where flat areas cover under 2 % of the clean picture.

    RMS, in the flat areas, of the picture's content between blurs of 1 and 10 px that the clean picture's own content
    does not explain (least squares over channels). It does not see lost detail.
    """
    reference = comparison.reference
    if not reference.has_flat:
        return float("nan")
    shown, true = _detail(comparison.image, reference.flat), reference.flat_detail
    precise = true.astype(np.float64)
    mixing = np.linalg.pinv(precise.T @ precise, rcond=1e-10, hermitian=True) @ (precise.T @ shown)
    rest = shown - true @ mixing.astype(np.float32)
    return float(np.sqrt(np.square(rest).mean(dtype=np.float64)) * 255)


def blurred(comparison: Comparison) -> float:
    """How blurred the picture looks by itself, 0 (sharp) to 1 (no contrast at all). Moire looks sharp, too.

    Reference: Crete et al., The blur effect: perception and estimation with a new no-reference perceptual blur metric,
    SPIE 6492, 2007, doi:10.1117/12.702790; as scikit-image computes it.
    """
    return float(blur_effect(comparison.image, channel_axis=2))  # type: ignore[no-untyped-call]


def bands_removed(before: float, after: float) -> float:
    """The drop of `bands_left` in dB; not finite where it is undefined (no flat areas, or nothing left)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(20 * np.log10(np.float64(before) / np.float64(after)))


@dataclass(frozen=True)
class Metric:
    """A metric as the evaluation knows it.

    Attributes:
        function: a comparison in, a number out (nan where it is not defined).
        unit: of the number, empty for a plain ratio.
        higher_is_better: the direction.
    """

    function: Callable[[Comparison], float]
    unit: str
    higher_is_better: bool


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "raw": Metric(raw_psnr, "dB", True),
        "fitted": Metric(fitted_psnr, "dB", True),
        "ssim": Metric(fitted_ssim, "", True),
        "bands_left": Metric(bands_left, "1/255", False),
    }
)
"""Those that tell how close a picture is to its reference."""
WITHOUT_REFERENCE: Mapping[str, Metric] = MappingProxyType({"blur": Metric(blurred, "", False)})
"""Those that look at the picture alone."""


def _check_picture(image: ByteImage) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise DataError(f"Expected an 8-bit RGB picture (H, W, 3), got {image.dtype} of shape {image.shape}.")
    if min(image.shape[:2]) < SMALLEST_SIDE:
        height, width = image.shape[:2]
        raise DataError(f"A picture of {width}x{height} pixels is too small to score: {SMALLEST_SIDE} is the least.")


def _fit_samples(image: FloatImage) -> FloatImage:
    """``blur(image, 4)[::4, ::4]``, without computing the rows that are thrown away."""
    rows = gaussian_filter1d(image, FIT_SIGMA, axis=0)[::FIT_STEP]
    samples: FloatImage = gaussian_filter1d(rows, FIT_SIGMA, axis=1)[:, ::FIT_STEP]
    return samples


def _places(height: int, width: int) -> tuple[FloatImage, FloatImage]:
    """Row (H, 1) and column (1, W) positions in [-0.5, 0.5)."""
    y = np.arange(height, dtype=np.float32)[:, None] / np.float32(height) - np.float32(0.5)
    x = np.arange(width, dtype=np.float32)[None, :] / np.float32(width) - np.float32(0.5)
    return y, x


def _terms(image: FloatImage, y: FloatImage, x: FloatImage) -> FloatImage:
    """The 33 terms of the photometric fit, (33, H, W)."""
    terms = np.empty((33, *image.shape[:2]), np.float32)
    colour = terms[:4]
    colour[0] = 1
    colour[1:] = np.moveaxis(image, -1, 0)
    r, g, b = colour[1:]
    for index, product in enumerate((r * r, g * g, b * b, r * g, g * b, r * b), start=4):
        terms[index] = product
    np.multiply(terms[4:7], colour[1:], out=terms[10:13])
    for index, place in enumerate((x, y, x * x, y * y, x * y)):
        np.multiply(place, colour, out=terms[13 + 4 * index : 17 + 4 * index])
    return terms


def _detail(image: FloatImage, where: npt.NDArray[np.bool_]) -> FloatImage:
    """(pixels, 3): what of a picture lies between the two blurs, at the pixels asked for."""
    fine, coarse = DETAIL_SIGMAS
    detail: FloatImage = blur(image, fine)[where] - blur(image, coarse)[where]
    return detail
