"""What repeats of what is taken out, against waves and noise, and the network that gives the rest back."""

import math

import pytest
import torch
from torch import Tensor

from demoire.models.texture import SIZE_MULTIPLE, repeating, texture_radius
from demoire.models.unet import UNet, UNetConfig, receptive_radius
from demoire.tiling import predict_image

GIVING = UNetConfig((4, 6), (0, 1), (1,), 0, given_back=1.0)


def wave(period: float, side: int = 256) -> Tensor:
    """A grey sine of RMS 4/255 that runs down to the right."""
    places = torch.arange(side, dtype=torch.float32)
    phase = 2 * math.pi / period * (places[:, None] * math.sin(0.4) + places * math.cos(0.4))
    return (phase.sin() * math.sqrt(2) * 4 / 255).expand(1, 3, side, side)


def noise(rms: float, side: int = 256) -> Tensor:
    """White, grey, of an RMS in 1/255."""
    return (torch.randn(1, 1, side, side, generator=torch.Generator().manual_seed(0)) * rms / 255).expand(-1, 3, -1, -1)


def power(image: Tensor) -> float:
    return float(image[..., 64:-64, 64:-64].square().mean())


@pytest.mark.parametrize("period", [3.3, 5, 9, 16])
def test_waves_repeat_and_noise_does_not(period: float) -> None:
    assert power(repeating(wave(period)) - wave(period)) < 1e-4 * power(wave(period))
    assert power(repeating(noise(4))) < 0.7 * power(noise(4))


def test_where_waves_are_most_of_it_nothing_is_given_back() -> None:
    """Pages are flat: what is beside the peaks there are bands that bend, and noise of the camera."""
    mostly = wave(7) + noise(1)
    assert torch.allclose(repeating(mostly), mostly, atol=1e-6)


def test_where_texture_is_most_of_it_waves_are_taken_and_texture_stays() -> None:
    texture = noise(12)
    kept = repeating(wave(7) + texture)
    assert power(wave(7) - (kept - repeating(texture))) < 0.1 * power(wave(7))
    assert power(kept - wave(7)) < 0.75 * power(texture)


def test_the_strength_is_a_share() -> None:
    taken = noise(4)
    assert torch.allclose(repeating(taken, 0.0), taken, atol=1e-7)
    assert torch.allclose(repeating(taken, 0.5), (taken + repeating(taken)) / 2, atol=1e-7)


def test_it_is_a_filter_of_the_colours_together() -> None:
    """Twice as much taken is twice as much kept, and of all colours the same share."""
    taken = noise(4) * torch.tensor([1.0, 0.5, 0.0]).view(1, 3, 1, 1)
    kept = repeating(taken)
    assert torch.allclose(repeating(taken * 2), kept * 2, atol=1e-6)
    assert torch.allclose(kept[:, 1], kept[:, 0] / 2, atol=1e-7) and not kept[:, 2].any()


def test_small_images_pass_and_nothing_is_rounded() -> None:
    small = noise(4, 32)
    assert repeating(small) is small
    assert not repeating(torch.zeros(1, 3, 64, 96)).any()
    kept = repeating(noise(4))
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(repeating(noise(4)), kept)
        assert repeating(noise(4).bfloat16()).dtype == torch.float32


def test_an_output_sees_no_farther_than_it_says() -> None:
    taken = noise(4, 512) + wave(7, 512) * (torch.arange(512) > 256)
    near = taken.clone()
    near[..., : 256 - SIZE_MULTIPLE - texture_radius()] = 0
    there = slice(256 - SIZE_MULTIPLE, 256)
    assert torch.allclose(repeating(near)[..., there], repeating(taken)[..., there], atol=1e-7)


def test_network_gives_back_what_does_not_repeat() -> None:
    torch.manual_seed(0)
    plain, giving = UNet(UNetConfig((4, 6), (0, 1), (1,), 0)), UNet(GIVING)
    for parameter in plain.head.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    giving.load_state_dict(plain.state_dict())
    image = (noise(30) + 0.5).clamp(0, 1)
    with torch.no_grad():
        added, kept = plain(image) - image, giving(image) - image
    assert power(added) > 0
    assert torch.allclose(kept, repeating(added), atol=1e-6)
    assert torch.equal(giving.restore_and_judge(image)[0] - image, added)  # what is trained
    assert giving.needs.size_multiple % SIZE_MULTIPLE == 0
    assert receptive_radius(GIVING) >= receptive_radius(plain.config) + texture_radius()


def test_tiles_give_what_the_whole_gives() -> None:
    torch.manual_seed(0)
    network = UNet(GIVING)
    for parameter in network.head.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    image = ((noise(30, 640) + wave(7, 640))[0] + 0.5).clamp(0, 1)
    needs = network.needs
    whole = predict_image(network, image, needs.size_multiple, 0)
    tiled = predict_image(network, image, needs.size_multiple, needs.halo, 2 * needs.halo + 64)
    assert torch.allclose(tiled, whole, atol=1e-5)


def test_what_is_given_back_is_a_share() -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        UNetConfig(given_back=1.5)
