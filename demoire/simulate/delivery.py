"""What happens to a photo on its way: reduced for sharing, compressed as JPEG."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from demoire.simulate.config import JpegParameters
from demoire.simulate.isp import rgb_to_ycc, ycc_to_rgb

# ITU-T T.81, annex K.1, tables K.1 and K.2.
_LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *(((99,) * 8,) * 4),
)


def resize(images: Tensor, height: int, width: int, resizer: str) -> Tensor:
    """Reduces (N, C, H, W); all but ``plain_bilinear``, which aliases, filter first."""
    if images.shape[-2:] == (height, width):
        return images
    if resizer == "area":
        return F.interpolate(images, (height, width), mode="area")
    mode = "bicubic" if resizer == "bicubic" else "bilinear"
    return F.interpolate(images, (height, width), mode=mode, antialias=resizer != "plain_bilinear", align_corners=False)


def quantisation_table(base: Tensor, quality: int) -> Tensor:
    """The IJG scaling of a base table for a quality of 1-100."""
    scale = 5000 / quality if quality < 50 else 200 - 2 * quality
    return ((base * scale + 50) / 100).floor().clamp(1, 255)


def _dct_matrix(device: torch.device) -> Tensor:
    k = torch.arange(8, dtype=torch.float32, device=device)
    basis = torch.cos((2 * k[None] + 1) * k[:, None] * torch.pi / 16) / 2
    basis[0] /= 2**0.5
    return basis


def _code_plane(plane: Tensor, table: Tensor) -> Tensor:
    """Quantises (N, C, H, W) in [-128, 127], sides multiples of 8, in the DCT domain."""
    count, channels, height, width = plane.shape
    blocks = plane.reshape(count, channels, height // 8, 8, width // 8, 8).transpose(3, 4)
    dct = _dct_matrix(plane.device)
    coded = ((dct @ blocks @ dct.T) / table).round() * table
    return (dct.T @ coded @ dct).transpose(3, 4).reshape(count, channels, height, width)


def jpeg(image: Tensor, quality: int, subsampled: bool) -> Tensor:
    """What is left of (1, 3, H, W) in [0, 1] after baseline JPEG: 8-bit rounding, chroma subsampling, quantisation."""
    height, width = image.shape[-2:]
    step = 16 if subsampled else 8
    padded = F.pad(image, (0, -width % step, 0, -height % step), mode="replicate")
    ycc = rgb_to_ycc((padded * 255).round()).round() - torch.tensor([128.0, 0, 0], device=image.device)[:, None, None]
    luma, chroma = ycc[:, :1], ycc[:, 1:]
    if subsampled:
        chroma = F.avg_pool2d(chroma, 2)
    tables = [
        quantisation_table(torch.tensor(t, dtype=torch.float32, device=image.device), quality) for t in (_LUMA, _CHROMA)
    ]
    luma, chroma = _code_plane(luma, tables[0]), _code_plane(chroma, tables[1])
    if subsampled:
        chroma = F.interpolate(chroma, scale_factor=2, mode="bilinear", align_corners=False)
    rgb = ycc_to_rgb(torch.cat((luma + 128, chroma), 1).round())
    return (rgb[..., :height, :width].round() / 255).clamp(0, 1)


def compress(images: Tensor, parameters: Sequence[JpegParameters]) -> Tensor:
    """Each picture of (N, 3, H, W) through its own passes of JPEG."""
    out = []
    for image, passes in zip(torch.split(images, 1), parameters, strict=True):
        for quality in passes.qualities:
            image = jpeg(image, quality, passes.subsampled)
        out.append(image)
    return torch.cat(out)
