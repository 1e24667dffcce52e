"""The one configuration that simulated captures are drawn from (``drawing``), and the parameters of one capture."""

import math
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

Range = tuple[float, float]
T = TypeVar("T")

IDEAL, UNMASKED = "ideal", "unmasked"
HALF_DIAGONAL = 0.62
"""Of the whole photo, by its width."""


@dataclass(frozen=True)
class SimulatorConfig:
    """Ranges (uniform unless said otherwise) and probabilities. Lengths are sensor pixels unless said otherwise.

    Attributes:
        scale: sensor pixels per display pixel, log-uniform.
        resonances: scales at which a low harmonic of the display meets the sampling of the CFA.
        resonant_share: share of captures within ``resonance_width`` (relative) of a resonance, most of them very near.
        reductions: (share, lowest, highest reduction, largest ratio between the two axes) of the delivered photo.
        frame: side of the whole photo, which perspective, lens distortion and vignetting refer to.
        perspective: relative change of scale across the frame.
        psf_sigma: Gaussian blur of the lens; ``target_sharpness`` times it is the target's.
        white: level of display white on the sensor, linear, 1 = saturation, as far as ``peak`` lets it.
        peak: the most of the brightest sub-pixel at display white, likewise: cameras spare what is bright, else a
            resolved mask would come out cut off and tinted.
        wide_chroma_share, chroma_radius: share of cameras that smooth chroma over squares of that radius, log-uniform.
        photo_share: captures without visible pixels that are their own target: camera, noise and JPEG, but no moire,
            so nothing may be changed.
        untouched_share: input equals target: plain pictures, as JPEG files are, that must come back unchanged.
        target_sharpening: how much of the camera's sharpening the target has.
        target: of all captures, see ``CaptureParameters``.
        resampled_share: share of photos that were reduced without a filter (``resampled``), where these are drawn.
    """

    scale: Range = (0.7, 4.5)
    resonances: tuple[float, ...] = (1.0, 1.5, 2.0, 3.0, 4.0)
    resonant_share: float = 0.5
    resonance_width: float = 0.06
    reductions: tuple[tuple[float, float, float, float], ...] = (
        (0.42, 1.0, 1.0, 1.0),
        (0.30, 1.0, 2.0, 1.15),
        (0.16, 2.0, 3.0, 1.3),
        (0.12, 2.5, 4.0, 1.8),
    )
    frame: Range = (2600, 4200)
    perspective: Range = (0.0, 0.16)
    rotation: Range = (0.0, math.radians(9))
    free_rotation_share: float = 0.08
    aspect: Range = (0.985, 1.015)
    shear: Range = (-0.01, 0.01)
    distortion: Range = (-0.05, 0.05)
    layouts: tuple[tuple[str, float], ...] = (
        ("stripe", 0.62),
        ("stripe_split", 0.12),
        ("chevron", 0.1),
        ("diamond", 0.08),
        ("pentile", 0.08),
    )
    reversed_share: float = 0.15
    sideways_share: float = 0.12
    lit_x: Range = (0.6, 0.92)
    lit_y: Range = (0.65, 0.95)
    white: Range = (0.28, 0.8)
    peak: Range = (0.9, 1.3)
    psf_sigma: Range = (0.2, 0.7)
    target_sharpness: float = 0.85
    aperture: Range = (0.85, 1.0)
    photons: Range = (250, 4000)
    read_noise: Range = (0.0005, 0.003)
    vignetting: Range = (0.05, 0.3)
    glare: Range = (0.0, 0.04)
    crosstalk: Range = (0.04, 0.2)
    demosaicers: tuple[tuple[str, float], ...] = (("bilinear", 0.3), ("malvar", 0.4), ("edge_aware", 0.3))
    white_balance: Range = (0.92, 1.08)
    colour_error: float = 0.06
    saturation: Range = (0.85, 1.25)
    contrast: Range = (-0.15, 0.45)
    luma_denoise: Range = (0.0, 0.65)
    chroma_denoise: Range = (0.6, 2.6)
    wide_chroma_share: float = 0.0
    chroma_radius: Range = (4, 32)
    sharpening: Range = (0.0, 1.0)
    resizers: tuple[tuple[str, float], ...] = (
        ("area", 0.2),
        ("bicubic", 0.25),
        ("bilinear", 0.15),
        ("plain_bilinear", 0.4),
    )
    jpeg_quality: tuple[int, int] = (72, 97)
    jpeg_passes: tuple[tuple[int, float], ...] = ((0, 0.15), (1, 0.6), (2, 0.25))
    subsampled_share: float = 0.7
    target_sharpening: float = 1.0
    photo_share: float = 0.2
    untouched_share: float = 0.1
    target: str = IDEAL
    resampled_share: float = 0.0


@dataclass(frozen=True)
class DisplayParameters:
    """Sub-pixel mask: layout, lit fraction of a sub-pixel along and across, order and direction of the stripes."""

    layout: str = "stripe"
    lit_x: float = 0.75
    lit_y: float = 0.85
    reversed: bool = False
    sideways: bool = False


