"""From the raw mosaic to a picture in sRGB: demosaicing, colour, tone, denoising, sharpening."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from demoire.simulate.config import IspParameters
from demoire.simulate.optics import blur


def _filter(image: Tensor, kernel: Sequence[Sequence[float]]) -> Tensor:
    """Correlates each plane with a small kernel, mirrored at the borders; on a CPU 2-5 times faster than a grouped
    convolution."""
    rows, columns = len(kernel), len(kernel[0])
    height, width = image.shape[-2:]
    padded = F.pad(image, (columns // 2, columns // 2, rows // 2, rows // 2), mode="reflect")
    filtered = torch.zeros_like(image)
    for y, row in enumerate(kernel):
        for x, weight in enumerate(row):
            if weight:
                filtered.add_(padded[..., y : y + height, x : x + width], alpha=weight)
    return filtered


_BILINEAR = ((0.25, 0.5, 0.25), (0.5, 1.0, 0.5), (0.25, 0.5, 0.25))
_CROSS = ((0.0, 0.25, 0.0), (0.25, 1.0, 0.25), (0.0, 0.25, 0.0))


def demosaic_bilinear(raw: Tensor, planes: Tensor) -> Tensor:
    """Each missing colour is the mean of its nearest samples."""
    seen = raw * planes
    green = _filter(seen[:, 1:2], _CROSS)
    red, blue = _filter(seen[:, 0:1], _BILINEAR), _filter(seen[:, 2:3], _BILINEAR)
    return torch.cat((red, green, blue), 1)


def demosaic_malvar(raw: Tensor, planes: Tensor) -> Tensor:
    """Gradient-corrected linear interpolation (Malvar, He, Cutler, ICASSP 2004)."""
    at_other: list[list[float]] = [
        [0, 0, -1, 0, 0],
        [0, 0, 2, 0, 0],
        [-1, 2, 4, 2, -1],
        [0, 0, 2, 0, 0],
        [0, 0, -1, 0, 0],
    ]
    in_row: list[list[float]] = [
        [0, 0, 0.5, 0, 0],
        [0, -1, 0, -1, 0],
        [-1, 4, 5, 4, -1],
        [0, -1, 0, -1, 0],
        [0, 0, 0.5, 0, 0],
    ]
    diagonal: list[list[float]] = [
        [0, 0, -1.5, 0, 0],
        [0, 2, 0, 2, 0],
        [-1.5, 0, 6, 0, -1.5],
        [0, 2, 0, 2, 0],
        [0, 0, -1.5, 0, 0],
    ]
    kernels: tuple[list[list[float]], ...] = (at_other, in_row, diagonal)
    scaled = [[[x / 8 for x in row] for row in kernel] for kernel in kernels]
    green_guess, row_guess, diagonal_guess = (_filter(raw, kernel) for kernel in scaled)
    column_guess = _filter(raw, [list(row) for row in zip(*scaled[1], strict=True)])
    red, green, blue = planes[:, 0:1], planes[:, 1:2], planes[:, 2:3]
    # A green pixel has red beside it in rows that hold red, and above it in the others.
    red_row = (red.amax(3, keepdim=True) > 0).to(raw.dtype)
    out_green = raw * green + green_guess * (1 - green)
    out_red = raw * red + diagonal_guess * blue + green * (row_guess * red_row + column_guess * (1 - red_row))
    out_blue = raw * blue + diagonal_guess * red + green * (column_guess * red_row + row_guess * (1 - red_row))
    return torch.cat((out_red, out_green, out_blue), 1)


def demosaic_edge_aware(raw: Tensor, planes: Tensor) -> Tensor:
    """Green along the smaller gradient, red and blue by colour differences (Hamilton and Adams, US patent 5629734)."""
    across = _filter(raw, ((-0.25, 0.5, 0.5, 0.5, -0.25),))
    down = _filter(raw, ((-0.25,), (0.5,), (0.5,), (0.5,), (-0.25,)))
    bend_x, bend_y = (
        _filter(raw, ((-1.0, 0.0, 2.0, 0.0, -1.0),)).abs(),
        _filter(raw, ((-1.0,), (0.0,), (2.0,), (0.0,), (-1.0,))).abs(),
    )
    slope_x, slope_y = _filter(raw, ((-1.0, 0.0, 1.0),)).abs(), _filter(raw, ((-1.0,), (0.0,), (1.0,))).abs()
    gradient_x, gradient_y = bend_x + slope_x, bend_y + slope_y
    guess = torch.where(
        gradient_x < gradient_y, across, torch.where(gradient_y < gradient_x, down, (across + down) / 2)
    )
    green = torch.where(planes[:, 1:2] > 0, raw, guess)
    differences = _filter((raw - green) * planes[:, 0::2], _BILINEAR)
    return torch.cat((green + differences[:, 0:1], green, green + differences[:, 1:2]), 1)


DEMOSAICERS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "bilinear": demosaic_bilinear,
    "malvar": demosaic_malvar,
    "edge_aware": demosaic_edge_aware,
}


def demosaic(raw: Tensor, planes: Tensor, names: Sequence[str]) -> Tensor:
    """Demosaics each picture (N, 1, H, W) of CFA ``planes`` (N, 3, H, W) by its own algorithm; (N, 3, H, W)."""
    out = raw.new_empty(planes.shape)
    for name in sorted(set(names)):
        chosen = [i for i, n in enumerate(names) if n == name]
        out[chosen] = DEMOSAICERS[name](raw[chosen], planes[chosen])
    return out


def colour(light: Tensor, matrices: Tensor) -> Tensor:
    """Applies one 3x3 matrix per picture to (N, 3, H, W)."""
    return torch.einsum("nij,njhw->nihw", matrices.to(light), light)


def camera_matrices(parameters: Sequence[IspParameters]) -> Tensor:
    """White balance, then colour matrix: (N, 3, 3)."""
    matrices = torch.tensor([p.colour_matrix for p in parameters]).reshape(-1, 3, 3)
    gains = torch.tensor([(p.white_balance[0], 1.0, p.white_balance[1]) for p in parameters])
    return matrices * gains[:, None, :]


def srgb_to_linear(x: Tensor) -> Tensor:
    """IEC 61966-2-1, for values in [0, 1]."""
    return torch.where(x <= 0.04045, x / 12.92, ((x.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4)


def linear_to_srgb(x: Tensor) -> Tensor:
    """IEC 61966-2-1, for values in [0, 1]."""
    return torch.where(x <= 0.0031308, x * 12.92, 1.055 * x.clamp(min=0.0031308) ** (1 / 2.4) - 0.055)


def tone(light: Tensor, parameters: Sequence[IspParameters]) -> Tensor:
    """Clips, encodes as sRGB and bends by an S-curve (negative contrast: an inverse one)."""
    encoded = linear_to_srgb(light.clamp(0, 1))
    contrast = torch.tensor([p.contrast for p in parameters], device=light.device)[:, None, None, None]
    curve = encoded * encoded * (3 - 2 * encoded)
    return (encoded + contrast * (curve - encoded)).clamp(0, 1)


_YCC = torch.tensor([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])


def rgb_to_ycc(image: Tensor) -> Tensor:
    """JFIF luma and chroma; chroma is centred on 0."""
    return torch.einsum("ij,njhw->nihw", _YCC.to(image), image)


def ycc_to_rgb(image: Tensor) -> Tensor:
    """Inverse of ``rgb_to_ycc``."""
    return torch.einsum("ij,njhw->nihw", torch.linalg.inv(_YCC).to(image), image)


def _box(image: Tensor, radius: int) -> Tensor:
    """Mean over a square of 2 ``radius`` + 1 pixels, cut off at the borders."""
    side = 2 * radius + 1
    rows = F.avg_pool2d(image, (side, 1), 1, (radius, 0), count_include_pad=False)
    return F.avg_pool2d(rows, (1, side), 1, (0, radius), count_include_pad=False)


def guided_filter(guide: Tensor, image: Tensor, radius: int, epsilon: float = 1e-3) -> Tensor:
    """Smooths ``image`` (N, C, H, W) except where ``guide`` (N, 1, H, W) has edges (He, Sun, Tang, ECCV 2010)."""
    mean_guide, mean_image = _box(guide, radius), _box(image, radius)
    variance = _box(guide * guide, radius) - mean_guide**2
    slope = (_box(guide * image, radius) - mean_guide * mean_image) / (variance + epsilon)
    offset = mean_image - slope * mean_guide
    return _box(slope, radius) * guide + _box(offset, radius)


def denoise(image: Tensor, parameters: Sequence[IspParameters]) -> Tensor:
    """Gaussian blur of luma and, wider, of chroma; then chroma over wide areas, as phones do, edges of luma kept."""
    ycc = rgb_to_ycc(image)
    luma = blur(ycc[:, :1], [p.luma_denoise for p in parameters])
    chroma = blur(ycc[:, 1:], [p.chroma_denoise for p in parameters])
    wide = [
        guided_filter(luma[i : i + 1], chroma[i : i + 1], p.chroma_radius) if p.chroma_radius else chroma[i : i + 1]
        for i, p in enumerate(parameters)
    ]
    return ycc_to_rgb(torch.cat((luma, torch.cat(wide)), 1))


def sharpen(image: Tensor, gains: Sequence[float]) -> Tensor:
    """Unsharp mask of radius 1 px, one gain for each picture of (N, C, H, W)."""
    gain = torch.tensor(gains, dtype=torch.float32, device=image.device)[:, None, None, None]
    return (image + gain * (image - blur(image, [1.0] * len(gains)))).clamp(0, 1)
