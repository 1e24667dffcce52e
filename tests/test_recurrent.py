"""The recurrent network: the running mean that it starts from, its state, cuts, and training on constructed clips."""

import pytest
import torch
from torch import Tensor

from demoire.models import build_model
from demoire.models.recurrent import OLDEST, Recurrent, RecurrentConfig, move
from demoire.models.unet import UNetConfig, macs_per_pixel
from demoire.training.remembering import Clips, Remembering, gain_over_cnn, repeat, unroll
from tests.test_motion import texture

SMALL = RecurrentConfig(
    look=UNetConfig(channels=(4, 8), encoder_blocks=(0, 1), decoder_blocks=(1,), context_blocks=1),
    channels=(8, 8, 12),
    blocks=(0, 1, 1),
)


@pytest.fixture
def network() -> Recurrent:
    torch.manual_seed(3)
    return Recurrent(SMALL).eval()


def shifted(frames: int, step: int, height: int = 64, width: int = 96) -> tuple[Tensor, Tensor]:
    """A scene that passes by ``step`` pixels a frame: (1, T, 3, H, W), and the homographies."""
    scene = texture(height, width + step * frames)
    clip = torch.stack([scene[..., t * step : t * step + width] for t in range(frames)], 1)
    matrices = torch.eye(3, dtype=torch.float64).repeat(1, frames, 1, 1)
    matrices[:, 1:, 0, 2] = step
    return clip, matrices


def noisy(clip: Tensor, amplitude: float = 0.1) -> Tensor:
    return clip + amplitude * torch.randn(clip.shape, generator=torch.Generator().manual_seed(1))


def test_untrained_it_is_the_running_mean(network: Recurrent) -> None:
    frames = noisy(torch.full((1, 5, 3, 32, 32), 0.5))
    still = torch.eye(3, dtype=torch.float64).repeat(1, 5, 1, 1)
    with torch.no_grad():
        restored, alone = unroll(network, Clips(frames, frames, still))
    assert torch.equal(alone, frames)  # an untrained CNN changes nothing
    for t in range(5):
        assert torch.allclose(restored[:, t], frames[:, : t + 1].mean(1), atol=2e-3)


def test_the_first_frame_and_what_was_never_seen_are_the_cnns(network: Recurrent) -> None:
    with torch.no_grad():
        network.cnn.head.bias.fill_(0.1)
        network.cnn.gate.bias.fill_(9.0)
        network.head.bias.fill_(0.3)
        clip, matrices = shifted(3, 8)
        restored, alone = unroll(network, Clips(clip, clip, matrices))
    assert torch.equal(restored[:, 0], alone[:, 0])
    assert torch.equal(restored[:, 2, ..., -8:], alone[:, 2, ..., -8:])  # has just come into view
    assert not torch.allclose(restored[:, 2, ..., :-16], alone[:, 2, ..., :-16])


def test_known_motion_and_estimated_motion_give_the_same(network: Recurrent) -> None:
    clip, matrices = shifted(4, 3, 96, 128)
    with torch.no_grad():
        known, _ = unroll(network, Clips(noisy(clip, 0.02), clip, matrices))
        state, found = network.start(96, 128), []
        for frame in noisy(clip, 0.02)[0]:
            restored, state = network.step(frame[None], state)
            found.append(restored)
    assert float((torch.stack(found, 1) - known)[..., 8:-16].abs().mean()) < 0.004
    assert float(state[2][:, 0].max()) == pytest.approx(4, abs=1e-3)


def test_a_cut_is_forgotten(network: Recurrent) -> None:
    with torch.no_grad():
        _, state = network.step(texture(96, 128), network.start(96, 128))
        other = texture(96, 128, 9)
        restored, state = network.step(other, state)
    assert torch.equal(restored, network.look(other))
    assert float(state[2][:, 0].max()) == 1


def test_what_moved_on_its_own_is_forgotten_and_faint_differences_are_not(network: Recurrent) -> None:
    scene = texture(64, 96)
    other = scene.clone()
    other[..., 16:48, 32:64] = texture(32, 32, 9)
    state = network.start(64, 96)
    with torch.no_grad():
        for frame in (scene, scene, scene):
            _, state = network.step(frame, state)
        still = torch.eye(3, dtype=torch.float64)[None]
        restored, *after = network.fuse(other, other, *move(state, still))
        faint, *kept = network.fuse(scene + 6 / 255, scene + 6 / 255, *move(state, still))
    assert float((restored - other).abs()[..., 20:44, 36:60].mean()) < 2 / 255
    assert float(after[2][0, 0, 10:22, 18:30].mean()) < 1.5
    assert float(after[2][0, 0, :4].min()) > 3.5
    assert float(kept[2][:, 0].min()) > 3.9
    assert torch.allclose(faint, scene + 1.5 / 255, atol=1 / 255)


