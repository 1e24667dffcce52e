"""The simulator against physics: predicted bands, energy, identity, grey, and Pillow's JPEG."""

import io
import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from demoire.cli import main
from demoire.simulate import delivery, display, geometry, isp, optics, sensor
from demoire.simulate.capture import content_size, local_rms, render
from demoire.simulate.config import (
    IDEAL,
    UNMASKED,
    CaptureParameters,
    DeliveryParameters,
    DisplayParameters,
    GeometryParameters,
    IspParameters,
    JpegParameters,
    OpticsParameters,
    SensorParameters,
    SimulatorConfig,
)
from demoire.simulate.drawing import draw_capture, draw_delivery, draw_scale

CPU = torch.device("cpu")
PHASES = ("RGGB", "GRBG", "GBRG", "BGGR")
SIDE = 256


def quiet_capture(**changes: object) -> CaptureParameters:
    """A capture without noise, vignetting, denoising, sharpening or JPEG."""
    return replace(CaptureParameters(sensor=SensorParameters(white=0.3)), **changes)


def shoot(parameters: CaptureParameters, content: torch.Tensor | None = None, size=(SIDE, SIDE), labels=False):
    shared = DeliveryParameters()
    if content is None:
        content = torch.ones(1, 3, *content_size([parameters], shared, size))
    return render(content, [parameters], shared, size, labels)


def peak_frequency(plane: np.ndarray) -> tuple[float, float]:
    """(fy, fx) in cycles per pixel of the strongest component, fx >= 0."""
    height, width = plane.shape
    spectrum = np.abs(np.fft.rfft2(plane))
    spectrum[0, 0] = 0
    y, x = np.unravel_index(spectrum.argmax(), spectrum.shape)
    return float(np.fft.fftfreq(height)[y]), float(x / width)


def alias(frequency: float, sampling: float = 1.0) -> float:
    """Where a frequency (cycles per pixel) appears when sampled ``sampling`` times per pixel."""
    return frequency - round(frequency / sampling) * sampling


def assert_same_wave(found: tuple[float, float], expected: tuple[float, float]) -> None:
    """Equal within one bin; a real wave has its mirror image at the opposite frequency."""
    distance = min(max(abs(f - s * e) for f, e in zip(found, expected, strict=True)) for s in (1, -1))
    assert distance <= 1 / SIDE + 1e-9, (found, expected)


@pytest.mark.parametrize("scale", [0.9, 1.07, 1.31])
@pytest.mark.parametrize("degrees", [0.0, 3.0, -7.0])
def test_bands_without_cfa_appear_at_the_aliased_display_frequency(scale: float, degrees: float) -> None:
    geometry_ = GeometryParameters(scale=scale, rotation=math.radians(degrees))
    sharp = OpticsParameters(0.15, 0.15)
    shot = shoot(quiet_capture(geometry=geometry_, optics=sharp, sensor=SensorParameters("none", white=0.3)))
    (ux, uy), _ = geometry.linear_part(geometry_)
    assert_same_wave(peak_frequency(shot.moire[0, 1].numpy()), (alias(uy), alias(ux)))


@pytest.mark.parametrize("cfa", PHASES)
@pytest.mark.parametrize("scale", [1.94, 2.05])
def test_red_and_blue_alias_against_every_second_pixel(cfa: str, scale: float) -> None:
    geometry_ = GeometryParameters(scale=scale, rotation=math.radians(1.5))
    shot = shoot(quiet_capture(geometry=geometry_, sensor=SensorParameters(cfa, white=0.3)))
    (ux, uy), _ = geometry.linear_part(geometry_)
    for channel in (0, 2):
        smooth = optics.blur(shot.moire[:, channel : channel + 1], [2.0])[0, 0].numpy()
        assert_same_wave(peak_frequency(smooth), (alias(uy, 0.5), alias(ux, 0.5)))


def test_green_shows_no_band_where_red_and_blue_do() -> None:
    """Along a row the quincunx of green is sampled at every pixel in effect, so near 2 px it does not alias low."""
    shot = shoot(quiet_capture(geometry=GeometryParameters(scale=2.04)))
    smooth = optics.blur(shot.moire, [3.0])[0, :, 20:-20, 20:-20]
    amplitude = smooth.std((1, 2))
    assert amplitude[1] < 0.35 * amplitude[0]
    assert amplitude[1] < 0.35 * amplitude[2]


