"""Distances between pictures as ImageNet-trained features see them: LPIPS, of AlexNet for evaluation and of VGG16 as a
training loss.

The features are not part of this package: ``python -m demoire lpips-weights`` makes them once, and the folder that
holds ``alexnet.safetensors`` and ``vgg16.safetensors`` is named by an option or by the setting DEMOIRE_PERCEPTUAL.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from demoire.errors import UnknownNameError, WeightsError

SETTING = "DEMOIRE_PERCEPTUAL"
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
EPSILON = 1e-10


@dataclass(frozen=True)
class Layer:
    """A convolution with ReLU, and what goes before and after it.

    Attributes:
        channels: it gives.
        kernel: side of its window.
        padding: on each side.
        stride: of the convolution.
        pool: side of the maximum pooling (stride 2) before it, 0 for none.
        tap: whether its output is one of the features.
    """

    channels: int
    kernel: int = 3
    padding: int = 1
    stride: int = 1
    pool: int = 0
    tap: bool = False


def _vgg_block(channels: int, depth: int, pool: int = 2) -> tuple[Layer, ...]:
    return tuple(Layer(channels, pool=pool if index == 0 else 0, tap=index == depth - 1) for index in range(depth))


STACKS: Mapping[str, tuple[Layer, ...]] = MappingProxyType(
    {
        "alexnet": (
            Layer(64, kernel=11, padding=2, stride=4, tap=True),
            Layer(192, kernel=5, padding=2, pool=3, tap=True),
            Layer(384, pool=3, tap=True),
            Layer(256, tap=True),
            Layer(256, tap=True),
        ),
        "vgg16": (
            *_vgg_block(64, 2, pool=0),
            *_vgg_block(128, 2),
            *_vgg_block(256, 3),
            *_vgg_block(512, 3),
            *_vgg_block(512, 3),
        ),
    }
)


class FeatureStack(nn.Module):
    """A plain stack of convolutions whose tapped outputs are the features.

    Args:
        layers: from the picture on.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, layers: Sequence[Layer]) -> None:
        super().__init__()
        self.layers = tuple(layers)
        sources = (3, *(layer.channels for layer in self.layers))
        self.convs = nn.ModuleList(
            nn.Conv2d(source, layer.channels, layer.kernel, layer.stride, layer.padding)
            for source, layer in zip(sources, self.layers, strict=False)
        )
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION).view(1, 3, 1, 1), persistent=False)

    def forward(self, pictures: Tensor) -> list[Tensor]:
        """(N, 3, H, W) RGB in [0, 1] to the tapped features, (N, C, h, w) each, not normalised."""
        features = []
        x = (pictures - self.mean) / self.deviation
        for layer, conv in zip(self.layers, self.convs, strict=True):
            if layer.pool:
                x = functional.max_pool2d(x, layer.pool, stride=2)
            x = functional.relu(conv(x))
            if layer.tap:
                features.append(x)
        return features


class Lpips(nn.Module):
    """Learned Perceptual Image Patch Similarity, version 0.1 with linear heads.

    Reference: Zhang et al., The Unreasonable Effectiveness of Deep Features as a Perceptual Metric, CVPR 2018,
    doi:10.1109/CVPR.2018.00068.

    Args:
        layers: of the feature stack.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        super().__init__()
        self.features = FeatureStack(layers)
        self.heads = nn.ParameterList(torch.zeros(layer.channels) for layer in layers if layer.tap)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Distances of (N, 3, H, W) RGB pictures in [0, 1]: (N,), 0 for identical ones, larger is worse."""
        return self.distance(self.describe(first), self.describe(second))

    def describe(self, pictures: Tensor) -> list[Tensor]:
        """The features that `distance` compares, of unit length over channels."""
        return [_unit_length(features) for features in self.features(pictures)]

    def distance(self, first: Sequence[Tensor], second: Sequence[Tensor]) -> Tensor:
        """Distances (N,) of described pictures."""
        total = first[0].new_zeros(len(first[0]))
        for one, other, head in zip(first, second, self.heads, strict=True):
            total = total + torch.einsum("nchw,c->nhw", (one - other).square(), head).mean((1, 2))
        return total


def find_folder(option: Path | None = None) -> Path | None:
    """The folder of converted features: the option, else DEMOIRE_PERCEPTUAL, else None."""
    setting = os.environ.get(SETTING)
    return option or (Path(setting) if setting else None)


def load_lpips(folder: Path, network: str = "alexnet") -> Lpips:
    """LPIPS with its trained features and heads, in evaluation mode.

    Raises:
        UnknownNameError: no such network.
        WeightsError: the file is missing, damaged or of other shapes.
    """
    if network not in STACKS:
        raise UnknownNameError.nearest("perceptual network", network, STACKS)
    module = Lpips(STACKS[network])
    _load_into(module, folder / f"{network}.safetensors")
    return module.eval().requires_grad_(False)


def _load_into(module: nn.Module, path: Path) -> None:
    """Strict for every tensor the module has; the file may hold further layers that the module leaves out."""
    if not path.is_file():
        raise WeightsError(f"There is no {path}: make it with  python -m demoire lpips-weights  or name its folder.")
    try:
        stored = load_file(path)
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path} cannot be read as safetensors: make it again.") from error
    wanted = module.state_dict()
    for name, tensor in wanted.items():
        if name not in stored or stored[name].shape != tensor.shape:
            raise WeightsError(f"{path} does not hold '{name}' of shape {tuple(tensor.shape)}: make it again.")
    module.load_state_dict({name: stored[name] for name in wanted})


def _unit_length(features: Tensor) -> Tensor:
    features = features.float()  # squares of half precision are too coarse
    return features / (features.square().sum(1, keepdim=True).sqrt() + EPSILON)
