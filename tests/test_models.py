"""Networks: the identity at the start, sizes, what they see, and names."""

import pytest
import torch

from demoire.errors import UnknownNameError
from demoire.models import architectures, build_model
from demoire.models.unet import ResidualBlock, UNet, UNetConfig, macs_per_pixel, receptive_radius
from demoire.models.wide_bands import WideBands

SMALL = {"channels": (8, 12, 16), "encoder_blocks": (1, 1, 1), "decoder_blocks": (1, 0), "context_blocks": 1}


def awake(**fields: object) -> torch.nn.Module:
    """A small network whose zero last layer was given weights."""
    torch.manual_seed(3)
    model = build_model("unet", **{**SMALL, **fields}).eval()
    torch.nn.init.normal_(model.head.weight, std=0.1)
    if model.bands is not None:
        for layer in (model.bands.head, *(block.narrow for block in model.bands.blocks)):
            torch.nn.init.normal_(layer.weight, std=0.1)
    return model


def test_untrained_network_is_the_identity() -> None:
    picture = torch.rand(2, 3, 32, 48)
    assert torch.equal(build_model("unet")(picture), picture)


@pytest.mark.parametrize("size", [(8, 8), (8, 40), (64, 24)])
@pytest.mark.parametrize("bands", [0, 6])
def test_every_multiple_is_a_valid_size(size: tuple[int, int], bands: int) -> None:
    model = awake(band_channels=bands)
    assert model.needs.size_multiple == 8
    out = model(torch.rand(1, 3, *size))
    assert out.shape == (1, 3, *size)
    assert out.isfinite().all()


@pytest.mark.parametrize("bands", [0, 6])
def test_output_depends_on_nothing_beyond_the_receptive_field_and_on_much_within(bands: int) -> None:
    model, radius = awake(band_channels=bands), receptive_radius(UNetConfig(**SMALL, band_channels=bands))
    side = 2 * radius + 64
    picture = torch.rand(1, 3, side, side)
    centre = (side // 16) * 8
    changed = picture.clone()
    changed[..., : centre - radius, :] = 0
    changed[..., centre + 8 + radius :, :] = 1
    before, after = (model(x)[..., centre : centre + 8, :] for x in (picture, changed))
    assert torch.allclose(before, after, atol=1e-6)
    changed[..., : centre - radius // (6 if bands else 2), :] = 0
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


def test_what_takes_wide_bands_away_is_added_to_a_trained_network_and_changes_nothing_at_first() -> None:
    trained = awake()
    more = build_model("unet", **SMALL, band_channels=6).eval()
    more.begin_with(trained.state_dict())
    picture = torch.rand(1, 3, 64, 48)
    assert torch.equal(more(picture), trained(picture))
    with pytest.raises(RuntimeError, match="head"):
        more.begin_with({k: v for k, v in trained.state_dict().items() if not k.startswith("head")})
    again = build_model("unet", **SMALL, band_channels=6)
    again.begin_with(awake(band_channels=6).state_dict())
    assert again.bands.head.weight.abs().max() > 0


def test_faint_wide_waves_are_learnt_within_a_hundred_steps() -> None:
    torch.manual_seed(0)
    bands = WideBands(16)
    optimizer = torch.optim.AdamW(bands.parameters(), lr=3e-3)
    y, x = torch.meshgrid(torch.arange(96.0), torch.arange(96.0), indexing="ij")

    def waves(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Flat pictures with waves of 20-30 px and 3/255, and without."""
        angle, period, tone = (torch.rand(count, 1, 1, 1) for _ in range(3))
        along = x * torch.cos(6.3 * angle) + y * torch.sin(6.3 * angle)
        clean = (0.2 + 0.6 * tone).expand(count, 3, 96, 96)
        return clean + 3 / 255 * torch.sin(6.28 * along / (20 + 10 * period)), clean

    for _ in range(100):
        moire, clean = waves(4)
        loss = (moire + bands(moire, moire) - clean).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    moire, clean = waves(8)
    with torch.no_grad():
        left = (moire + bands(moire, moire) - clean).abs().mean() / (moire - clean).abs().mean()
    assert left < 0.4