@pytest.mark.parametrize("reduction", [(1.0, 1.0), (2.0, 1.5)])
def test_without_mask_noise_and_cfa_the_capture_is_its_target(reduction: tuple[float, float]) -> None:
    torch.manual_seed(0)
    parameters = quiet_capture(
        kind="unmasked",
        geometry=GeometryParameters(1.6, 1.01, 0.1, 0.01, (2e-5, 1e-5), 0.03, (300.0, -200.0)),
        sensor=SensorParameters("none", white=0.7, vignetting=0.2, glare=0.03, crosstalk=0.15),
        isp=IspParameters(white_balance=(1.05, 0.95), contrast=0.3, sharpening=0.5),
    )
    shared = DeliveryParameters(reduction, "bicubic")
    content = torch.rand(1, 3, *content_size([parameters], shared, (96, 96)))
    shot = render(content, [parameters], shared, (96, 96))
    assert (shot.moire - shot.clean).abs().max() <= 0.5 / 255 + 1e-5


@pytest.mark.parametrize("layout", sorted(display.LAYOUTS))
@pytest.mark.parametrize("sideways", [False, True])
def test_mask_keeps_energy(layout: str, sideways: bool) -> None:
    cell = display.mask_cell(DisplayParameters(layout, sideways=sideways))
    assert cell.min() >= 0
    assert torch.allclose(cell.mean((1, 2)), torch.ones(3, dtype=torch.float64))
    passed = optics.filter_cell(cell, OpticsParameters(0.4), GeometryParameters(1.7, rotation=0.2))
    assert torch.allclose(passed.mean((1, 2)), torch.ones(3, dtype=torch.float64))
    assert passed.std() < cell.std()


def test_capture_keeps_the_light_of_its_target() -> None:
    """In linear light, and by a demosaicer that cannot overshoot: what it drives below 0 would be clipped."""
    geometry_ = GeometryParameters(1.83, rotation=0.05)
    for layout in display.LAYOUTS:
        dim, linear = SensorParameters(white=0.1), IspParameters("bilinear")
        shot = shoot(quiet_capture(display=DisplayParameters(layout), geometry=geometry_, sensor=dim, isp=linear))
        light, target = (isp.srgb_to_linear(x)[0, :, 8:-8, 8:-8].mean((1, 2)) for x in (shot.moire, shot.clean))
        assert torch.allclose(light, target, rtol=0.02), layout


def test_stripes_of_red_and_blue_change_places_when_reversed() -> None:
    plain, turned = (display.mask_cell(DisplayParameters(reversed=r)) for r in (False, True))
    assert torch.equal(plain.flip(0), turned)
    shifts = [display.subpixel_shift(DisplayParameters(reversed=r))[:, 0] for r in (False, True)]
    assert shifts[0].tolist() == [-1 / 3, 0, 1 / 3]
    assert (shifts[0] == -shifts[1]).all()


@pytest.mark.parametrize("name", sorted(isp.DEMOSAICERS))
@pytest.mark.parametrize("cfa", PHASES)
def test_demosaicing_keeps_a_grey_ramp_grey(name: str, cfa: str) -> None:
    y, x = torch.meshgrid(torch.arange(24.0), torch.arange(30.0), indexing="ij")
    ramp = (0.1 + 0.01 * x + 0.015 * y).expand(1, 3, -1, -1)
    raw, planes = sensor.mosaic(ramp, [cfa])
    colour = isp.demosaic(raw, planes, [name])[..., 3:-3, 3:-3]
    assert torch.allclose(colour, ramp[..., 3:-3, 3:-3], atol=1e-5)


@pytest.mark.parametrize("cfa", PHASES)
def test_cfa_phase(cfa: str) -> None:
    index = sensor.cfa_index(cfa, 3, 5, CPU)
    assert "".join("RGB"[i] for i in index[:2, :2].ravel()) == cfa
    assert torch.equal(index[0:1, 0:3:2], index[2:3, 2:5:2])


def test_mtf_is_that_of_aperture_and_gaussian() -> None:
    f = torch.tensor([0.0, 0.25, 0.5, 1.0])
    zero = torch.zeros(4)
    expected = np.sinc(f.numpy()) * np.exp(-2 * np.pi**2 * 0.3**2 * f.numpy() ** 2)
    assert np.allclose(optics.mtf(f, zero, 0.3, 1.0).numpy(), expected, atol=1e-6)
    assert optics.mtf(f, zero, 0.3, 1.0)[3] == pytest.approx(0, abs=1e-6)


def test_content_blur_makes_up_the_variance_of_aperture_and_psf() -> None:
    for scale, sigma in ((0.8, 0.5), (1.6, 0.5), (2.9, 0.6)):
        times = optics.enlargement(scale)
        added = (optics.content_sigma(scale, sigma, 1.0, times) / times) ** 2
        assert added + 2 / 12 / times**2 == pytest.approx((1 / 12 + sigma**2) / scale**2, rel=1e-6)


