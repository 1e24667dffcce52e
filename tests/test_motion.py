import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from demoire.models.motion import GRAIN, at_half_size, estimate_motion, seen_before, warp


def texture(height: int, width: int, seed: int = 0) -> Tensor:
    """Blobs of several sizes, smooth enough to be warped without loss."""
    generator = torch.Generator().manual_seed(seed)
    total = torch.zeros(1, 3, height, width)
    for side in (6, 14, 40):
        noise = torch.rand(1, 3, height // side + 2, width // side + 2, generator=generator)
        total += F.interpolate(noise, (height, width), mode="bicubic", align_corners=False)
    return (total / 3).clamp(0, 1)


def homography(
    shift: tuple[float, float], degrees: float, scale: float, tilt: float, height: int, width: int
) -> Tensor:
    """From the present frame to the former one, turned about the middle."""
    turn = math.radians(degrees)
    middle = torch.tensor([[1, 0, width / 2], [0, 1, height / 2], [0, 0, 1]], dtype=torch.float64)
    core = torch.tensor(
        [
            [scale * math.cos(turn), -scale * math.sin(turn), shift[0]],
            [scale * math.sin(turn), scale * math.cos(turn), shift[1]],
            [tilt / width, tilt / height, 1],
        ],
        dtype=torch.float64,
    )
    matrix = middle @ core @ torch.linalg.inv(middle)
    return matrix / matrix[2, 2]


def corner_error(found: Tensor, true: Tensor, height: int, width: int) -> float:
    corners = torch.tensor([[0, 0, 1], [width, 0, 1], [0, height, 1], [width, height, 1]], dtype=torch.float64)
    places = [(corners @ m.T)[:, :2] / (corners @ m.T)[:, 2:] for m in (found, true)]
    return float((places[0] - places[1]).norm(dim=1).max())


@pytest.mark.parametrize(
    ("shift", "degrees", "scale", "tilt", "wrong"),
    [
        ((0, 0), 0, 1, 0, 0),
        ((2.3, -1.7), 0.1, 1.001, 0.0005, 0.2),
        ((2.3, -1.7), 0.4, 1.004, 0.004, 0.8),  # from here on more than hands do between two frames
        ((-9.4, 14.2), -1, 0.99, 0, 1.6),
        ((41, 30), 0.5, 1.01, 0.01, 2),
    ],
)
def test_a_known_motion_is_found(
    shift: tuple[float, float], degrees: float, scale: float, tilt: float, wrong: float
) -> None:
    former = texture(192, 256)
    true = homography(shift, degrees, scale, tilt, 192, 256)
    present = warp(former, true[None])
    present = torch.where(seen_before(true[None], 192, 256, present) > 0, present * 0.9 + 0.02, texture(192, 256, 5))
    motion = estimate_motion(former, present)
    assert motion is not None and motion.likeness > 0.8
    assert corner_error(motion.matrix, true, 192, 256) <= wrong


def test_what_moves_on_its_own_is_spared() -> None:
    former = texture(192, 256)
    true = homography((1.5, 0.75), 0, 1, 0, 192, 256)
    present = warp(former, true[None])
    present[..., 60:120, 90:180] = texture(192, 256, 3)[..., 60:120, 90:180]
    motion = estimate_motion(former, present)
    assert motion is not None and corner_error(motion.matrix, true, 192, 256) < 0.2


def test_large_frames_are_reduced_and_motion_is_told_in_their_own_pixels() -> None:
    former = texture(900, 1500)
    true = homography((7.5, -3.25), 0.1, 1, 0, 900, 1500)
    motion = estimate_motion(former, warp(former, true[None]))
    assert motion is not None and corner_error(motion.matrix, true, 900, 1500) < 0.5


def test_frames_of_different_things_have_no_motion() -> None:
    assert estimate_motion(texture(192, 256), texture(192, 256, 9)) is None
    tiny = torch.rand(1, 3, 32, 32)
    assert estimate_motion(tiny, torch.rand(1, 3, 32, 32)) is None


def test_where_next_to_nothing_is_shown_the_camera_is_taken_to_stand_still() -> None:
    blank = torch.full((1, 3, 192, 256), 0.5)
    still = estimate_motion(blank, blank)
    assert still is not None and torch.allclose(still.matrix, torch.eye(3, dtype=torch.float64))
    noise = [0.01 * torch.randn(1, 3, 192, 256, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2)]
    found = estimate_motion(blank + noise[0], blank + noise[1])
    assert found is not None and corner_error(found.matrix, torch.eye(3, dtype=torch.float64), 192, 256) < 2


def test_faint_bands_that_move_otherwise_are_not_followed() -> None:
    content, x = 0.5 + 0.12 * (texture(192, 256) - 0.5), torch.arange(256.0)
    true = homography((1.5, -0.75), 0, 1, 0, 192, 256)
    bands = [0.008 * torch.sin(2 * torch.pi * (x + moved) / 34) for moved in (0, 9)]
    found = estimate_motion(content + bands[0], warp(content, true[None]) + bands[1])
    assert found is not None and corner_error(found.matrix, true, 192, 256) < 0.6


def test_warping_by_whole_pixels_is_exact_and_knows_what_was_seen() -> None:
    picture = torch.rand(2, 3, 20, 30)
    matrices = torch.eye(3, dtype=torch.float64).repeat(2, 1, 1)
    matrices[1, 0, 2] = 4
    for mode in ("bilinear", "bicubic"):
        warped = warp(picture, matrices, mode)
        assert torch.allclose(warped[0], picture[0], atol=1e-5)
        assert torch.allclose(warped[1, :, :, :-6], picture[1, :, :, 4:-2], atol=1e-4)
    seen = seen_before(matrices, 20, 30, picture)
    assert seen[0].all() and seen[1, 0, :, :26].all() and not seen[1, 0, :, 26:].any()


def test_half_size_agrees_with_whole_size() -> None:
    picture = texture(128, 160)
    true = homography((6, -4), 0, 1, 0, 128, 160)[None]
    small = F.avg_pool2d(picture, 2)
    one, other = F.avg_pool2d(warp(picture, true), 2), warp(small, at_half_size(true))
    assert float((one - other)[..., 8:-8, 8:-8].abs().max()) < 0.02


def test_rounding_errors_change_next_to_nothing() -> None:
    former = texture(192, 256)
    true = homography((2.3, -1.7), 0.4, 1.004, 0.004, 192, 256)
    present = warp(former, true[None])
    one, same = estimate_motion(former, present), 0
    for seed in range(4):
        noise = 1e-7 * torch.randn(former.shape, generator=torch.Generator().manual_seed(seed))
        other = estimate_motion(former + noise, present - noise)
        assert one is not None and other is not None
        assert corner_error(one.matrix, other.matrix, 192, 256) < 1.5 / GRAIN
        same += torch.equal(one.matrix, other.matrix)
    assert same >= 3
