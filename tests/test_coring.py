"""Coring against what it must do to waves of known strength, and the network that ends with it."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from demoire.models.coring import SIZE_MULTIPLE, core, coring_radius
from demoire.models.unet import UNet, UNetConfig, receptive_radius
from demoire.tiling import predict_image

OPEN = torch.ones(1, 1, 4, 4)
LUMA, CHROMA = 2.0, 1.5
THRESHOLDS = (LUMA, CHROMA)
GREY, RED_TO_BLUE = (1.0, 1.0, 1.0), (1.0, 0.0, -1.0)
CORED = UNetConfig((4, 6), (0, 1), (1,), 0, LUMA, CHROMA)


def wave(rms: float, period: float, colour: tuple[float, float, float] = GREY, side: int = 256) -> Tensor:
    """A grey picture with a sine across it, whose RMS over all channels is given in 1/255."""
    across = torch.sin(2 * math.pi * torch.arange(side) / period).expand(1, 1, side, side)
    channels = torch.tensor(colour).view(1, 3, 1, 1)
    return 0.5 + across * channels * (rms / 255 / (channels * across).square().mean().sqrt())


def left(picture: Tensor, thresholds: tuple[float, float] = THRESHOLDS, share: Tensor = OPEN) -> float:
    """What is left of a picture's wave, as a share of its RMS; borders are not looked at."""
    before, after = (p[..., 64:-64, 64:-64] for p in (picture, core(picture, share, thresholds)))
    return float((after - 0.5).square().mean().sqrt() / (before - 0.5).square().mean().sqrt())


@pytest.mark.parametrize("period", [6, 10, 16, 24, 32])
def test_a_faint_wave_goes_and_a_strong_one_stays(period: float) -> None:
    assert left(wave(0.4, period)) < 0.05
    assert left(wave(20, period)) > 0.93


@pytest.mark.parametrize("times", [0.5, 1.0, 2.0])
def test_the_share_that_goes_is_that_of_the_formula(times: float) -> None:
    columns = 0.5 + torch.tensor([1.0, -1.0]).repeat(128).expand(1, 3, 256, 256) * times * LUMA / 255
    # All of it is in the finest octave, since means of two columns are flat.
    assert left(columns) == pytest.approx(1 - 1 / (1 + times**4), abs=0.001)


def test_luma_and_chroma_have_thresholds_of_their_own() -> None:
    for colour, luma, chroma in ((GREY, LUMA, 1e-3), (RED_TO_BLUE, 1e-3, CHROMA)):
        assert left(wave(0.4, 12, colour), (luma, chroma)) < 0.2
        assert left(wave(0.4, 12, colour), (chroma, luma)) > 0.99


def test_colour_that_changes_slowly_is_content_sooner() -> None:
    assert left(wave(CHROMA, 32, RED_TO_BLUE)) > 0.6
    assert left(wave(CHROMA, 8, RED_TO_BLUE)) < 0.2
    assert left(wave(LUMA, 32)) < 0.2


def test_nothing_changes_without_contrast_or_where_nothing_may_be_taken_out() -> None:
    flat = torch.full((1, 3, 64, 96), 0.3)
    assert torch.allclose(core(flat, OPEN, THRESHOLDS), flat, atol=1e-6)
    picture = wave(0.5, 10)
    assert torch.equal(core(picture, torch.zeros(1, 1, 8, 8), THRESHOLDS), picture)
    half = torch.tensor([0.0, 1.0]).expand(1, 1, 2, 2)
    cored = core(picture, half, THRESHOLDS)
    assert torch.equal(cored[..., :32], picture[..., :32])
    assert (cored[..., 200:] - 0.5).abs().max() < 0.3 * (picture[..., 200:] - 0.5).abs().max()


def test_a_faint_wave_beside_an_edge_stays_as_the_edge_does() -> None:
    picture = wave(0.5, 10)
    picture[..., 128:] += 0.3
    cored = core(picture, OPEN, THRESHOLDS)
    near, far = slice(124, 132), slice(0, 64)
    assert (cored - picture)[..., near].abs().max() < 0.1 / 255
    assert (cored[..., far] - 0.5).abs().max() < 0.3 * (picture[..., far] - 0.5).abs().max()


@pytest.mark.parametrize("share", [OPEN, torch.rand(1, 1, 64, 64), torch.rand(1, 1, 8, 8)])
def test_shares_of_any_size_are_taken(share: Tensor) -> None:
    assert core(wave(0.5, 10, side=64), share, THRESHOLDS).isfinite().all()


def test_outputs_depend_on_nothing_beyond_the_radius() -> None:
    torch.manual_seed(5)
    radius, side = coring_radius(), 16 * math.ceil((2 * coring_radius() + 64) / 16)
    picture, centre = 0.5 + 0.01 * torch.randn(1, 3, side, side), side // 2
    changed = picture.clone()
    changed[..., : centre - radius] = 0
    changed[..., centre + 1 + radius :] = 1
    before, after = (core(p, OPEN, THRESHOLDS)[..., centre] for p in (picture, changed))
    assert torch.allclose(before, after, atol=1e-7)
    changed[..., : centre - radius // 3] = 0
    assert not torch.allclose(before, core(changed, OPEN, THRESHOLDS)[..., centre], atol=1e-7)


def test_a_network_that_cores_takes_faint_waves_out_as_far_as_its_gate_is_open() -> None:
    model = UNet(CORED)
    assert model.gate.bias is not None
    picture = wave(0.4, 12, side=128)

    def change() -> float:
        return float((model(picture) - picture).square().mean().sqrt())

    with torch.no_grad():
        half = change()
        model.gate.bias.fill_(-20)
        assert change() < 1e-6
        assert torch.equal(model.restore_and_judge(picture)[0], picture)
        model.gate.bias.fill_(20)
        assert change() == pytest.approx(2 * half, rel=0.01)
        shifted = UNet(replace(CORED, coring_shift=40.0))
        shifted.gate.bias.fill_(-20)  # type: ignore[union-attr]
        assert float((shifted(picture) - picture).square().mean().sqrt()) == pytest.approx(2 * half, rel=0.01)


def test_a_network_that_cores_sees_farther_and_needs_sides_that_can_be_halved() -> None:
    plain = UNetConfig((4, 6), (0, 1), (1,), 0)
    assert (plain.size_multiple, CORED.size_multiple) == (4, SIZE_MULTIPLE)
    assert receptive_radius(CORED) >= receptive_radius(plain) + coring_radius()
    assert receptive_radius(CORED) % SIZE_MULTIPLE == 0


def test_tiles_of_a_network_that_cores_are_as_the_whole() -> None:
    torch.manual_seed(6)
    model = UNet(CORED)
    torch.nn.init.normal_(model.head.weight, std=0.05)
    picture = 0.5 + 0.02 * torch.randn(3, 500, 600)
    halo = model.needs.halo
    with torch.no_grad():
        whole = predict_image(model, picture, SIZE_MULTIPLE, 0)
        tiled = predict_image(model, picture, SIZE_MULTIPLE, halo, 2 * halo + 64)
    assert (whole - picture).abs().max() > 1 / 255
    assert torch.allclose(whole, tiled, atol=1e-5)


@pytest.mark.parametrize("thresholds", [(1.0, 0.0), (0.0, 1.0), (-1.0, -1.0)])
def test_thresholds_go_together(thresholds: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="thresholds"):
        UNetConfig(coring_luma=thresholds[0], coring_chroma=thresholds[1])