def test_positions_follow_the_linear_part() -> None:
    p = GeometryParameters(1.7, 1.01, 0.12, 0.02, phase=(0.3, 0.6))
    u, v = geometry.display_positions([p], 5, 7, CPU)
    assert (u[0, 2, 3].item(), v[0, 2, 3].item()) == pytest.approx((0.3, 0.6), abs=1e-6)
    (ux, uy), (vx, vy) = geometry.linear_part(p)
    moves = [(u, 0, 1, ux), (u, 1, 0, uy), (v, 0, 1, vx), (v, 1, 0, vy)]
    for plane, down, right, expected in moves:
        assert (plane[0, 2 + down, 3 + right] - plane[0, 2, 3]).item() == pytest.approx(expected, abs=1e-5)


def test_perspective_and_distortion_bend_but_do_not_move_the_centre() -> None:
    p = GeometryParameters(2.0, perspective=(1e-4, 0), distortion=0.05, centre=(200.0, 100.0), radius=900.0)
    u, v = geometry.display_positions([p], 201, 201, CPU)
    assert abs(u[0, 100, 100]) < 1e-4
    assert abs(v[0, 100, 100]) < 1e-4
    steps = u[0, 100, 1:] - u[0, 100, :-1]
    assert (steps.max() - steps.min()) / steps.mean() > 0.02


def test_shot_noise_has_the_variance_of_its_photons() -> None:
    signal = torch.full((1, 1, 300, 300), 0.4)
    noisy = sensor.expose(signal, [SensorParameters(photons=500, read_noise=0.01)], [7])
    assert noisy.var().item() == pytest.approx(0.4 / 500 + 0.01**2, rel=0.03)


@pytest.mark.parametrize(("quality", "subsampled"), [(60, False), (85, True), (95, False)])
def test_jpeg_is_that_of_pillow(quality: int, subsampled: bool) -> None:
    y, x = np.mgrid[:96, :112]
    waves = [127 + 80 * np.sin(x / (3 + i) + y / (9 - 2 * i)) + 0.2 * x for i in range(3)]
    picture = np.stack(waves, -1).clip(0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality, subsampling=2 if subsampled else 0)
    theirs = np.asarray(Image.open(buffer)).astype(float)
    tensor = torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255
    ours = delivery.compress(tensor, [JpegParameters((quality,), subsampled)])[0].permute(1, 2, 0).numpy() * 255
    error, loss = np.abs(ours - theirs).mean(), np.abs(picture - theirs).mean()
    assert error < 0.3 * loss


def test_guided_filter_of_a_flat_guide_is_two_box_means() -> None:
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 2, 40, 40, generator=generator)
    found = isp.guided_filter(torch.full((1, 1, 40, 40), 0.4), image, 3)
    box = torch.nn.functional.avg_pool2d(torch.nn.functional.avg_pool2d(image, 7, 1), 7, 1)
    assert torch.allclose(found[..., 6:-6, 6:-6], box, atol=1e-5)


def test_guided_filter_keeps_chroma_at_edges_of_luma() -> None:
    step = (torch.arange(64) >= 32).float().expand(1, 1, 48, 64)
    found = isp.guided_filter(step, 0.3 * step - 0.1, 6)
    assert (found - (0.3 * step - 0.1)).abs().max() < 0.01
    stripes = (torch.arange(64) % 6 < 3).float().expand(1, 1, 48, 64) * 0.2
    assert isp.guided_filter(step * 0 + 0.5, stripes, 6)[..., 12:-12, 12:-12].std() < 0.1 * stripes.std()


def test_wide_smoothing_of_chroma_leaves_luma() -> None:
    image = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    settings = [IspParameters(), IspParameters(chroma_radius=8)]
    before, after = isp.rgb_to_ycc(image), isp.rgb_to_ycc(isp.denoise(image, settings))
    assert torch.allclose(after[0], before[0], atol=1e-5)
    assert torch.allclose(after[1, 0], before[1, 0], atol=1e-5)
    assert after[1, 1:].std() < 0.4 * before[1, 1:].std()


def test_srgb_round_trip() -> None:
    x = torch.linspace(0, 1, 256)
    assert torch.allclose(isp.linear_to_srgb(isp.srgb_to_linear(x)), x, atol=1e-5)


