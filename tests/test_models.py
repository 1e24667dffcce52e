"""Networks: the identity at the start, sizes, what they see, and names."""

import pytest
import torch

from demoire.errors import UnknownNameError
from demoire.models import architectures, build_model
from demoire.models.unet import ResidualBlock, UNet, UNetConfig, macs_per_pixel, receptive_radius

SMALL = {"channels": (8, 12, 16), "encoder_blocks": (1, 1, 1), "decoder_blocks": (1, 0), "context_blocks": 1}


def awake(**fields: object) -> torch.nn.Module:
    """A small network whose zero last layer was given weights."""
    torch.manual_seed(3)
    model = build_model("unet", **{**SMALL, **fields}).eval()
    torch.nn.init.normal_(model.head.weight, std=0.1)
    return model


def test_untrained_network_is_the_identity() -> None:
    picture = torch.rand(2, 3, 32, 48)
    assert torch.equal(build_model("unet")(picture), picture)


@pytest.mark.parametrize("size", [(8, 8), (8, 40), (64, 24)])
def test_every_multiple_is_a_valid_size(size: tuple[int, int]) -> None:
    model = awake()
    assert model.needs.size_multiple == 8
    out = model(torch.rand(1, 3, *size))
    assert out.shape == (1, 3, *size)
    assert out.isfinite().all()


def test_output_depends_on_nothing_beyond_the_receptive_field_and_on_much_within() -> None:
    model, radius = awake(), receptive_radius(UNetConfig(**SMALL))
    side = 2 * radius + 64
    picture = torch.rand(1, 3, side, side)
    centre = (side // 16) * 8
    changed = picture.clone()
    changed[..., : centre - radius, :] = 0
    changed[..., centre + 8 + radius :, :] = 1
    before, after = (model(x)[..., centre : centre + 8, :] for x in (picture, changed))
    assert torch.allclose(before, after, atol=1e-6)
    changed[..., : centre - radius // 2, :] = 0
    assert (model(changed)[..., centre : centre + 8, :] - before).abs().max() > 1e-6


def test_macs_of_a_convolution_in_closed_form() -> None:
    assert macs_per_pixel(ResidualBlock(3)) == 2 * 9 * 3 * 3


def test_bundled_size_of_the_network_stays_in_its_bounds() -> None:
    model = build_model("unet")
    assert sum(p.numel() for p in model.parameters()) <= 4_000_000
    assert macs_per_pixel(model) <= 55_000


def test_autocast_keeps_the_sum_in_float32() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        assert awake()(torch.rand(1, 3, 16, 16)).dtype == torch.float32


def test_names_are_checked_and_the_nearest_is_named() -> None:
    assert "unet" in architectures()
    with pytest.raises(UnknownNameError, match="did you mean 'unet'"):
        build_model("unett")
    with pytest.raises(UnknownNameError, match="did you mean 'channels'"):
        build_model("unet", chanels=(8, 8))
    with pytest.raises(ValueError, match="one encoder depth"):
        UNet(UNetConfig(channels=(8, 8), encoder_blocks=(1,)))


def test_lists_of_a_configuration_file_stand_for_tuples() -> None:
    fields = {name: list(value) if isinstance(value, tuple) else value for name, value in SMALL.items()}
    assert build_model("unet", **fields).config == UNetConfig(**SMALL)


def test_a_shallower_network_begins_with_the_blocks_that_it_has() -> None:
    deep, shallow = (
        UNet(UNetConfig(channels=(4, 6, 8), encoder_blocks=(0, 1, below), decoder_blocks=(1, level), context_blocks=1))
        for below, level in ((2, 1), (1, 0))
    )
    shallow.begin_with(deep.state_dict())
    own, trained = shallow.state_dict(), deep.state_dict()
    assert own.keys() < trained.keys()
    assert all(torch.equal(own[name], trained[name]) for name in own)
    with pytest.raises(RuntimeError, match="Missing"):
        deep.begin_with(own)
    with pytest.raises(RuntimeError, match="size mismatch"):
        UNet(UNetConfig(channels=(4, 6, 10), encoder_blocks=(0, 1, 1), decoder_blocks=(1, 0))).begin_with(trained)
