"""What a network takes out of an image and what does not repeat is texture: it is given back.

A network that was trained on simulated captures takes grass, fur and foliage under moire for a part of it. Moire is
peaks in the spectrum of what is taken out, texture is spread over all of it; so of each window of it the spectrum is
kept where it stands out of what is near, and the rest returns to the image; the less, the more of what is taken are
peaks, for there the rest is what bands leak that bend within a window, and pages are flat. The gain of each
frequency is that of spectral subtraction (Boll, Suppression of acoustic noise in speech using spectral subtraction,
IEEE Trans. Acoustics, Speech, and Signal Processing 27, 1979) with texture for noise; windows are added up again
(Allen and Rabiner, A unified approach to short-time Fourier analysis and synthesis, Proc. IEEE 65, 1977).
"""

from collections.abc import Iterator
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from demoire.models.periodicity import between

WINDOW, STEP = 64, 32
"""Side of a window and distance between windows, in pixels."""
SIZE_MULTIPLE = STEP
"""What an image's sides must be multiples of."""
_NEAR = 7
"""Side of the square of frequencies with whose mean power each one's is compared."""
_TAKEN = (0.5, 3.0)
"""Times that mean, between which the share of a frequency that is taken rises from none to all."""
_ALONE = (2.0, 4.0)
"""The same, between which a frequency counts as a peak."""
_PEAKS = (0.3, 0.6)
"""Share of peaks in the power around between which what is given back falls from all to nothing."""
_AROUND = 5
"""Side in windows of the square around each whose shares are added up."""
_LEAST = 1e-9
"""Added to power that divides: of nothing that is taken out nothing repeats."""


def repeating(taken: Tensor, strength: float = 1.0) -> Tensor:
    """What repeats of what is taken out of an image.

    Args:
        taken: (N, 3, H, W), H and W multiples of ``SIZE_MULTIPLE``; kept as it is where smaller than a window.
        strength: in [0, 1], how much of the rest is left out.

    Returns:
        (N, 3, H, W).
    """
    if min(taken.shape[-2:]) < WINDOW:
        return taken
    with torch.autocast(taken.device.type, enabled=False):
        padded = F.pad(taken.float(), (STEP,) * 4, "reflect")
        given, begun = strength * _given_back(padded), padded.new_zeros(())
        for row, spectrum in enumerate(_spectra(padded)):
            kept = 1 - given[:, row, :, None, None] * (1 - between(_relative(_power(spectrum)), _TAKEN))
            windows = torch.fft.irfft2(spectrum.mul_(kept[:, None]), s=(WINDOW, WINDOW))
            lines = _added_up(windows.mul_(_taper(taken.device)))
            # No window to come looks at these lines: the result takes their place.
            padded[:, :, row * STEP : (row + 1) * STEP] = lines[:, :, :STEP] + begun
            begun = lines[:, :, STEP:]
        return padded[:, :, STEP:-STEP, STEP:-STEP]


def texture_radius() -> int:
    """How far in pixels an output of ``repeating`` can see on each side."""
    # The windows that cover it, and the farthest that their shares are added up with.
    return WINDOW + _AROUND // 2 * STEP


def _given_back(padded: Tensor) -> Tensor:
    """(N, rows, columns) in [0, 1]: of each window the share of what does not repeat that is given back."""
    peaks, total = [], []
    for spectrum in _spectra(padded):
        power = _power(spectrum)
        peaks.append((power * between(_relative(power), _ALONE)).sum((-2, -1)))
        total.append(power.sum((-2, -1)))
    sums = torch.stack([torch.stack(peaks, 1), torch.stack(total, 1)], 1)
    around = F.avg_pool2d(sums, _AROUND, 1, _AROUND // 2)
    return 1 - between(around[:, 0] / (around[:, 1] + _LEAST), _PEAKS)


def _spectra(padded: Tensor) -> Iterator[Tensor]:
    """Row by row the spectra of windows, (N, 3, columns, WINDOW, WINDOW / 2 + 1)."""
    taper = _taper(padded.device)
    for top in range(0, padded.shape[-2] - STEP, STEP):
        strip = padded[:, :, top : top + WINDOW].unfold(-1, WINDOW, STEP).transpose(-3, -2)
        yield torch.fft.rfft2(strip * taper)


def _power(spectrum: Tensor) -> Tensor:
    """(N, columns, WINDOW, WINDOW / 2 + 1): the mean of the colours'."""
    return (spectrum.real.square() + spectrum.imag.square()).mean(1)


def _relative(power: Tensor) -> Tensor:
    """Each frequency's power over the mean of those near it."""
    rest = power[..., 1:-1].flip((-2, -1)).roll(1, -2)  # a real signal's other half
    whole = F.pad(torch.cat([power, rest], -1), (_NEAR // 2,) * 4, "circular")
    for dim, size in ((-2, power.shape[-2]), (-1, power.shape[-1])):
        # Sums of what is shifted, which no pooling is as fast as.
        total = whole.narrow(dim, 0, size).clone()
        for shift in range(1, _NEAR):
            total += whole.narrow(dim, shift, size)
        whole = total
    return power / (whole / _NEAR**2 + _LEAST)


def _added_up(windows: Tensor) -> Tensor:
    """A row of windows (N, 3, columns, WINDOW, WINDOW) that overlap by half: (N, 3, WINDOW, (columns + 1) * STEP)."""
    left, right = windows[..., :STEP].movedim(2, -2).flatten(-2), windows[..., STEP:].movedim(2, -2).flatten(-2)
    return F.pad(left, (0, STEP)) + F.pad(right, (STEP, 0))


@lru_cache
@torch.inference_mode(False)  # what is kept must do outside of it as well
def _taper(device: torch.device) -> Tensor:
    """Before and after, so that windows add up to one."""
    root = torch.hann_window(WINDOW).sqrt()
    return (root[:, None] * root).to(device)
