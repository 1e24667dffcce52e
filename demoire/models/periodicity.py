"""Does what a network takes out of an image go on as a grid does? Moire is periodic; grain, grass and edges are not.

A network that was trained on simulated captures takes fine texture for moire, too. The spectrum of what it takes
tells them apart: moire is a peak that stands alone, texture fills its ring of frequencies, an edge a ray from the
middle. Spectra of windows are averaged with their neighbours' (Welch, The use of fast Fourier transform for the
estimation of power spectra, IEEE Trans. Audio and Electroacoustics 15, 1967), so that peaks of chance fall and those
of a grid, whose frequency hardly changes, stay. After Sidorov and Kokaram, Suppression of moire patterns via spectral
analysis (VCIP 2002), who look for such peaks by hand.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

WINDOW, STEP = 64, 32
"""Side of a window and distance between windows, in pixels."""
SIZE_MULTIPLE = STEP
"""What an image's sides must be multiples of."""
REGION = 4
"""Windows along one side of a region, which is judged as a whole."""
_SLOWEST = 3
"""Cycles per window from which on there are enough of them to be called periodic."""
_BLOCK = 8
"""Side in pixels of a block of JPEG: its edges are periodic as well, so their frequencies are not looked at."""
_ALONE, _RAY = 4.0, 4
"""How far a peak stands above the mean of its ring and above its ray so many cycles nearer to and farther from the
middle, in power."""
_TWO_PIXELS = 4 / 255
"""Least amplitude of grids of two pixels, whose frequency blocks of JPEG have as well, but weakly."""
_ENOUGH_POWER = 1e-9


@dataclass(frozen=True)
class View:
    """One plane of what was taken out, and what makes certain there.

    Attributes:
        weights: of red, green and blue in the plane.
        least: amplitude that a peak has at least.
        doubtful, proven: periodic shares, in the mean of a region, between which certainty rises from 0 to 1: that what
            is taken out there may be moire; and, of the region that has most, that a picture has any.
    """

    weights: tuple[float, float, float]
    least: float
    doubtful: tuple[float, float]
    proven: tuple[float, float]


LUMA = View((1 / 3, 1 / 3, 1 / 3), 0.25 / 255, (0.005, 0.03), (0.035, 0.08))
"""Fainter peaks are what rounding to 8 bits takes away."""
COLOUR = View((0.0, -1.0, 1.0), 1.5 / 255, (0.1, 0.2), (0.2, 0.3))
"""Sensors see blue on every second pixel only: faint moire is often one of blue against green, where luma has none."""
VIEWS = (LUMA, COLOUR)


@dataclass(frozen=True)
class _Frequencies:
    """Of the spectra of windows, whose WINDOW x (WINDOW / 2 + 1) values are one row.

    Attributes:
        counted: (K,), indices of those that are looked at.
        ring: (K,), each one's ring.
        ring_means: (K, rings), times spectra: the means of rings.
        nearer, farther: (K,), indices of those on the same ray.
        around: (K, 9), places in ``counted`` of each one and its neighbours, K for those that are not looked at.
        listed: (K,), how often the power of each is among a row's values: twice in the first and last columns.
        fastest: (K,) bool, those of grids of two pixels.
        taper: (WINDOW, WINDOW), what windows are multiplied by before.
    """

    counted: Tensor
    ring: Tensor
    ring_means: Tensor
    nearer: Tensor
    farther: Tensor
    around: Tensor
    listed: Tensor
    fastest: Tensor
    taper: Tensor


