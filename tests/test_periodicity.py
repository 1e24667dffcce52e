"""Periodicity against patterns that are, and are not, and the network that doubts."""

import math

import pytest
import torch
from torch import Tensor

from demoire.models.periodicity import (
    COLOUR,
    LUMA,
    STEP,
    WINDOW,
    _frequencies,
    certainty,
    evidence,
    periodic_shares,
    periodicity_radius,
    regularity,
    wave_power,
    wave_shares,
)
from demoire.models.unet import UNet, UNetConfig, receptive_radius
from demoire.tiling import predict_image

SIDE = 256
DOUBTING = UNetConfig((4, 6), (0, 1), (1,), 0, doubt=4.0)


def waves(period: float, degrees: float = 0.0, side: int = SIDE) -> Tensor:
    """Grey waves of 2/255, (1, 3, side, side)."""
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    angle = math.radians(degrees)
    along = (x * math.cos(angle) + y * math.sin(angle)) / period
    return (torch.sin(2 * math.pi * along) * 2 / 255).expand(1, 3, side, side).clone()


def grain(side: int = SIDE, seed: int = 1) -> Tensor:
    """Noise of 2/255 in 2x2 pixels."""
    noise = torch.randn(1, 3, side // 2, side // 2, generator=torch.Generator().manual_seed(seed)) * 2 / 255
    return noise.repeat_interleave(2, -1).repeat_interleave(2, -2)


def edge() -> Tensor:
    """What a blur takes out at an oblique edge."""
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    distance = (0.8 * x + 0.6 * y - 180) / 1.5
    return (distance * torch.exp(-distance.square()) * 10 / 255).expand(1, 3, SIDE, SIDE)


def blocks() -> Tensor:
    """Lines around blocks of 8x8 pixels."""
    line = (torch.arange(SIDE) % 8 == 0).float()
    return (line[:, None] + line).mul(3 / 255).expand(1, 3, SIDE, SIDE)


@pytest.mark.parametrize(("period", "least"), [(2.5, 0.9), (4.3, 0.9), (7.1, 0.7), (12, 0.6), (20, 0.2)])
@pytest.mark.parametrize("degrees", [0, 17, 45, 90])
def test_waves_are_periodic(period: float, least: float, degrees: float) -> None:
    # Of slow waves a part is not told from the few other frequencies that are as slow.
    assert periodic_shares(waves(period, degrees)).min() > least


@pytest.mark.parametrize("turned", [False, True])
def test_grids_of_two_pixels_are_periodic_where_they_are_strong(turned: bool) -> None:
    columns = torch.tensor([1.0, -1.0]).repeat(SIDE // 2).expand(1, 3, SIDE, SIDE) * 6 / 255
    grid = columns.transpose(-1, -2) if turned else columns
    assert periodic_shares(grid).min() > 0.5
    assert periodic_shares(grid / 6).max() < 1e-6


def test_waves_of_another_strength_are_as_periodic_and_noise_takes_its_share() -> None:
    plain = periodic_shares(waves(5.3, 30))
    assert torch.allclose(periodic_shares(waves(5.3, 30) * 10), plain, atol=1e-4)
    wave, noise = waves(5.3, 30).square().mean(), grain().mean(1).square().mean()
    assert periodic_shares(waves(5.3, 30) + grain()).mean() == pytest.approx(float(wave / (wave + noise)), abs=0.1)


@pytest.mark.parametrize(("period", "degrees"), [(4.3, 17), (7.1, 17), (12, 0), (12, 90), (20, 0)])
def test_power_of_a_wave_is_half_of_its_squared_amplitude_whatever_else_there_is(period: float, degrees: float) -> None:
    own = float(waves(period, degrees).square().mean())
    power = wave_power(waves(period, degrees) * 5)
    assert power.shape == (1, 1, SIDE // WINDOW, SIDE // WINDOW)
    assert power.min() > own * 25 * 0.8 and power.max() < own * 25 * 1.05
    beside = waves(period, degrees) * 5 + waves(5.3, 60) * 3 + grain() + torch.linspace(0, 1, SIDE)
    assert float(wave_power(beside).median()) == pytest.approx(float(power.median()), rel=0.15)
    assert wave_power(torch.linspace(0, 1, SIDE).expand(1, 3, SIDE, SIDE)).max() == 0
    assert wave_power(waves(period, degrees) / 40).max() == 0, "fainter than rounding to 8 bits"


def test_patterns_are_regular_as_far_as_they_are_all_there_is() -> None:
    woven = waves(6.3, 20) + waves(4.1, 100)
    assert regularity(woven).shape == (1, 1, SIDE // WINDOW, SIDE // WINDOW)
    assert regularity(woven).min() > 0.8
    assert regularity(grain()).max() < 0.1
    assert regularity(0.5 + 0 * woven).max() == 0
    share = float(woven.square().mean() / (woven + grain()).square().mean())
    assert float(regularity(woven + grain()).mean()) == pytest.approx(share, abs=0.1)


def test_colours_that_cancel_out_are_regular_as_well() -> None:
    opposed = waves(6.3, 20) * torch.tensor([1.0, 0.0, -1.0])[:, None, None]
    assert opposed.mean(1).abs().max() < 1e-6
    assert regularity(opposed).min() > 0.8


@pytest.mark.parametrize(("period", "degrees"), [(5.3, 30), (7.1, 0), (13.1, 90), (12.7, 135), (6.2, 178)])
def test_a_wave_is_one_wave(period: float, degrees: float) -> None:
    shares = wave_shares(waves(period, degrees))
    assert shares.shape == (1, 2, SIDE // STEP - 1, SIDE // STEP - 1)
    assert shares[:, 1].min() > 0.9
    assert shares[:, 1].max() < 1 + 1e-5
    assert torch.equal(shares[:, :1], periodic_shares(waves(period, degrees)))


def test_a_weave_is_several() -> None:
    strong, weak = waves(6.3, 20), waves(4.1, 100) / 2
    alone = float(wave_shares(strong)[:, 1].mean())  # next to all: little of it leaks farther than to its neighbours
    assert wave_shares(strong + weak)[:, 0].min() > 0.9
    assert float(wave_shares(strong + weak)[:, 1].mean()) == pytest.approx(alone * 4 / 5, abs=0.03)
    assert float(wave_shares(strong + 2 * weak)[:, 1].mean()) == pytest.approx(alone / 2, abs=0.03)


def test_where_nothing_is_periodic_there_is_no_wave() -> None:
    assert wave_shares(torch.zeros(1, 3, SIDE, SIDE)).max() == 0
    assert wave_shares(grain())[:, 1].mean() < 0.02


def test_what_rounding_takes_away_is_nothing() -> None:
    assert periodic_shares(waves(5.3, 30) / 12).max() == 0


def test_moire_of_blue_against_green_counts_where_it_is_strong() -> None:
    against = torch.tensor([0.0, -1.0, 1.0])[None, :, None, None] * waves(5.3, 30)
    assert periodic_shares(against, LUMA).max() == 0
    assert periodic_shares(against, COLOUR).min() > 0.9
    assert evidence(against) == 1 and certainty(against, torch.zeros(1, 1, 16, 16)).min() == 1
    assert periodic_shares(against / 3, COLOUR).max() == 0


@pytest.mark.parametrize("pattern", [grain(), edge(), blocks(), torch.zeros(1, 3, SIDE, SIDE)])
def test_grain_edges_and_blocks_are_not(pattern: Tensor) -> None:
    shares = periodic_shares(pattern)
    assert shares.shape == (1, 1, SIDE // STEP - 1, SIDE // STEP - 1)
    assert shares.mean() < 0.02 and torch.isfinite(shares).all()


def test_the_number_of_pictures_and_their_sides_do_not_matter() -> None:
    both = torch.cat([waves(6, 20), grain()])[..., :128]
    shares = periodic_shares(both)
    assert shares.shape == (2, 1, 7, 3)
    assert torch.allclose(shares, torch.cat([periodic_shares(both[:1]), periodic_shares(both[1:])]), atol=1e-5)


def test_waves_in_a_part_of_a_picture_are_certain_there_and_prove_it_all() -> None:
    taken = grain(768)
    taken[..., 256:512, 256:512] = waves(6, 20)
    certain = certainty(taken, torch.zeros(1, 1, 96, 96))
    assert certain.shape == (1, 1, 96, 96)
    assert certain[..., 36:60, 36:60].min() == 1
    assert certain[..., : (256 - periodicity_radius()) // 8, :].max() < 0.01
    assert evidence(torch.cat([grain(768), taken])).tolist() == [0, 1]


def test_what_is_smaller_than_a_window_is_not_doubted() -> None:
    small = grain()[..., : WINDOW - STEP, :]
    assert certainty(small, torch.zeros(1, 1, 4, 32)).unique().tolist() == [1]
    assert evidence(small).tolist() == [1]
    assert evidence(grain()[..., :WINDOW, :WINDOW])[0] < 0.5  # one window alone, with nothing to be averaged with


def test_no_value_sees_farther_than_its_radius() -> None:
    taken, radius = waves(6, 20, 768) * 0.1 + grain(768), periodicity_radius()
    like = torch.zeros(1, 1, 96, 96)
    before = certainty(taken, like)
    taken[..., :128, :] = waves(9, 70, 768)[..., :128, :]
    changed = (certainty(taken, like) != before).any(-1)[0, 0].nonzero().max() * 8 + 8
    assert 128 < changed <= 128 + radius


def network(taken: Tensor, monkeypatch: pytest.MonkeyPatch) -> UNet:
    """A doubting network whose gate is open by half and which adds ``taken`` to whatever it sees."""
    model = UNet(DOUBTING)
    halves = torch.nn.functional.pixel_unshuffle(taken, 2)
    monkeypatch.setattr(model, "taken", lambda x: (halves, torch.zeros(1, 1, SIDE // 2, SIDE // 2)))
    return model


def test_a_network_that_doubts_hardly_changes_what_is_not_periodic(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = torch.rand(1, 3, SIDE, SIDE)
    for taken, logit, proof in ((waves(6, 20), 0.0, 1.0), (grain(), -DOUBTING.doubt, 0.0)):
        model = network(taken, monkeypatch)
        changed = model(picture) - picture
        expected = taken * torch.sigmoid(torch.tensor(logit))
        assert torch.allclose(changed, expected, atol=1e-6)
        assert model.evidence(picture).tolist() == [proof]
        assert torch.allclose(model.restore_and_judge(picture)[0] - picture, taken / 2, atol=1e-6)


def test_a_network_that_does_not_doubt_is_sure_of_all() -> None:
    model = UNet(UNetConfig((4, 6), (0, 1), (1,), 0))
    assert model.evidence(torch.rand(2, 3, 64, 64)).tolist() == [1, 1]
    assert model.needs.size_multiple == 4 and UNet(DOUBTING).needs.size_multiple == 32


@pytest.mark.parametrize("seed", [1, 2])
def test_tiles_are_doubted_as_the_whole_is(seed: int) -> None:
    torch.manual_seed(seed)
    model = UNet(DOUBTING)
    torch.nn.init.normal_(model.head.weight, std=0.05)
    radius = receptive_radius(DOUBTING)
    assert radius >= periodicity_radius()
    picture = (0.5 + waves(6, 20, 896) * 10 + grain(896))[0]
    picture[:, :448] = 0.5 + grain(896)[0, :, :448]
    whole = predict_image(model, picture, 32, 0)
    assert (whole - picture).abs().max() > 1e-4
    assert torch.allclose(predict_image(model, picture, 32, radius, 2 * radius + 64), whole, atol=1e-5)


def test_gradients_pass_whoever_asked_first() -> None:
    _frequencies.cache_clear()
    with torch.inference_mode():
        periodic_shares(waves(6, 20))
    taken = waves(6, 20).requires_grad_()
    periodic_shares(taken + grain()).sum().backward()
    assert taken.grad is not None and taken.grad.abs().max() > 0
