"""Tiles against exact oracles: identity, x + 1, and strided networks, for sizes from 1 x 1 to three tiles and more."""

from fractions import Fraction

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from demoire.tiling import (
    Grid,
    Layer,
    Window,
    cut,
    divide,
    nearest_first,
    plan_square,
    plan_within,
    predict_all,
    predict_image,
    scaled,
    window_of,
)

MULTIPLE, HALO, SIDE = 4, 8, 28
LONGEST = 3 * SIDE + 7
SIZES = [
    (1, 1),
    (1, LONGEST),
    (2, 3),
    (5, 4),
    (15, 17),
    (43, 44),
    (45, 44),
    (61, 90),
    (LONGEST, 77),
    (LONGEST, LONGEST),
]


class Strided(nn.Module):
    """Random weights, two strided levels, zero padding: sees at most 8 pixels to each side, and the grid of 4."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.down = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.deeper = nn.Conv2d(8, 8, 3, stride=2, padding=1)
        self.up = nn.Conv2d(8, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        deep = F.relu(self.deeper(F.relu(self.down(x))))
        result: Tensor = x + self.up(F.interpolate(deep, scale_factor=4.0, mode="nearest"))
        return result


STRIDED = Strided().eval()


def image(height: int, width: int) -> Tensor:
    return torch.rand((3, height, width), generator=torch.Generator().manual_seed(height * 1000 + width))


@pytest.mark.parametrize("size", SIZES)
def test_identity_and_plus_one_are_exact(size: tuple[int, int]) -> None:
    picture = image(*size)
    assert torch.equal(predict_image(lambda x: x, picture, MULTIPLE, HALO, SIDE), picture)
    assert torch.equal(predict_image(lambda x: x + 1, picture, MULTIPLE, HALO, SIDE), picture + 1)


@pytest.mark.parametrize("size", SIZES)
def test_tiled_equals_whole_for_a_strided_network(size: tuple[int, int]) -> None:
    picture = image(*size)
    whole = predict_image(STRIDED, picture, MULTIPLE, HALO)
    tiled = predict_image(STRIDED, picture, MULTIPLE, HALO, SIDE)
    assert whole.shape == picture.shape
    assert (tiled - whole).abs().max() < 1e-5
    padded = np.pad(
        picture.numpy(), ((0, 0), (0, -size[0] % 4), (0, -size[1] % 4)), "reflect" if min(size) > 3 else "edge"
    )
    if min(size) > 3:
        with torch.inference_mode():
            direct = STRIDED(torch.from_numpy(padded)[None])[0, :, : size[0], : size[1]]
        assert torch.allclose(whole, direct, atol=1e-6)


def test_every_size_up_to_three_tiles_and_seven() -> None:
    for size in range(1, LONGEST + 1):
        picture = image(size, 3)
        whole = predict_image(STRIDED, picture, MULTIPLE, HALO)
        assert (predict_image(STRIDED, picture, MULTIPLE, HALO, SIDE) - whole).abs().max() < 1e-5, size
        turned = picture.transpose(1, 2)
        assert torch.equal(predict_image(lambda x: x + 1, turned, MULTIPLE, HALO, SIDE), turned + 1), size


def test_a_halo_that_is_too_small_is_seen() -> None:
    picture = image(100, 100)
    whole = predict_image(STRIDED, picture, MULTIPLE, HALO)
    assert (predict_image(STRIDED, picture, MULTIPLE, 4, SIDE) - whole).abs().max() > 1e-3


def check_plan(grid: Grid, windows: list[Window]) -> None:
    height, width = grid.padded
    covered = np.zeros((height, width), int)
    for window in windows:
        top, left, bottom, right = window.core
        covered[top:bottom, left:right] += 1
        assert all(side % grid.multiple == 0 for side in (*window.core, *window.view))
        assert window.view[0] >= 0 and window.view[1] >= 0 and window.view[2] <= height and window.view[3] <= width
        for near, seen, edge in zip(window.core, window.view, (0, 0, height, width), strict=True):
            assert seen == edge or abs(seen - near) >= grid.margin
    assert (covered == 1).all()


@pytest.mark.parametrize(("multiple", "halo"), [(1, 0), (4, 10), (16, 96), (32, 1), (7, 13)])
@pytest.mark.parametrize("size", [(1, 1), (300, 17), (1000, 777), (431, 1500)])
def test_plans_cover_the_picture_once_on_the_grid_in_equal_windows(
    multiple: int, halo: int, size: tuple[int, int]
) -> None:
    grid = Grid(*size, multiple, halo)
    for side in (40, 100, 333, 5000):
        check_plan(grid, plan_square(grid, side))
    for area in (1, 200_000, 500_000, 1e9):
        windows = plan_within(grid, area)
        check_plan(grid, windows)
        assert len({window.shape for window in windows}) == 1
    assert len(plan_within(grid, float("inf"))) == 1
    if grid.margin:
        pieces = [piece for window in plan_within(grid, 300_000) for piece in divide(grid, window) or [window]]
        check_plan(grid, pieces)


def test_the_budget_holds_and_little_is_computed_twice() -> None:
    grid = Grid(3000, 4000, 16, 96)
    for area in (600_000, 1_300_000, 3_000_000):
        windows = plan_within(grid, area)
        assert max(window.area for window in windows) <= area
    computed = sum(window.area for window in plan_within(grid, 1_400_000))
    assert computed / 12e6 <= 1.35
    assert len(plan_within(grid, 3008 * 4000)) == 1
    assert len(plan_within(grid, 3008 * 4000 - 1)) > 1


def test_division_ends() -> None:
    grid = Grid(500, 500, 8, 24)
    pending, smallest = plan_within(grid, float("inf")), []
    while pending:
        window = pending.pop()
        pieces = divide(grid, window)
        assert all(piece.area <= window.area for piece in pieces) and len(smallest) < 1000
        pending += pieces
        smallest += [] if pieces else [window]
    check_plan(grid, smallest)
    assert max(window.area for window in smallest) <= (48 + 2 * 24) ** 2


def test_the_visible_part_comes_first() -> None:
    grid = Grid(1000, 1000, 1, 0)
    windows = plan_square(grid, 100)
    ordered = nearest_first(windows, (450, 820, 480, 870))
    assert ordered[0].core == (400, 800, 500, 900)
    assert sorted(ordered, key=lambda window: window.core) == windows
    assert ordered[-1].core[:2] in ((0, 0), (900, 0))


@pytest.mark.parametrize("box", [(0, 0, 1, 1), (999, 999, 1000, 1000), (300, 401, 420, 477), (0, 0, 1000, 1000)])
def test_the_window_of_a_box_shows_it_or_its_middle(box: tuple[int, int, int, int]) -> None:
    grid = Grid(1000, 1000, 16, 40)
    for area in (1, 300 * 300, 1e9):
        window = window_of(grid, box, area)
        (top, left, bottom, right), view = window.core, window.view
        assert all(side % 16 == 0 for side in (*window.core, *view)) and max(view[2:]) <= 1008 and min(view[:2]) >= 0
        assert view == (max(top - 48, 0), max(left - 48, 0), min(bottom + 48, 1008), min(right + 48, 1008))
        assert window.area <= max(area, (16 + 16 + 96) ** 2) * 1.3
        middle = ((box[0] + box[2] - 1) // 2, (box[1] + box[3] - 1) // 2)
        assert top <= middle[0] < bottom and left <= middle[1] < right
    assert top <= box[0] and left <= box[1] and bottom >= box[2] and right >= box[3], "all of it where there is room"


def test_reflection_is_that_of_numpy() -> None:
    array = np.random.default_rng(0).random((5, 3, 2))
    expected = np.pad(array, ((0, 11), (0, 13), (0, 0)), "reflect")
    assert np.array_equal(cut(Layer(array), (0, 0, 16, 16)), expected)
    assert np.array_equal(cut(Layer(array), (8, 4, 12, 16)), expected[8:12, 4:16])
    assert np.array_equal(cut(Layer(array[:1, :1]), (0, 0, 4, 4)), np.broadcast_to(array[:1, :1], (4, 4, 2)))


def recurrent(x: Tensor, fine: Tensor, coarse: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mixes a picture with states at 1/2 and 1/4 of its size; sees less than 16 pixels to each side."""
    kernel = torch.linspace(-1, 1, 25).reshape(1, 1, 5, 5)
    low = F.avg_pool2d(x.mean(1, keepdim=True), 4)
    coarse = torch.tanh(coarse + F.conv2d(low, kernel, padding=2))
    fine = torch.tanh(fine + F.interpolate(coarse, scale_factor=2.0))
    return x + F.interpolate(fine, scale_factor=2.0), fine, coarse


