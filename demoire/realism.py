"""How moire is spread over scales: real photos and simulated captures measured alike."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from demoire.extras import require
from demoire.metrics import ByteImage, Reference, photometric_fit, to_float
from demoire.simulate.config import SimulatorConfig
from demoire.training.content import ContentStore
from demoire.training.pool import render_batch, to_bytes

#: Gaussian sigmas in pixels; band i passes what lies between the blurs of sigma i - 1 (none for the first) and i.
SIGMAS = (0.5, 0.8, 1.1, 1.6, 2.3, 3.2, 4.5, 6.4, 9.0, 12.8, 18.0, 26.0, 36.0)
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_LEAST_FLAT = 0.03


@dataclass(frozen=True)
class Spectrum:
    """RMS in 1/255 of what a photo adds to its clean picture, in flat areas, by scale: (bands,) each.

    Attributes:
        luma: of the luma (Rec. 601).
        chroma: of red and blue less luma, together.
    """

    luma: NDArray[np.float64]
    chroma: NDArray[np.float64]


def moire_spectrum(moire: ByteImage, clean: ByteImage) -> Spectrum | None:
    """The spectrum after the photometric fit; None where the clean picture has hardly any flat area.

    Args:
        moire, clean: (H, W, 3) uint8, aligned; edges need not fit exactly, they are left out.
    """
    reference = Reference(clean)
    flat = reference.flat
    if flat.mean() < _LEAST_FLAT:
        return None
    difference = photometric_fit(to_float(moire), reference) - to_float(clean)
    luma = difference @ _LUMA
    chroma = difference[..., [0, 2]] - luma[..., None]
    bands, finer = [], (luma, chroma)
    for sigma in SIGMAS:
        coarser = gaussian_filter(luma, sigma), gaussian_filter(chroma, (sigma, sigma, 0))
        bands.append([_rms((fine - coarse)[flat]) for fine, coarse in zip(finer, coarser, strict=True)])
        finer = coarser
    found = np.array(bands) * 255
    return Spectrum(found[:, 0], found[:, 1])


def _rms(values: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.square(values.astype(np.float64)).mean()))


@dataclass(frozen=True)
class Spread:
    """Percentiles 25, 50, 75, 90 of spectra over pictures, (4, bands) in 1/255, and over how many."""

    luma: NDArray[np.float64]
    chroma: NDArray[np.float64]
    pictures: int


PERCENTILES = (25, 50, 75, 90)


def spread_of(spectra: Iterable[Spectrum]) -> Spread:
    """Percentiles over pictures, band by band; raises ValueError where there are none."""
    spectra = list(spectra)
    luma, chroma = (np.stack([getattr(s, name) for s in spectra]) for name in ("luma", "chroma"))
    return Spread(np.percentile(luma, PERCENTILES, axis=0), np.percentile(chroma, PERCENTILES, axis=0), len(spectra))


def simulated_pairs(
    content: Path, simulator: SimulatorConfig, seed: int, size: int = 384
) -> Iterator[tuple[ByteImage, ByteImage]]:
    """Endless pairs (moire, clean), both (size, size, 3) uint8, of the store's training pictures."""
    store, number = ContentStore(content, "train"), 0
    while True:
        captures = render_batch(store, simulator, (seed, number), 1, size, torch.device("cpu"))
        yield to_bytes(captures.moire)[0], to_bytes(captures.clean)[0]
        number += 1


def draw_report(spreads: dict[str, Spread], target: Path) -> None:
    """Draws median and quartiles of luma and chroma over the scales, a colour for each named spread, into a PNG.

    Raises:
        DemoireError: matplotlib is missing.
    """
    require("Drawing a report", "train", "matplotlib")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 5), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for axis, part in zip(axes, ("luma", "chroma"), strict=True):
        for number, (name, spread) in enumerate(spreads.items()):
            values = getattr(spread, part)
            axis.plot(SIGMAS, values[1], color=f"C{number}", label=f"{name} ({spread.pictures})")
            axis.fill_between(SIGMAS, values[0], values[2], color=f"C{number}", alpha=0.2)
        axis.set(xscale="log", yscale="log", xlabel="upper sigma of the band (px)", title=part)
        axis.legend()
    axes[0].set_ylabel("RMS in flat areas (1/255): median and quartiles")
    figure.savefig(target, dpi=100)