@lru_cache
@torch.inference_mode(False)  # what is kept must do for training as well
def _frequencies(device: torch.device) -> _Frequencies:
    along_y = torch.fft.fftfreq(WINDOW, 1 / WINDOW)[:, None]
    along_x = torch.fft.rfftfreq(WINDOW, 1 / WINDOW)[None]
    radius = torch.hypot(along_y, along_x)
    of_blocks = _of_blocks(along_y) & _of_blocks(along_x)
    of_two_pixels = of_blocks & (torch.maximum(along_y.abs(), along_x) >= WINDOW // 2 - 1) & (radius < WINDOW / 2 + 0.5)
    counted = (radius >= _SLOWEST) & (radius < WINDOW // 2) & ~of_blocks | of_two_pixels

    def on_ray(distance: int) -> Tensor:
        factor = (radius + distance).clamp(min=0) / radius.clamp(min=1)
        y = (along_y * factor).round().clamp(1 - WINDOW // 2, WINDOW // 2 - 1).long() % WINDOW
        x = (along_x * factor).round().clamp(max=WINDOW // 2).long()
        index: Tensor = (y * along_x.shape[1] + x)[counted]
        return index

    ring = radius.round().long()[counted]
    members = F.one_hot(ring).float()
    means = members / members.sum(0).clamp(min=1)
    nearer, fastest = on_ray(-_RAY), of_two_pixels[counted]
    # Nothing is faster than grids of two pixels.
    farther = torch.where(fastest, nearer, on_ray(_RAY))
    hann = torch.hann_window(WINDOW)
    indices, around = counted.flatten().nonzero()[:, 0], _around(counted)
    listed = 1 + (along_x % (WINDOW // 2) == 0).float().expand_as(radius)[counted]
    parts = (indices, ring, means, nearer, farther, around, listed, fastest, hann[:, None] * hann)
    return _Frequencies(*(part.to(device) for part in parts))


def _around(counted: Tensor) -> Tensor:
    """(K, 9), as ``_Frequencies.around``: a taper spreads a wave over the nearest frequencies."""
    none = int(counted.sum())
    places = torch.full(counted.shape, none)
    places[counted] = torch.arange(none)
    # Frequencies left of the first column are those of the second, upside down; none are faster than the last.
    left = places[:, 1:2].flip(0).roll(1, 0)
    wide = F.pad(torch.cat([left, places], 1), (0, 1), value=none)
    high = torch.cat([wide[-1:], wide, wide[:1]])
    near: Tensor = high.unfold(0, 3, 1).unfold(1, 3, 1).flatten(2)[counted]
    return near


def _of_blocks(frequency: Tensor) -> Tensor:
    """Those of a window that the edges of JPEG's blocks have, and their neighbours, into which the window leaks."""
    step = WINDOW // _BLOCK
    return ((frequency + 1) % step) <= 2


def periodic_shares(taken: Tensor, view: View = LUMA, every: int = 1) -> Tensor:
    """How much of what was taken out of an image is periodic: the first of ``wave_shares``, alone."""
    return _of_windows(taken, view, every, _share)


def wave_shares(taken: Tensor, view: View = LUMA, every: int = 1) -> Tensor:
    """How much of what was taken out of an image is periodic, and how much is one wave, as bands of moire are.

    Args:
        taken: (N, 3, H, W), H and W multiples of ``SIZE_MULTIPLE``, ``WINDOW`` or more.
        every: only each so many windows along a row, and rows, have their share worked out, which costs most.

    Returns:
        (N, 2, H / STEP - 1, W / STEP - 1), the shares in [0, 1] of the plane's power in windows that lie half over each
        other, of all peaks and of the highest; of windows in which nothing is taken out 0. Of every second window
        (N, 2, H / 2 / STEP, W / 2 / STEP).
    """
    return _of_windows(taken, view, every, _share_and_wave)


def _of_windows(taken: Tensor, view: View, every: int, measure: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """What ``measure`` gives of spectra and the least power of their peaks: (N, C, rows, columns)."""
    with torch.autocast(taken.device.type, enabled=False):
        plane = torch.einsum("nchw,c->nhw", taken.float(), taken.new_tensor(view.weights, dtype=torch.float32))
        rows, least = plane.shape[-2] // STEP - 1, _least_power(view, plane.device)
        shares, spectra = [], [_spectra(plane, 0)]
        for row in range(rows):
            # Three rows of windows at most are held at once: of a large image all would be several times its size.
            spectra = [*spectra[-2:], _spectra(plane, row + 1)] if row + 1 < rows else spectra[-2:]
            if row % every == 0:
                shares.append(measure(torch.stack(spectra).mean(0)[:, ::every], least))
        return torch.stack(shares, 2)


def _spectra(plane: Tensor, row: int) -> Tensor:
    """(N, columns, frequencies): the power spectra of one row of windows, averaged with those left and right."""
    strip = plane[:, row * STEP : row * STEP + WINDOW].unfold(-1, WINDOW, STEP).transpose(1, 2)
    return F.avg_pool1d(_power(strip).transpose(1, 2), 3, 1, 1, count_include_pad=False).transpose(1, 2)


def _power(windows: Tensor) -> Tensor:
    """(..., frequencies): the power spectra of windows (..., WINDOW, WINDOW)."""
    tapered = (windows - windows.mean((-2, -1), keepdim=True)) * _frequencies(windows.device).taper
    spectrum = torch.fft.rfft2(tapered).flatten(-2)
    power: Tensor = spectrum.real.square() + spectrum.imag.square()
    return power


def regularity(picture: Tensor) -> Tensor:
    """How much of a picture is periodic: near 1 where a woven or printed pattern fills it, less in photos of displays.

    Args:
        picture: (N, 3, H, W), H and W multiples of ``WINDOW``.

    Returns:
        (N, 1, H / WINDOW, W / WINDOW), the share in [0, 1] of all colours' power in windows side by side.
    """
    power = _side_by_side(picture).permute(0, 3, 1, 2)
    around = F.avg_pool2d(power, 3, 1, 1, count_include_pad=False).permute(0, 2, 3, 1)
    return _share(around, _least_power(LUMA, picture.device))


def wave_power(picture: Tensor) -> Tensor:
    """Mean square of the strongest wave in a picture, in all colours together, whatever else there is.

    Args:
        picture: (N, 3, H, W), H and W multiples of ``WINDOW``.

    Returns:
        (N, 1, H / WINDOW, W / WINDOW), in windows side by side; of a sine half its squared amplitude.
    """
    wave = _near_highest(*_peaks(_side_by_side(picture), _least_power(LUMA, picture.device)))
    # By Parseval; a wave is half in its negative frequency.
    return wave[:, None] * 2 / (WINDOW**2 * _frequencies(picture.device).taper.square().sum())


def _side_by_side(picture: Tensor) -> Tensor:
    """(N, H / WINDOW, W / WINDOW, frequencies): the power spectra of windows, in the mean of colours."""
    with torch.autocast(picture.device.type, enabled=False):
        windows = picture.float().unfold(-2, WINDOW, WINDOW).unfold(-2, WINDOW, WINDOW)
        return _power(windows).mean(1)


def _least_power(view: View, device: torch.device) -> Tensor:
    """(K,): the power that a peak has at least, of each frequency that is looked at."""
    # A wave is half in its negative frequency, but for the fastest, which is its own.
    amplitude = torch.where(_frequencies(device).fastest, _TWO_PIXELS, view.least / 2)
    return (amplitude * (WINDOW / 2) ** 2).square()


def _share(power: Tensor, least: Tensor) -> Tensor:
    """(N, 1, ...), of spectra (N, ..., K'): the share of isolated peaks of power ``least`` on."""
    counted, peaks = _peaks(power, least)
    return _over(peaks.sum(-1)[:, None], counted)


def _share_and_wave(power: Tensor, least: Tensor) -> Tensor:
    """(N, 2, ...): ``_share``, and that of what is near the highest of these peaks."""
    counted, peaks = _peaks(power, least)
    wave = _near_highest(counted * _frequencies(power.device).listed, peaks)
    return _over(torch.stack([peaks.sum(-1), wave], 1), counted)


def _near_highest(counted: Tensor, peaks: Tensor) -> Tensor:
    """(N, ...): what is counted, (N, ..., K), near the highest peak; 0 where there is none."""
    highest, place = peaks.max(-1)
    near = F.pad(counted, (0, 1)).gather(-1, _frequencies(counted.device).around[place]).sum(-1)
    return near * (highest > 0)


def _peaks(power: Tensor, least: Tensor) -> tuple[Tensor, Tensor]:
    """The power that is looked at, (N, ..., K), and of it that of isolated peaks, else 0."""
    frequencies = _frequencies(power.device)
    counted = power[..., frequencies.counted]
    with torch.autocast(power.device.type, enabled=False):
        ring = (counted @ frequencies.ring_means)[..., frequencies.ring]
    ray = torch.maximum(power[..., frequencies.nearer], power[..., frequencies.farther])
    alone = (counted > _ALONE * ring) & (counted > _ALONE * ray) & (counted >= least)
    return counted, counted * alone


def _over(power: Tensor, counted: Tensor) -> Tensor:
    """Shares of all that is looked at."""
    return power / counted.sum(-1).clamp(min=_ENOUGH_POWER)[:, None]


def certainty(taken: Tensor, like: Tensor) -> Tensor:
    """How certain it is, region by region, that what was taken out of an image is moire.

    Args:
        taken: as of ``periodic_shares``, but of any size; 1 everywhere where it is smaller than a window.
        like: (N, 1, h, w), h and w those of the image divided by a power of two, at most ``STEP``.

    Returns:
        (N, 1, h, w) in [0, 1].
    """
    if min(taken.shape[-2:]) < WINDOW:
        return torch.ones_like(like)
    certain = torch.stack([_certain(taken, view) for view in VIEWS]).amax(0)
    return F.interpolate(certain, (like.shape[-2], like.shape[-1]), mode="bilinear", align_corners=False)


def _certain(taken: Tensor, view: View) -> Tensor:
    """By one plane; (N, 1, H / STEP, W / STEP)."""
    around = F.pad(periodic_shares(taken, view), (REGION // 2,) * 4, "replicate")
    return between(F.avg_pool2d(around, REGION, 1), view.doubtful)


def evidence(taken: Tensor) -> Tensor:
    """(N,) in [0, 1]: whether any region of images makes it certain that there is moire at all.

    Args:
        taken: as of ``certainty``.
    """
    if min(taken.shape[-2:]) < WINDOW:
        return taken.new_ones(len(taken))
    return torch.stack([_proof(taken, view) for view in VIEWS]).amax(0)


def _proof(taken: Tensor, view: View) -> Tensor:
    """By one plane; (N,)."""
    shares = periodic_shares(taken, view)
    sides = [min(side, REGION + 1) for side in shares.shape[-2:]]
    return between(F.avg_pool2d(shares, sides, 1).amax((1, 2, 3)), view.proven)


def between(shares: Tensor, limits: tuple[float, float]) -> Tensor:
    """Rises from 0 at the lower limit to 1 at the higher one."""
    return ((shares - limits[0]) / (limits[1] - limits[0])).clamp(0, 1)


def periodicity_radius() -> int:
    """How far in pixels a value of ``certainty`` can see on each side."""
    return WINDOW // 2 + STEP + STEP * REGION // 2 + STEP
