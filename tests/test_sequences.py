"""Simulated clips: geometry against corners found in the pictures, moving bands, moving content, video."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, map_coordinates

from demoire.models.motion import seen_before, warp
from demoire.simulate import motion, sequence, video
from demoire.simulate.capture import content_size, render
from demoire.simulate.config import (
    CaptureParameters,
    DeliveryParameters,
    GeometryParameters,
    JpegParameters,
    OpticsParameters,
    SensorParameters,
    ShownParameters,
)
from demoire.simulate.motion import HandConfig, Pose
from demoire.simulate.sequence import (
    SequenceConfig,
    SequenceParameters,
    draw_sequence,
    render_sequence,
    shown_size,
)

SIZE = (120, 136)
SQUARE = 16
QUIET = CaptureParameters(optics=OpticsParameters(0.4, 0.4), sensor=SensorParameters("none", white=0.5))
POSES = (
    Pose(),
    Pose(2.3, -1.6, math.radians(0.4), 1.004, (math.radians(0.5), math.radians(-0.3))),
    Pose(6.1, 3.2, math.radians(-0.9), 0.991, (math.radians(-1.1), math.radians(0.8))),
)
VIEW = GeometryParameters(2.1, 1.01, 0.07, 0.01, (4e-5, -3e-5), phase=(0.3, 0.7))


def moving(
    base: CaptureParameters, poses: tuple[Pose, ...] = POSES, reduction: tuple[float, float] = (1.0, 1.0)
) -> SequenceParameters:
    frames = [
        replace(base, geometry=motion.moved(base.geometry, pose, reduction, 3000.0), noise_seed=number)
        for number, pose in enumerate(poses)
    ]
    return SequenceParameters(tuple(frames), DeliveryParameters(reduction, "bilinear"))


def film(parameters: SequenceParameters, content: torch.Tensor | None = None, size: tuple[int, int] = SIZE):
    if content is None:
        content = texture(*shown_size(parameters, size))
    return render_sequence(content, parameters, size)


def texture(height: int, width: int, seed: int = 0) -> torch.Tensor:
    noise = np.random.default_rng(seed).normal(size=(3, height, width))
    smooth = np.stack([gaussian_filter(plane, 4.0) for plane in noise])
    return torch.from_numpy(0.5 + smooth / smooth.std() * 0.12).float()[None].clamp(0, 1)


def checkerboard(height: int, width: int) -> torch.Tensor:
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return (0.2 + 0.6 * ((y // SQUARE + x // SQUARE) % 2)).float().expand(1, 3, -1, -1)


def mapped(matrix: torch.Tensor, points: np.ndarray) -> np.ndarray:
    moved = np.concatenate([points, np.ones((len(points), 1))], 1) @ matrix.numpy().T
    return moved[:, :2] / moved[:, 2:]


def saddle_near(plane: np.ndarray, x: float, y: float) -> np.ndarray:
    """Where a quadratic fitted to the plane about a corner of the board is level: between its four squares."""
    v, u = np.mgrid[-5:6, -5:6].reshape(2, -1).astype(float)
    terms = np.stack([u * u, u * v, v * v, u, v, np.ones_like(u)], 1)
    at = np.array([x, y])
    for _ in range(5):  # the patch is centred on what was found, so that its borders do not pull
        patch = map_coordinates(plane, [at[1] + v, at[0] + u], order=3)
        a, b, c, d, e, _ = np.linalg.lstsq(terms, patch, rcond=None)[0]
        at = at + np.linalg.solve([[2 * a, b], [b, 2 * c]], [-d, -e])
    return at


@pytest.mark.parametrize("reduction", [(1.0, 1.0), (1.5, 1.25)])
@pytest.mark.parametrize("shift", [(0.0, 0.0), (5.0, -3.0)])
def test_homographies_meet_the_corners_of_a_checkerboard(reduction, shift) -> None:
    soft = OpticsParameters(1.0, 1.0)  # so that corners can be found to a fiftieth of a pixel
    parameters = moving(replace(QUIET, kind="unmasked", geometry=VIEW, optics=soft), reduction=reduction)
    steps = [replace(f, shown=ShownParameters((shift[0] * t, shift[1] * t))) for t, f in enumerate(parameters.frames)]
    parameters = replace(parameters, frames=tuple(steps))
    height, width = shown_size(parameters, SIZE)
    clip = film(parameters, checkerboard(height, width))
    corners = np.stack(np.meshgrid(np.arange(SQUARE, width, SQUARE), np.arange(SQUARE, height, SQUARE)), -1)
    corners = corners.reshape(-1, 2) - 0.5  # between the centres of pixels
    found = []
    for frame, to_content in zip(clip.clean, clip.to_content, strict=True):
        expected = mapped(torch.linalg.inv(to_content), corners)
        plane = gaussian_filter(frame[1].numpy(), 3.0)
        inside = (expected > 12).all(1) & (expected < np.array(SIZE[::-1]) - 13).all(1)
        found.append({i: saddle_near(plane, *expected[i]) for i in np.flatnonzero(inside)})
        assert len(found[-1]) >= 6
        assert max(np.abs(found[-1][i] - expected[i]).max() for i in found[-1]) < 0.05
    for t in (1, 2):
        both = sorted(found[t].keys() & found[t - 1].keys())
        before = mapped(clip.to_previous[t], np.stack([found[t][i] for i in both]))
        assert np.abs(before - np.stack([found[t - 1][i] for i in both])).max() < 0.05


def test_content_stays_while_bands_move() -> None:
    camera = replace(QUIET, sensor=SensorParameters(white=0.4), geometry=replace(VIEW, scale=2.04, rotation=0.02))
    clip = film(moving(camera))
    bands = clip.moire - clip.clean
    inside = seen_before(clip.to_previous, *SIZE, clip.clean)[1:] > 0

    def change(images: torch.Tensor) -> float:
        difference = images[1:] - warp(images[:-1], clip.to_previous[1:])
        return float(difference.square()[inside.expand_as(difference)].mean().sqrt())

    assert bands.std() > 4 / 255
    assert change(clip.clean) < 0.6 / 255
    assert change(bands) > 0.8 * bands.std()


def test_a_tripod_sees_the_same_with_fresh_noise() -> None:
    still = moving(replace(QUIET, geometry=VIEW), (Pose(),) * 3)
    clip = film(still)
    assert torch.allclose(clip.to_previous, torch.eye(3, dtype=torch.float64), atol=1e-12)
    assert torch.equal(clip.moire[0], clip.moire[2])
    noisy = [replace(f, sensor=replace(f.sensor, photons=500)) for f in still.frames]
    clip = film(replace(still, frames=tuple(noisy)))
    assert torch.equal(clip.clean[0], clip.clean[2])
    assert (clip.moire[0] - clip.moire[2]).std() > 0.01


def test_first_frame_is_the_still_photo() -> None:
    seed = next(
        s
        for s in range(50)
        if (p := draw_sequence(SequenceConfig(), np.random.default_rng(s), 3, (48, 64))).video is None
        and p.frames[0].kind == "screen"
        and p.frames[0].shown == ShownParameters()
    )
    parameters = draw_sequence(SequenceConfig(), np.random.default_rng(seed), 3, (48, 64))
    height, width = shown_size(parameters, (48, 64))
    assert (height, width) >= content_size(parameters.frames[:1], parameters.delivery, (48, 64))
    content = texture(height, width)
    clip = film(parameters, content, (48, 64))
    photo = render(content, parameters.frames[:1], parameters.delivery, (48, 64))
    assert torch.allclose(clip.moire[0], photo.moire[0], atol=1e-6)
    assert torch.allclose(clip.clean[0], photo.clean[0], atol=1e-6)


def test_same_seed_same_clip() -> None:
    for seed in (0, 2, 5):
        first, again = (draw_sequence(SequenceConfig(), np.random.default_rng(seed), 3, (48, 48)) for _ in range(2))
        assert first == again
        one, two = (film(parameters, size=(48, 48)) for parameters in (first, again))
        assert torch.equal(one.moire, two.moire)
        assert torch.equal(one.clean, two.clean)
        assert torch.equal(one.to_previous, two.to_previous)


def test_it_does_not_matter_how_many_frames_are_photographed_at_once(monkeypatch) -> None:
    parameters = moving(replace(QUIET, geometry=VIEW))
    together = film(parameters)
    monkeypatch.setattr(sequence, "_AT_ONCE", 1)
    assert torch.allclose(film(parameters).clean, together.clean, atol=1e-5)


def test_only_the_window_moves() -> None:
    base = replace(QUIET, kind="unmasked", geometry=GeometryParameters(2.0))
    still = moving(base, (Pose(),) * 2)
    window = ShownParameters((0.0, 9.0), window=(-12.0, -10.0, 12.0, 10.0))
    frames = (replace(still.frames[0], shown=replace(window, shift=(0.0, 0.0))), replace(still.frames[1], shown=window))
    clip = film(replace(still, frames=frames))
    change = (clip.clean[1] - clip.clean[0]).abs().amax(0)
    assert torch.equal(clip.to_previous[1], torch.eye(3, dtype=torch.float64))
    assert change[60 - 18 : 60 + 18, 68 - 22 : 68 + 22].mean() > 0.03
    outside = torch.ones(SIZE, dtype=torch.bool)
    outside[60 - 21 : 60 + 21, 68 - 25 : 68 + 25] = False
    assert change[outside].max() < 1e-6


def test_plain_pictures_scroll_by_whole_pixels_and_are_their_own_target() -> None:
    base = replace(QUIET, kind="untouched")
    frames = tuple(replace(base, shown=ShownParameters((0.0, -4.0 * t))) for t in range(3))
    clip = film(SequenceParameters(frames, DeliveryParameters()))
    assert torch.equal(clip.moire, clip.clean)
    assert clip.to_previous[1].tolist() == [[1, 0, 0], [0, 1, 4], [0, 0, 1]]
    assert torch.equal(clip.moire[1][:, :-4], clip.moire[0][:, 4:])


def test_waves_of_a_pulsing_backlight_are_in_the_target_too() -> None:
    base = replace(QUIET, kind="unmasked", geometry=GeometryParameters(2.0))
    sensors = [replace(QUIET.sensor, rolling=(0.1, 60.0, phase)) for phase in (0.0, 0.5)]
    frames = tuple(replace(base, sensor=sensor) for sensor in sensors)
    parameters = SequenceParameters(frames, DeliveryParameters())
    clip = film(parameters, torch.full((1, 3, *shown_size(parameters, SIZE)), 0.8))
    assert (clip.moire - clip.clean).abs().max() <= 0.5 / 255 + 1e-5
    rows = clip.clean.mean((1, 3))
    assert rows.std(1).min() > 0.015
    assert np.corrcoef(rows[0], rows[1])[0, 1] < -0.99


def test_hands_move_as_far_as_asked_and_smoothly() -> None:
    config = HandConfig(travel=(2.0, 2.0), tremor=(0.1, 0.1))
    for seed in range(3):
        poses = motion.draw_hand(config, np.random.default_rng(seed), 120)
        path = np.array([(p.x, p.y) for p in poses])
        assert poses[0] == Pose()
        steps = np.diff(path, axis=0)
        assert np.sqrt(np.square(steps).sum(1).mean()) == pytest.approx(2.0, rel=0.3)
        assert np.square(np.diff(steps, axis=0)).sum(1).mean() < np.square(steps).sum(1).mean()


def test_shares_of_kinds_of_clips() -> None:
    drawn = [draw_sequence(SequenceConfig(), np.random.default_rng(s), 5, (64, 64)) for s in range(300)]
    screens = [p for p in drawn if p.frames[0].kind != "untouched"]
    tripods = sum(len({f.geometry for f in p.frames}) == 1 for p in screens) / len(screens)
    moved = sum(p.frames[-1].shown != p.frames[0].shown for p in drawn) / len(drawn)
    assert 0.04 < tripods < 0.16
    assert 0.18 < moved < 0.36
    assert 0.55 < sum(p.video is not None for p in drawn) / len(drawn) < 0.77
    for p in drawn:
        assert len({f.noise_seed for f in p.frames}) == 5
        cameras = {(f.isp, f.optics, f.display, f.sensor.cfa, f.sensor.photons) for f in p.frames}
        assert len(cameras) == 1
        assert p.video is None or p.frames[0].jpeg == JpegParameters()


def test_video_loses_little_or_much_and_keeps_grey() -> None:
    frames = torch.cat([texture(65, 71, seed) for seed in range(2)]).repeat(3, 1, 1, 1)
    losses = [float((video.compress(frames, video.VideoParameters(q)) - frames).square().mean()) for q in (4, 24, 40)]
    assert losses[0] < (1.5 / 255) ** 2
    assert losses[0] < losses[1] < losses[2]
    grey = video.compress(torch.full((4, 3, 48, 48), 0.5), video.VideoParameters(26))
    assert (grey - 0.5).abs().max() < 1.5 / 255


def test_bit_rates_are_those_of_real_video() -> None:
    camera = replace(QUIET, sensor=SensorParameters(white=0.4, photons=900), geometry=replace(VIEW, scale=2.04))
    planes = video.to_planes(film(moving(camera)).moire)
    bits = [
        8 * sum(map(len, video.encode(planes, video.VideoParameters(q)))) / (len(planes) * math.prod(SIZE))
        for q in SequenceConfig().rate_factor
    ]
    assert 1.6 > bits[0] > bits[1] > 0.03


def test_planes_round_trip() -> None:
    smooth = texture(32, 40).repeat(2, 1, 1, 1)
    again = video.from_planes(video.to_planes(smooth))
    assert (again - smooth).abs().mean() < 1.5 / 255
    assert (again - smooth).mean((0, 2, 3)).abs().max() < 0.3 / 255