def drawn(seed: int, count: int = 3):
    rng = np.random.default_rng(seed)
    config = SimulatorConfig()
    shared, scale = draw_delivery(config, rng), draw_scale(config, rng)
    return shared, [draw_capture(config, rng, scale) for _ in range(count)]


def test_same_seed_same_bytes_and_pictures_do_not_touch_each_other() -> None:
    for seed in range(3):
        shared, parameters = drawn(seed)
        assert (shared, parameters) == drawn(seed)
        content = torch.rand(3, 3, *content_size(parameters, shared, (48, 64)))
        first, again = (render(content, parameters, shared, (48, 64), labels=True) for _ in range(2))
        assert torch.equal(first.moire, again.moire)
        assert torch.equal(first.clean, again.clean)
        assert torch.equal(first.amplitude, again.amplitude)
        changed = content.clone()
        changed[1:] = 0
        assert torch.equal(render(changed, parameters, shared, (48, 64)).moire[0], first.moire[0])


def test_amplitude_follows_the_contrast_of_the_mask() -> None:
    weak, strong = (
        shoot(quiet_capture(geometry=GeometryParameters(2.06), optics=OpticsParameters(s, s)), labels=True).amplitude
        for s in (0.7, 0.3)
    )
    none = shoot(quiet_capture(kind="unmasked", geometry=GeometryParameters(2.06)), labels=True)
    assert none.amplitude.max() < 1e-3
    assert not none.mask.any()
    assert strong.mean() > 1.5 * weak.mean() > 0


def test_an_unmasked_target_differs_from_its_photo_by_the_moire_alone() -> None:
    noisy = SensorParameters(white=0.4, photons=2000, read_noise=0.001)
    torch.manual_seed(4)
    edges = torch.rand(1, 3, 30, 40).repeat_interleave(10, 2).repeat_interleave(10, 3)
    base = quiet_capture(geometry=GeometryParameters(2.06), sensor=noisy, jpeg=JpegParameters((92,)), target=UNMASKED)
    shot = shoot(base, edges, (96, 128), labels=True)
    assert shot.mask.any()
    seen = local_rms(shot.moire - shot.clean)
    assert (seen - shot.amplitude).abs().max() < 2 / 255
    ideal = shoot(replace(base, target=IDEAL), edges, (96, 128))
    assert torch.equal(ideal.moire, shot.moire)
    alone = shoot(replace(base, kind="unmasked"), edges, (96, 128), labels=True)
    assert not alone.mask.any()
    assert (alone.moire - alone.clean).abs().max() <= 0.5 / 255 + 1e-6
    beside_ideal = shoot(replace(base, kind="unmasked", target=IDEAL), edges, (96, 128))
    assert local_rms(beside_ideal.moire - beside_ideal.clean).mean() > 2 / 255, "edges count there"


def test_untouched_pictures_are_their_own_target() -> None:
    parameters = quiet_capture(kind="untouched", jpeg=JpegParameters((80,), True))
    shot = shoot(parameters, torch.rand(1, 3, 300, 300), (64, 64))
    assert (shot.moire - shot.clean).abs().max() <= 0.5 / 255 + 1e-6


def test_a_photo_without_a_display_is_its_own_target_noise_and_all() -> None:
    noisy = SensorParameters(white=0.5, photons=300)
    shot = shoot(quiet_capture(kind="photo", sensor=noisy, jpeg=JpegParameters((80,))), size=(64, 64))
    assert torch.equal(shot.moire, (shot.clean * 255).round() / 255)
    assert shot.moire.std() > 0.005


def test_command_writes_capture_target_mask_and_parameters(tmp_path, capsys) -> None:
    y, x = np.mgrid[:90, :120]
    Image.fromarray(np.stack([2 * x, 2 * y, x + y], -1).astype(np.uint8)).save(tmp_path / "a.png")
    for name in ("one", "two"):
        arguments = [str(tmp_path / "a.png"), "-o", str(tmp_path / name), "--seed", "5", "--longest", "160"]
        assert main(["simulate", *arguments]) == 0
    files = sorted(p.name for p in (tmp_path / "one").iterdir())
    assert files == ["a_clean.png", "a_mask.png", "a_moire.png", "a_parameters.json"]
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    record = json.loads((tmp_path / "one" / "a_parameters.json").read_text())
    assert Image.open(tmp_path / "one" / "a_moire.png").size == tuple(reversed(record["size"]))
    (tmp_path / "bad.png").write_bytes(b"no picture")
    assert main(["simulate", str(tmp_path / "bad.png"), "-o", str(tmp_path / "x")]) == 1
    assert "'bad.png' cannot be read as a picture" in capsys.readouterr().err