@dataclass(frozen=True)
class ShownParameters:
    """What is shown at one moment of moving content: ``zoom`` times larger about the middle, then moved by ``shift``.

    Attributes:
        shift: (u, v) in display pixels, to the right and down.
        window: (left, top, right, bottom) in display pixels from the middle: only this part moves, the rest is still.
    """

    shift: tuple[float, float] = (0.0, 0.0)
    zoom: float = 1.0
    window: tuple[float, float, float, float] | None = None


@dataclass(frozen=True)
class GeometryParameters:
    """Sensor to display: ``scale`` sensor pixels per display pixel, radians, and a phase in display pixels.

    ``perspective`` is the relative change of scale per sensor pixel along x and y; ``distortion`` the radial term at
    the corner of a frame of half diagonal ``radius`` whose centre lies at ``centre`` (x, y) from the window's centre.
    """

    scale: float = 2.0
    aspect: float = 1.0
    rotation: float = 0.0
    shear: float = 0.0
    perspective: tuple[float, float] = (0.0, 0.0)
    distortion: float = 0.0
    centre: tuple[float, float] = (0.0, 0.0)
    radius: float = 2500.0
    phase: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class OpticsParameters:
    """Gaussian PSF of the capture and of its target, and the side of the square pixel aperture, in sensor pixels."""

    sigma: float = 0.4
    target_sigma: float = 0.4
    aperture: float = 1.0


@dataclass(frozen=True)
class SensorParameters:
    """CFA phase (of ``RGGB``, or ``none``), exposure of display white (linear), photons at saturation (0: no noise).

    ``rolling``: the display's backlight pulses while rows are read one after the other: relative amplitude of the waves
    of brightness, their length in sensor pixels, and the phase in waves at the window's centre.
    """

    cfa: str = "RGGB"
    white: float = 0.6
    photons: float = 0.0
    read_noise: float = 0.0
    vignetting: float = 0.0
    glare: float = 0.0
    crosstalk: float = 0.0
    rolling: tuple[float, float, float] = (0.0, 1.0, 0.0)


@dataclass(frozen=True)
class IspParameters:
    """Demosaicing, white balance (red, blue), 3x3 colour matrix by rows, tone, denoising, unsharp gain.

    Denoising: sigmas of Gaussian blurs, then the radius of a guided filter of chroma (0: none). The target
    gets ``target_sharpening`` times the sharpening.
    """

    demosaicer: str = "malvar"
    white_balance: tuple[float, float] = (1.0, 1.0)
    colour_matrix: tuple[float, ...] = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0)
    contrast: float = 0.0
    luma_denoise: float = 0.0
    chroma_denoise: float = 0.0
    chroma_radius: int = 0
    sharpening: float = 0.0
    target_sharpening: float = 1.0


@dataclass(frozen=True)
class JpegParameters:
    """One pass of JPEG for each quality (1-100); chroma halved in both directions if ``subsampled``."""

    qualities: tuple[int, ...] = ()
    subsampled: bool = False


@dataclass(frozen=True)
class DeliveryParameters:
    """Reduction (y, x) of the sensor's picture by the named resizer; shared by captures rendered together."""

    reduction: tuple[float, float] = (1.0, 1.0)
    resizer: str = "bicubic"


@dataclass(frozen=True)
class ResampledParameters:
    """The display's grid in a photo that was reduced without a filter (``resampled``).

    RMS by the light of its place and share of its colours that is left; side and Gaussian PSF of the photo's own pixels
    in delivered pixels. On top of it lie the ``waves`` that the sensor made of it, by their own contrast and colours:
    cycles per delivered pixel at the window's centre along x and y, of the display's columns, then of its rows.
    """

    contrast: float = 0.05
    chroma: float = 0.3
    aperture: float = 0.3
    sigma: float = 0.1
    wave_contrast: float = 0.0
    wave_chroma: float = 0.5
    waves: tuple[float, float, float, float] = (0.05, 0.0, 0.0, 0.05)


@dataclass(frozen=True)
class CaptureParameters:
    """All of one capture; ``noise_seed`` feeds the noise alone.

    ``kind``: ``screen``; ``unmasked`` (the mask replaced by its mean), ``photo`` (unmasked, and its own target) or
    ``untouched`` (the content's own pixels, its own target). ``target``: ``ideal``, to restore; or ``unmasked``, the
    same photo, noise and JPEG included, of a display without visible pixels: what differs is moire alone.
    """

    kind: str = "screen"
    display: DisplayParameters = field(default_factory=DisplayParameters)
    shown: ShownParameters = field(default_factory=ShownParameters)
    geometry: GeometryParameters = field(default_factory=GeometryParameters)
    optics: OpticsParameters = field(default_factory=OpticsParameters)
    sensor: SensorParameters = field(default_factory=SensorParameters)
    isp: IspParameters = field(default_factory=IspParameters)
    jpeg: JpegParameters = field(default_factory=JpegParameters)
    noise_seed: int = 0
    target: str = IDEAL
    resampled: ResampledParameters | None = None


def choose(rng: np.random.Generator, table: tuple[tuple[T, float], ...]) -> T:
    """One of the things of a table by their shares."""
    shares = np.array([share for _, share in table])
    return table[int(rng.choice(len(table), p=shares / shares.sum()))][0]


def log_uniform(rng: np.random.Generator, limits: Range) -> float:
    """A number whose logarithm is uniform."""
    return math.exp(rng.uniform(math.log(limits[0]), math.log(limits[1])))