@pytest.mark.parametrize("size", [(1, 1), (30, 50), (97, 131)])
def test_several_layers_at_their_scales_return_several(size: tuple[int, int]) -> None:
    grid = Grid(*size, 4, 16)
    height, width = grid.padded
    generator = np.random.default_rng(2)
    frames = [generator.random((*size, 3), np.float32) for _ in range(3)]

    def run(windows: list[Window]) -> list[Tensor]:
        fine = np.zeros((height // 2, width // 2, 1), np.float32)
        coarse = np.zeros((height // 4, width // 4, 1), np.float32)
        results = []
        for frame in frames:
            layers = [Layer(frame), Layer(fine, Fraction(1, 2)), Layer(coarse, Fraction(1, 4))]
            picture, *states = predict_all(recurrent, layers, grid, windows)
            fine, coarse = (state.permute(1, 2, 0).numpy() for state in states)
            results.append(picture)
        return [*results, torch.from_numpy(fine), torch.from_numpy(coarse)]

    for whole, tiled in zip(run(plan_within(grid, float("inf"))), run(plan_square(grid, 44)), strict=True):
        assert whole.shape == tiled.shape
        assert (whole - tiled).abs().max() < 1e-5


def test_larger_outputs_and_scales_that_do_not_fit() -> None:
    picture = image(50, 30)
    grid = Grid(50, 30, 4, 4)
    layer = Layer(picture.permute(1, 2, 0).numpy())
    double = predict_all(lambda x: F.interpolate(x, scale_factor=2.0), [layer], grid, plan_square(grid, 16))[0]
    assert torch.equal(double[:, :100:2, :60:2], picture)
    with pytest.raises(ValueError, match="no scale"):
        predict_all(lambda x: x[..., :-1], [layer], grid, plan_square(grid, 16))
    with pytest.raises(ValueError, match="whole pixels"):
        scaled((0, 0, 3, 4), Fraction(1, 2))
