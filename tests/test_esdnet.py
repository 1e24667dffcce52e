"""ESDNet against the official network: its state-dict keys, and its outputs for weights that a formula gives."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from demoire.errors import UnknownNameError
from demoire.models import build_model
from demoire.models.esdnet import local_radius

DATA = Path(__file__).parent / "data" / "esdnet"
NAMES = ("esdnet", "esdnet-l")
SMALL = {"encoder_channels": 4, "decoder_channels": 4, "growth": 2}


def formula_weights(model: nn.Module) -> dict[str, Tensor]:
    weights = {}
    for name, tensor in model.state_dict().items():
        k = np.arange(tensor.numel(), dtype=np.float64)
        phase = (sum(map(ord, name)) % 1000) / 1000 * 2 * math.pi
        if tensor.dim() == 4:
            values = np.sin(0.7 * k + phase) * math.sqrt(2 / math.prod(tensor.shape[1:]))
        else:
            values = 0.01 * np.cos(k + phase)
        weights[name] = torch.from_numpy(values.astype(np.float32)).view(tensor.shape)
    return weights


def wavy(height: int, width: int) -> Tensor:
    c, y, x = np.mgrid[:3, :height, :width]
    return torch.from_numpy((0.5 + 0.5 * np.sin(0.13 * x + 0.29 * y + 1.7 * c)).astype(np.float32))[None]


@pytest.fixture(scope="module", params=NAMES)
def name(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def network(name: str) -> nn.Module:
    model = build_model(name).eval()
    model.load_state_dict(formula_weights(model))
    return model


def test_the_state_dict_is_the_official_one(name: str, network: nn.Module):
    official = json.loads((DATA / f"{name}.json").read_text())
    assert [(key, list(tensor.shape)) for key, tensor in network.state_dict().items()] == list(official.items())


def test_outputs_match_the_official_network(name: str, network: nn.Module):
    with torch.inference_mode():
        scales = network.scales(wavy(64, 96))
    official = np.load(DATA / f"{name}.npz")
    for output, size in zip(scales, ("full", "half", "quarter"), strict=True):
        expected = official[size]
        assert output.shape == expected.shape
        assert np.abs(output.numpy() - expected).max() <= 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize("size", [(1, 1), (31, 33), (63, 95), (65, 32), (32, 64)])
def test_any_size_comes_back_and_is_that_of_the_padded_picture(size: tuple[int, int]):
    torch.manual_seed(0)
    model = build_model("esdnet", **SMALL).eval()
    height, width = size
    picture = torch.rand(2, 3, height, width)
    rows, columns = (torch.arange(-(-n // 32) * 32).clamp(max=n - 1) for n in size)
    with torch.inference_mode():
        full, half, quarter = model.scales(picture)
        padded = model(picture[:, :, rows][..., columns])
    assert full.shape == picture.shape
    assert half.shape[-2:] == (math.ceil(height / 2), math.ceil(width / 2))
    assert quarter.shape[-2:] == (math.ceil(height / 4), math.ceil(width / 4))
    assert torch.equal(full, padded[..., :height, :width])


def test_needs_say_that_tiles_differ_from_the_whole():
    torch.manual_seed(0)
    model = build_model("esdnet", **SMALL).eval()
    assert not model.needs.tiling and model.needs.size_multiple == 32
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    picture = torch.rand(1, 3, 32, 256)
    other = picture.clone()
    other[..., -32:] = 1
    with torch.inference_mode():
        assert not torch.equal(model(picture)[..., 0], model(other)[..., 0]), "the averages see the whole picture"


@pytest.mark.parametrize("alignments", [1, 2])
def test_the_radius_holds_without_the_averages_and_is_not_far_too_large(alignments: int):
    """In float64, where the faint gradient of the longest path does not vanish."""
    torch.manual_seed(0)
    widths = {"encoder_channels": 2, "decoder_channels": 2, "growth": 1}
    model = build_model("esdnet", **widths, alignments=alignments).eval().double()
    for key, parameter in model.named_parameters():
        if "excitation" in key:
            torch.nn.init.zeros_(parameter)
        elif parameter.dim() == 4:
            torch.nn.init.uniform_(parameter, 0.5, 1.5)
            parameter.data.div_(math.prod(parameter.shape[1:]))
    radius = local_radius(model.config)
    centre = radius + 64
    picture = torch.rand(1, 3, 32, 2 * centre + 64, dtype=torch.float64, requires_grad=True)
    model(picture)[0, :, 16, centre : centre + 8].sum().backward()
    assert picture.grad.isfinite().all()
    seen = picture.grad[0].abs().sum((0, 1)).nonzero().flatten()
    assert seen.min() >= centre - radius and seen.max() < centre + 8 + radius
    assert seen.min() < centre - 0.7 * radius


def test_wrong_fields_are_refused():
    with pytest.raises(UnknownNameError, match="did you mean 'growth'"):
        build_model("esdnet", growht=2)
    with pytest.raises(ValueError, match="at least 1"):
        build_model("esdnet-l", alignments=0)