def test_age_stops_and_moves_with_the_frame(network: Recurrent) -> None:
    state = network.start(32, 64)
    with torch.no_grad():
        for _ in range(int(OLDEST) + 3):
            _, *after = network.fuse(torch.zeros(1, 3, 32, 64), torch.zeros(1, 3, 32, 64), *state)
            state = (after[0], after[1], after[2])
    assert float(state[2][:, 0].min()) == OLDEST and not state[2][:, 1].any()  # seen from one place alone
    matrix = torch.eye(3, dtype=torch.float64)[None].clone()
    matrix[0, 0, 2] = 20
    age, views = move(state, matrix)[2][0]
    assert (age[:, :22] == OLDEST).all() and (age[:, 22:] == 0).all()
    assert (views[:, :22] == 1).all() and (views[:, 22:] == 0).all()


@pytest.mark.parametrize("step, texture_back, bands_back", [(4, 0.8, 0.2), (0, 0.1, 0.1)])
def test_what_lies_still_while_the_camera_moves_is_given_back(
    network: Recurrent, step: int, texture_back: float, bands_back: float
) -> None:
    """The CNN takes bands and texture alike; the past tells them apart, but not from one place."""
    frames, height, width = 9, 64, 96
    across, moved = torch.arange(width + 0.0), step * torch.arange(frames + 0.0)[:, None]
    lines = [torch.sin(2 * torch.pi * (across + moved) / 6), torch.sin(2 * torch.pi * across / 16 + 0.6 * moved)]
    texture, bands = (0.01 * line[None, :, None, None].expand(1, -1, 3, height, -1) for line in lines)
    matrices = torch.eye(3, dtype=torch.float64).repeat(1, frames, 1, 1)
    matrices[:, 1:, 0, 2] = step
    flat = torch.full((1, frames, 3, height, width), 0.5)

    def kept(taken: Tensor) -> float:
        with torch.no_grad():
            restored, _ = unroll(network, Clips(flat + taken, flat, matrices, flat), slice(frames - 1, None))
        middle = (..., slice(16, -16), slice(16, 48))
        return float((restored[:, 0] - 0.5)[middle].norm() / taken[:, -1][middle].norm())

    if step:
        assert kept(texture) > texture_back
    else:
        assert kept(texture) < texture_back
    assert kept(bands) < bands_back
    assert kept(4 * texture) < 0.3  # as strong as moire that lies still on the screen


def test_fusing_sees_no_farther_than_it_says(network: Recurrent) -> None:
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2)))
    field, side = network.fusing_field, 2 * network.fusing_field + 16
    inputs = [torch.rand(1, 3, side, side) for _ in range(3)]
    inputs[2] = torch.rand(1, 6, side, side)
    state = (torch.rand(1, 1, side // 2, side // 2), torch.full((1, 2, side // 2, side // 2), 2.0))
    whole = network.fuse(*inputs, *state)[0]
    inputs = [picture.clone() for picture in inputs]
    for picture in inputs:
        picture[..., : side // 2 - 8 - field + 8, :] = 0
    changed = network.fuse(*inputs, *state)[0]
    middle = slice(side // 2 + 8, None)
    assert torch.equal(whole[..., middle, :], changed[..., middle, :])


def test_sizes_suit_the_mix_as_well_as_the_cnn(network: Recurrent) -> None:
    assert network.cnn.needs.size_multiple == 4
    assert network.needs.size_multiple == 8 and network.fusing_field % 8 == 0
    with torch.no_grad():
        assert network.first_frame(torch.rand(1, 3, 24, 40)).shape == (1, 3, 24, 40)


def test_the_bundled_size_costs_less_than_half_the_cnn_more() -> None:
    network = build_model("recurrent")
    assert isinstance(network, Recurrent)
    alone = macs_per_pixel(network.cnn)
    assert 1.2 * alone < macs_per_pixel(network) < 1.5 * alone


def test_it_learns_what_the_mean_cannot() -> None:
    torch.manual_seed(0)
    network, task = Recurrent(SMALL), Remembering("l1", errors=(0.0,), repeated=0.0)
    network.cnn.requires_grad_(False)
    optimizer = torch.optim.Adam([p for p in network.parameters() if p.requires_grad], 5e-3)
    clean, matrices = shifted(6, 2)
    clips = Clips(clean, clean, matrices, noisy(clean, 0.05))  # what is taken away is noise, and should not be
    mean = gain_over_cnn(network, [clips])
    for _ in range(40):
        optimizer.zero_grad()
        task.clip_loss(network, clips).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert gain_over_cnn(network, [clips]) > mean + 3
    assert all(parameter.grad is None for parameter in network.cnn.parameters())


def test_repeated_photos_stand_still() -> None:
    photo = torch.rand(2, 3, 8, 8)
    clips = repeat(photo, photo * 0.5, 3)
    assert clips.moire.shape == (2, 3, 3, 8, 8) and torch.equal(clips.clean[:, 2], photo * 0.5)
    assert torch.equal(clips.to_previous[1, 2], torch.eye(3, dtype=torch.float64))
