"""What a network must beat: a slight blur, and the filters an engineer would try. 8-bit in, 8-bit out."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from scipy import fft
from scipy.ndimage import gaussian_filter, median_filter, zoom

from demoire.metrics import ByteImage, blur, to_bytes, to_float

Plane = npt.NDArray[np.float32]

TO_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
# The best of the twenty settings tried on a few real photos, so that the comparison favours the filter if anything.
CHROMA_STEP = 4
CHROMA_WINDOW = 5  # in steps: 20 px
BLOCK = 64
NOTCH_EXCESS = 6.0  # a peak stands this far above the spectrum around it
NOTCH_FLOOR = 8  # cycles per block under which the content itself lives
NEIGHBOURHOOD = 4.0  # sigma, in cycles per block, of what "around it" means


def gaussian(picture: ByteImage, sigma: float) -> ByteImage:
    """Gaussian blur by ``sigma`` px of an (H, W, 3) picture."""
    return to_bytes(blur(to_float(picture), sigma))


def classical(picture: ByteImage) -> ByteImage:
    """Median filter of the chroma, and a notch filter in the frequency domain for the luma; (H, W, 3) in and out.

    Coloured bands lie in the chroma, where the median over 20 px loses little; stripes in the luma are narrow peaks of
    the spectrum of a block, which are cut down to the level around them.
    """
    image = to_float(picture)
    luma = image @ TO_LUMA
    smooth = np.stack([_wide_median(image[..., channel] - luma) for channel in (0, 2)], -1)
    cleaned = notch_filter(luma)
    red, blue = (cleaned + smooth[..., channel] for channel in (0, 1))
    green = (cleaned - TO_LUMA[0] * red - TO_LUMA[2] * blue) / TO_LUMA[1]
    return to_bytes(np.stack((red, green, blue), -1))


def notch_filter(plane: Plane) -> Plane:
    """Cuts narrow peaks out of the spectrum of overlapping blocks of an (H, W) plane; without peaks nothing changes."""
    height, width = plane.shape
    step = BLOCK // 2
    padding = [(step, step + -size % step) for size in (height, width)]
    padded = np.pad(plane, padding, mode="symmetric")
    result = np.zeros_like(padded)
    ramp = np.sin(np.pi * (np.arange(BLOCK, dtype=np.float32) + 0.5) / BLOCK)
    window = np.outer(ramp, ramp)  # its square adds up to one over half-overlapping blocks
    for top in range(0, padded.shape[0] - step, step):
        strip = np.lib.stride_tricks.sliding_window_view(padded[top : top + BLOCK], BLOCK, axis=1)[:, ::step]
        blocks = np.moveaxis(strip, 1, 0)
        mean = blocks.mean((1, 2), keepdims=True)
        blocks = (_cut_peaks((blocks - mean) * window) + mean * window) * window
        for index, block in enumerate(blocks):
            result[top : top + BLOCK, index * step : index * step + BLOCK] += block
    return result[step : step + height, step : step + width]


def _cut_peaks(blocks: Plane) -> Plane:
    """(N, B, B) in and out."""
    spectrum = fft.fft2(blocks)
    level = np.log(np.abs(spectrum) + 1e-4)
    around = gaussian_filter(level, (0, NEIGHBOURHOOD, NEIGHBOURHOOD), mode="wrap")
    frequency = np.abs(fft.fftfreq(BLOCK, 1 / BLOCK))
    content = np.hypot(frequency[:, None], frequency[None, :]) < NOTCH_FLOOR
    peak = (level - around > np.log(NOTCH_EXCESS)) & ~content
    spectrum *= np.where(peak, np.exp(around - level), 1)
    cut: Plane = fft.ifft2(spectrum).real.astype(np.float32)
    return cut


def _wide_median(plane: Plane) -> Plane:
    """Median over 20 px, found on the plane reduced by 4."""
    height, width = plane.shape
    padded = np.pad(plane, [(0, -size % CHROMA_STEP) for size in (height, width)], mode="edge")
    rows, columns = (size // CHROMA_STEP for size in padded.shape)
    reduced = padded.reshape(rows, CHROMA_STEP, columns, CHROMA_STEP).mean((1, 3))
    smooth = median_filter(reduced, CHROMA_WINDOW)
    full: Plane = zoom(smooth, CHROMA_STEP, order=1, mode="nearest", grid_mode=True)[:height, :width]
    return full


BASELINES: Mapping[str, Callable[[ByteImage], ByteImage]] = MappingProxyType(
    {
        "blur 0.6 px": partial(gaussian, sigma=0.6),
        "blur 1 px": partial(gaussian, sigma=1.0),
        "classical": classical,
    }
)
