"""The detector: labels by closed forms, pooling over windows, calibration, what ``detect`` makes of the maps."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from demoire.cli import main
from demoire.detect import Detection, conclude, detect
from demoire.errors import WeightsError
from demoire.evaluate_detector import Scored, summarise
from demoire.loading import ModelCache, load_model
from demoire.look import look
from demoire.models import build_model
from demoire.models.detector import AMPLITUDE_UNIT, Detector
from demoire.models.unet import UNet
from demoire.picture import Picture
from demoire.simulate.capture import VISIBLE
from demoire.stop import Stop
from demoire.tiling import predict_image
from demoire.training.calibration import MOIRE_SHARE, fit_verdict, scale_and_shift
from demoire.training.export import measure_halo, visibility
from demoire.training.labels import PEAK, TEXTURED_SHARE, add_bands, amplitude_label, look_closer, texture_some, visible
from demoire.training.losses import imitation_loss, strength_loss
from demoire.training.tasks import SHUT, Detecting
from tests.tiny import DETECTOR_FIELDS as SMALL
from tests.tiny import LOOK_FIELDS, write_detector


def small_detector(seed: int = 0) -> Detector:
    torch.manual_seed(seed)
    model = build_model("detector", **SMALL)
    assert isinstance(model, Detector)
    return model.eval().requires_grad_(False)


def stripes(amplitude: float, period: float, side: int = 192) -> Tensor:
    wave = amplitude * torch.sin(2 * math.pi * torch.arange(side) / period)
    return wave.expand(1, 3, side, side)


@pytest.mark.parametrize("amplitude", [8 / 255, 20 / 255])
@pytest.mark.parametrize("period", [14, 24])
def test_label_is_the_amplitude_of_a_sine(amplitude: float, period: float) -> None:
    clean = torch.full((1, 3, 192, 192), 0.5)
    label = amplitude_label(clean + stripes(amplitude, period), clean, least=0)
    assert label.shape == (1, 1, 48, 48)
    assert label.mean().item() == pytest.approx(amplitude, rel=0.12)
    assert visible(label).all()


def test_label_passes_over_a_change_of_tone_and_weak_noise() -> None:
    torch.manual_seed(1)
    clean = torch.full((1, 3, 128, 128), 0.5)
    assert not amplitude_label(clean + 0.1, clean).any()
    assert not visible(amplitude_label(clean + 4 / 255 * torch.randn_like(clean), clean)).any()


def test_bands_are_drawn_on_part_of_a_picture_and_in_all_strengths() -> None:
    clean = torch.full((24, 3, 96, 96), 0.5)
    generator = torch.Generator().manual_seed(3)
    difference = (add_bands(clean, generator) - clean).abs()
    touched = (difference.sum(1) > 1 / 255).float().mean((1, 2))
    assert 0.2 < touched.mean() < 0.7
    assert difference.amax((1, 2, 3)).max() < 40 / 255 * 3
    assert difference.amax((1, 2, 3)).std() > 5 / 255


def test_windows_are_cut_or_sampled_sparsely_and_alike_from_both_of_a_pair() -> None:
    rows, columns = torch.meshgrid(torch.arange(96.0), torch.arange(96.0), indexing="ij")
    places = torch.stack([rows, columns, 0 * rows]).expand(16, 3, 96, 96)
    moire, clean = look_closer(places + 1000, places, 48, torch.Generator().manual_seed(5))
    assert torch.equal(moire, clean + 1000)
    assert clean.shape == (16, 3, 48, 48)
    down, across = clean[:, 0, :, 0].diff(), clean[:, 1, 0].diff()
    assert ((down >= 1) & (down <= 2) & (across >= 1) & (across <= 2)).all()
    plain = (down == 1).all(1) & (across == 1).all(1)
    assert 4 <= plain.sum() <= 12
    assert not torch.equal(down, across)


def test_some_targets_become_textures() -> None:
    clean = torch.rand(40, 3, 64, 64)
    mixed, again = (texture_some(clean, torch.Generator().manual_seed(4)) for _ in range(2))
    assert torch.equal(mixed, again)
    kept = [torch.equal(a, b) for a, b in zip(mixed, clean, strict=True)]
    assert sum(kept) / 40 == pytest.approx(1 - TEXTURED_SHARE, abs=0.2)
    assert mixed.min() >= 0 and mixed.max() <= 1
    textures = mixed[~torch.tensor(kept)]
    assert all(len(torch.unique(a)) > 1 for a in textures)
    assert not torch.equal(textures[0], textures[1])
    assert texture_some(clean[:0], torch.Generator()).shape == (0, 3, 64, 64)


def test_crops_that_are_no_larger_stay_as_they_are() -> None:
    images = torch.rand(2, 3, 48, 48)
    assert look_closer(images, images, 48, torch.Generator())[0] is images


@pytest.mark.parametrize("size", [(128, 128), (256, 512), (384, 128)])
def test_shapes_and_windows(size: tuple[int, int]) -> None:
    model = small_detector()
    maps, measures = model(torch.rand(2, 3, *size))
    assert maps.shape == (2, 2, size[0] // 4, size[1] // 4)
    assert (maps[:, 0] >= 0).all()
    assert measures.shape == (2, 7, size[0] // 64, size[1] // 64)
    assert (measures >= 0).all()
    rows, columns = (side // 64 - 1 for side in size)
    assert model.judge(measures).shape == (2, rows, columns)


def test_every_position_is_in_a_window() -> None:
    model = small_detector()
    for height in range(1, 12):
        for place in range(height):
            measures = torch.zeros(1, 1, height, 5)
            measures[0, 0, place] = 1
            assert model.windows(measures).max() >= 1 / 4


def test_what_is_to_be_taken_out_is_measured() -> None:
    """The last layer adds waves of known amplitude and nothing else, the gate is half open."""
    model = small_detector()
    plain, fine = torch.full((1, 3, 256, 384), 0.5), 12
    grid = torch.zeros(12)
    grid[1::2] = -fine / 255  # every second column of pixels, red, green and blue
    with torch.no_grad():
        model.cnn.head.bias.copy_(grid)
    maps, measures = model(plain)
    power, luma, colour, *of_picture, irregular, shown = measures[0, :, 1, 2].tolist()
    assert power == pytest.approx((fine / 2 / 2) ** 2, rel=1e-3)  # of its mean over two columns, half let through
    assert luma > 0.5  # a grid of two pixels is periodic
    assert colour == 0  # it is grey
    assert of_picture == [0, 0] and irregular == 1
    assert shown == pytest.approx(float(torch.sigmoid(maps[0, 1, 16:32, 32:48]).mean()), rel=1e-4)


def test_bands_of_the_picture_are_measured() -> None:
    model = small_detector()
    told: list[Tensor] = []
    model.tell.register_forward_hook(lambda _, inputs, __: told.append(inputs[0][0]))
    # One period is as long as the square whose mean is taken away, which is none then.
    wave = 10 / 255 * torch.sin(2 * math.pi * (torch.arange(384) + 0.5) / 42)
    finer = torch.tensor([0.48, 0.52]).repeat(192)  # grids are no bands
    measures = [model(row.expand(1, 3, 256, 384))[1][0] for row in (0.5 + wave, finer)]
    assert [float(m[:3].max()) for m in measures] == [0, 0]  # the untrained CNN takes nothing out
    assert float(measures[0][3, 1, 2]) > 0.5 and float(measures[0][4].max()) == 0  # periodic, and grey
    far, detail = ((row.exp() ** 2 - 0.01)[:, 10:-10] for row in (told[0][5], told[1][3]))
    assert float(far.mean()) == pytest.approx((10 * math.cos(math.pi / 42)) ** 2 / 2, rel=0.02)
    assert float(told[1][5].exp().square().max()) - 0.01 < 1e-4
    assert float(detail.mean()) == pytest.approx((0.02 * 255) ** 2, rel=1e-3)


def test_what_is_too_weak_to_show_is_not_visible() -> None:
    """However surely the maps see it; the limit is that of the labels."""
    model = small_detector()
    with torch.no_grad():
        model.visibility.weight.zero_()
        model.visibility.bias.fill_(20)
    sine = torch.sin(2 * math.pi * (torch.arange(512) + 0.5) / 20).expand(1, 3, 512, 512) / 255
    for amplitude, shown in ((2.0, False), (16.0, True)):
        waves = amplitude * sine
        said, logit = model(0.5 + waves)[0][0, :, 48:80, 48:80]
        assert bool(visible(amplitude_label(0.5 + waves, waves * 0 + 0.5, least=0.0))[..., 48:80, 48:80].all()) is shown
        assert bool((logit > 0).all()) is shown
        assert torch.allclose(logit, 4 * torch.log(said * 8 / 4), atol=1e-4)
    assert abs(VISIBLE * PEAK * 255 - 4) < 0.05


def test_measures_are_not_rounded_while_the_network_computes_in_bfloat16() -> None:
    model, features = small_detector(), list[Tensor]()
    image, taken = torch.rand(1, 3, 128, 256), torch.rand(1, 12, 64, 128) / 100
    gate = model.cnn.taken(image, features)[1]
    told: list[Tensor] = []
    model.tell.register_forward_hook(lambda _, inputs, __: told.append(inputs[0]))
    found = []
    for bfloat16 in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            found.append(model.describe(image, taken, gate, features))
    assert torch.equal(told[0], told[1])
    assert torch.equal(found[0][1][:, :6], found[1][1][:, :6])
    assert not torch.equal(found[0][0][:, 1], found[1][0][:, 1]), "the maps themselves are in bfloat16"


def test_either_of_both_verdicts_is_enough() -> None:
    """Strong and periodic, or periodic where moire shows: logarithms of a product, and the odds of one."""
    model = small_detector()
    with torch.no_grad():
        model.by_bands.weight.fill_(1)
        model.by_bands.bias.zero_()
    measures = torch.tensor([4.0, 0.5, 0.2, 0.1, 0.6, 0.45, 0.5])[None, :, None, None].expand(1, 7, 2, 2)
    strength = math.log(4.01 * 0.503 * 0.203 * 0.6) / 2 + 3 * math.log(0.5)
    odds = math.log(0.3 / 0.7)
    assert model.verdicts(measures).flatten().tolist() == pytest.approx([strength, odds], abs=1e-5)
    either = math.log(math.exp(strength) + math.exp(odds))
    assert float(model.judge(measures).detach()) == pytest.approx(either, abs=1e-5)
    nothing = model.verdicts(torch.zeros(1, 7, 2, 2))
    assert torch.isfinite(nothing).all()


def test_maps_do_not_teach_what_is_taken_out() -> None:
    """But the features that it is made of, and that they are made of, too."""
    model = build_model("detector", **SMALL)
    assert isinstance(model, Detector)
    model(torch.rand(1, 3, 128, 128))[0].sum().backward()
    taught = {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None}
    assert taught == {"visibility", "correct", "context", "laterals", "tell", "cnn"}
    kept = {name.split(".")[0] for name, p in model.cnn.named_parameters() if p.grad is None}
    assert {"gate", "head"} <= kept


def test_a_larger_network_does() -> None:
    """Once it takes out what its teacher does, nothing is left to learn."""
    teacher, picture = load_model("cnn-fast").module, torch.rand(1, 3, 128, 128)
    assert isinstance(teacher, UNet)
    student = UNet(replace(teacher.config, decoder_blocks=(0, 1, 0)))
    student.begin_with(teacher.state_dict())
    with torch.no_grad():
        wanted = teacher.taken(picture)
        least = float(imitation_loss(wanted, wanted))
    loss = imitation_loss(student.taken(picture), wanted)
    loss.backward()
    assert loss.item() > least + 0.1
    assert all(p.grad is not None for p in student.parameters())
    entropy = F.binary_cross_entropy_with_logits(wanted[1], torch.sigmoid(wanted[1]))
    assert least == pytest.approx(float(entropy))
    off = wanted[0] + 3 / 255, wanted[1]
    gate = float(torch.sigmoid(F.interpolate(wanted[1], wanted[0].shape[-2:], mode="bilinear")).mean())
    assert float(imitation_loss(off, wanted)) - least == pytest.approx(3 + 3 * gate, rel=1e-3)


def test_of_pictures_without_moire_nothing_is_wanted() -> None:
    """Those are the first quarter, and a teacher would take some of their texture."""
    torch.manual_seed(0)
    task, moire, clean = Detecting(side=128), torch.rand(8, 3, 128, 128), torch.rand(8, 3, 128, 128)
    image, amplitude = task._varied(moire, clean)
    assert len(image) == 8 and not amplitude[:2].any() and amplitude[4:].any()
    taken, gate = task._wanted(image)
    teacher = load_model("cnn-fast").module
    assert isinstance(teacher, UNet)
    with torch.no_grad():
        usual = teacher.taken(image)
    assert usual[0][:2].any() and not taken[:2].any() and (gate[:2] == SHUT).all()
    assert torch.allclose(taken[2:], usual[0][2:], atol=1e-4) and torch.allclose(gate[2:], usual[1][2:], atol=1e-3)


def test_strength_of_a_picture_is_that_of_its_mask() -> None:
    true, mask = torch.zeros(2, 1, 8, 8), torch.zeros(2, 1, 8, 8)
    true[0, :, :4], mask[0, :, :4] = 2.0, 1.0
    found = true * 3 + (1 - mask) * 9  # three times as much, and anything where nothing counts
    assert float(strength_loss(found, true, mask)) == pytest.approx(math.log(3), rel=1e-3)
    assert float(strength_loss(true, true, mask)) == 0


def test_most_of_the_bands_that_are_added_are_short() -> None:
    generator, flat = torch.Generator().manual_seed(0), torch.full((400, 1, 96, 96), 0.5).expand(-1, 3, -1, -1)
    added = (add_bands(flat, generator) - flat)[:, 0]
    spectra = torch.fft.rfft2(added).abs()
    rows, columns = torch.fft.fftfreq(96)[:, None], torch.fft.rfftfreq(96)[None]
    peaks = torch.hypot(rows, columns).flatten()[spectra.flatten(1).argmax(1)]
    covered = added.abs().amax((1, 2)) > 4 / 255
    assert 0.5 < float((peaks[covered] > 1 / 16).float().mean()) < 0.7
    assert float(peaks.max()) < 1 / 5.5


def test_tiles_give_the_maps_of_the_whole() -> None:
    model = small_detector()
    needs = model.needs
    image = torch.rand(3, 256, 2304)
    with torch.no_grad():
        model.cnn.head.weight.normal_(0, 0.1)
    maps, measures = model(image[None])

    def look(x: Tensor) -> Tensor:
        maps, measures = model(x)
        return torch.cat([m.repeat_interleave(s, 2).repeat_interleave(s, 3) for m, s in ((maps, 4), (measures, 64))], 1)

    tiled = predict_image(look, image, needs.size_multiple, needs.halo, 2 * needs.halo + 128)
    assert (tiled[:2, ::4, ::4] - maps[0]).abs().max() < 1e-5
    assert (tiled[2:, ::64, ::64] - measures[0]).abs().max() < 1e-3 * measures.abs().max()


def test_halo_of_export_is_enough_for_what_is_seen() -> None:
    model = small_detector()
    with torch.no_grad():
        model.cnn.head.weight.normal_(0, 0.1)
        model.visibility.weight.mul_(8)
    photo, needs, seen = torch.rand(3, 128, 2304), model.needs, visibility(model)
    assert seen(photo[None]).shape == (1, 1, 128, 2304)
    halo = measure_halo(seen, needs, [photo], 0.01)
    assert 0 < halo <= needs.receptive_field
    whole = predict_image(seen, photo, needs.size_multiple, 0)
    tiled, short = (predict_image(seen, photo, needs.size_multiple, h, 2 * h + 128) for h in (halo, halo - 128))
    assert (tiled - whole).abs().max() <= 0.01 < (short - whole).abs().max()


def test_of_large_pictures_half_is_looked_at_and_the_rest_like_its_neighbours(
    detector_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("demoire.look.MOST_LOOKED", 700_000)
    loaded = load_model("detector", weights=detector_weights)
    pixels = np.random.default_rng(3).integers(0, 256, (1300, 1290, 3), np.uint8)
    logits, amplitude, visible = look(loaded, pixels, Stop())
    assert amplitude.shape == visible.shape == (325, 323)
    assert logits.shape == (1, 2)
    # Of 1408 rows those of one square in the middle, of 1408 columns those of two.
    top, lefts = 384, (0, 768)
    for number, left in enumerate(lefts):
        square = torch.from_numpy(pixels[top : top + 512, left : left + 512]).permute(2, 0, 1)[None] / 255
        with torch.inference_mode():
            maps, measures = loaded.module(square)
            assert logits[0, number] == pytest.approx(float(loaded.module.judge(measures).max()), abs=1e-4)
        seen = amplitude[top // 4 : top // 4 + 128, left // 4 : left // 4 + 128]
        assert np.allclose(seen, maps[0, 0].numpy() * 8, atol=1e-3)
    for outside, nearest in ((128, 127), (159, 127), (160, 192), (191, 192), (320, 319), (322, 319)):
        assert np.array_equal(amplitude[:, outside], amplitude[:, nearest])
    for outside, nearest in ((0, 96), (95, 96), (224, 223), (324, 223)):
        assert np.array_equal(amplitude[outside], amplitude[nearest])


def test_strength_and_area_are_those_of_what_is_visible() -> None:
    amplitude = np.full((16, 16), 16, np.float32)
    visible = np.zeros((16, 16), np.float32)
    visible[:8] = 1
    amplitude[8:] = 99
    found = conclude(np.array([[-4.0, 2.0]], np.float32), amplitude, visible, 0.1)
    assert found.strength == 0.5
    assert found.area == 0.5
    assert found.probability == pytest.approx(1 / (1 + math.exp(-2)))
    assert (found.found, found.level) == (True, "strong")
    visible[8:], amplitude[8:] = 0.25, 0
    assert conclude(np.zeros((1, 1), np.float32), amplitude, visible, 0).strength == pytest.approx(0.5 * 0.8**0.5)


def test_nothing_visible_is_no_strength() -> None:
    nothing = np.zeros((4, 4), np.float32)
    found = conclude(np.array([[-2.0]], np.float32), nothing + 1, nothing, 0.1)
    assert (found.strength, found.area, found.level) == (0.0, 0.0, "none")


def test_another_model_is_refused(weights: Path) -> None:
    with pytest.raises(WeightsError, match="does not detect"):
        look(load_model("tiny", weights=weights), np.zeros((8, 8, 3), np.uint8), Stop())


@pytest.mark.parametrize("size", [(1, 1), (5, 33), (300, 41)])
def test_small_and_odd_pictures_are_looked_at(detector_weights: Path, size: tuple[int, int]) -> None:
    found = detect(Picture(np.zeros((*size, 3), np.uint8)), ModelCache(weights=detector_weights))
    assert found.mask.shape == (math.ceil(size[0] / 4), math.ceil(size[1] / 4))


def test_sixteen_bits_are_seen_like_eight(detector_weights: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    models = ModelCache(weights=detector_weights)
    first, second = (detect(Picture(p), models) for p in (pixels, pixels.astype(np.uint16) * 257))
    assert first.probability == pytest.approx(second.probability, abs=1e-5)
    assert np.array_equal(first.mask, second.mask)


def test_calibration_finds_the_scale_of_known_probabilities() -> None:
    generator = torch.Generator().manual_seed(0)
    truth = torch.randn(4000, generator=generator) * 2
    positive = torch.rand(4000, generator=generator) < torch.sigmoid(truth)
    scale, shift = scale_and_shift((truth[:, None] - 0.7) / 3, positive)
    assert scale == pytest.approx(3, rel=0.1)
    assert shift == pytest.approx(0.7, abs=0.15)


def test_the_verdict_is_fitted_to_the_highest_window() -> None:
    generator = torch.Generator().manual_seed(0)
    model, truth = small_detector(), small_detector()
    with torch.no_grad():
        truth.by_cnn.weight.fill_(3)
        truth.by_cnn.bias.fill_(6)
        measures = torch.rand(1500, 7, 3, 3, generator=generator) ** 3
        measures[:, 0] *= 2
        measures[:, 5] = 1 - measures[:, 5] / 10  # as good as all pictures are irregular
        expected = torch.sigmoid(truth.verdicts(measures)[:, 0].amax((1, 2)))
        positive = torch.rand(1500, generator=generator) < expected
    fit_verdict(model, measures, positive)
    logits = model.verdicts(measures)[:, 0].amax((1, 2))
    # As if one in three were positive.
    found = torch.sigmoid(logits + torch.logit(positive.float().mean()) - math.log(MOIRE_SHARE / (1 - MOIRE_SHARE)))
    assert 0.2 < float(positive.float().mean()) < 0.8
    assert float((found - expected).abs().mean()) < 0.03
    assert not any(p.requires_grad for p in model.parameters())


def test_bands_are_even_odds_where_most_of_a_window_shows_them() -> None:
    measures = torch.tensor([0.0, 0, 0, 0.875, 0.5, 1, 0.8])[None, :, None, None].expand(1, 7, 2, 2)
    assert small_detector().verdicts(measures)[0, 1].item() == pytest.approx(0, abs=1e-5)


def test_amplitudes_are_what_is_measured_and_can_be_corrected_within_limits() -> None:
    """The power of bands by a half up and down, that of what is taken out by a factor of the root of two."""
    wave = (12 / 255 * torch.sin(2 * math.pi * torch.arange(384) / 12)).expand(1, 3, 256, 384)
    nothing = torch.zeros_like(wave)

    def found(image: Tensor, added: Tensor, corrections: tuple[float, float]) -> float:
        model, features = small_detector(), list[Tensor]()
        model.correct.weight.zero_()
        model.correct.bias.copy_(torch.tensor(corrections))
        gate = model.cnn.taken(image, features)[1]
        maps = model.describe(image, F.pixel_unshuffle(added, 2), torch.full_like(gate, 99), features)[0]
        return float(maps[0, 0, 20:-20, 20:-20].median()) * AMPLITUDE_UNIT

    bands = found(0.5 + wave, nothing, (0, 0))
    assert bands == pytest.approx(12, rel=0.1)
    limits = [found(0.5 + wave, nothing, (9, correction)) for correction in (99, -99)]
    assert limits == pytest.approx([bands * 1.5**0.5, bands * 0.5**0.5], rel=1e-3)
    taken = found(nothing + 0.5, -wave, (0, 0))
    soft, around = math.cos(math.pi / 12) ** 3, -12 / (42 * math.pi)  # blurred by 1 px, less the mean of 42 px
    assert taken == pytest.approx(12 * soft * (1 - around), rel=0.01)
    limits = [found(nothing + 0.5, -wave, (correction, 9)) for correction in (99, -99)]
    assert limits == pytest.approx([taken * 2**0.25, taken / 2**0.25], rel=1e-3)
    assert found(0.5 + wave, -wave, (0, 0)) == pytest.approx(max(taken, bands), rel=0.05)  # of the same bands


def test_calibration_finds_different_scales_on_both_sides_of_zero() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(20_000, generator=generator) * 3
    sides = torch.stack([-F.softplus(-logits), F.softplus(logits)], 1)
    positive = torch.rand(len(logits), generator=generator) < torch.sigmoid(sides @ torch.tensor([0.5, 2.0]) - 0.3)
    more = math.log(float(positive.sum() / (~positive).sum()))  # than if both classes were equally frequent
    assert scale_and_shift(sides, positive) == pytest.approx([0.5, 2.0, -0.3 - more], abs=0.15)


def test_calibration_of_separable_classes_stays_finite() -> None:
    logits = torch.tensor([[-2.0], [-1.0], [1.0], [2.0]])
    scale, shift = scale_and_shift(logits, torch.tensor([False, False, True, True]))
    assert 0 < scale < 10
    assert abs(shift) < 0.1


def test_detecting_learns_to_see_stripes() -> None:
    torch.manual_seed(1)
    model, task = build_model("detector"), Detecting()
    assert isinstance(model, Detector)
    model.begin_with(load_model("cnn-fast").module.state_dict())
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 3e-3)
    clean = torch.rand(4, 3, 1, 1).expand(4, 3, 128, 128) * 0.5 + 0.25
    moire = clean + torch.cat([stripes(20 / 255, 12, 128) * side for side in (0, 1, 0, 1)])
    losses = []
    for _ in range(150):
        loss = task.loss(model, moire, clean)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert np.mean(losses[-20:]) < 0.8 * np.mean(losses[:20])


def test_summary_counts_right_verdicts() -> None:
    def seen(probability: float, strength: float = 0.0) -> Detection:
        return Detection(probability, strength, 0.1, np.zeros((1, 1), bool), 0.0)

    scored = [
        Scored("a", True, seen(0.9, 0.5), 0.4),
        Scored("b", True, seen(0.4, 0.2), 0.3),
        Scored("c", True, seen(0.7, 0.1), 0.1),
        Scored("d", False, seen(0.6)),
        Scored("e", False, seen(0.1)),
    ]
    summary = summarise(scored)
    assert (summary.positives, summary.negatives) == (3, 2)
    assert summary.auc == pytest.approx(5 / 6)
    assert summary.accuracy == pytest.approx(3 / 5)
    assert summary.false_alarms == 0.5
    assert summary.strength_correlation == pytest.approx(1)


def test_visible_threshold_is_the_simulators() -> None:
    assert not visible(torch.tensor(VISIBLE * PEAK * 0.99))
    assert visible(torch.tensor(VISIBLE * PEAK * 1.01))


@pytest.fixture(scope="module")
def detector_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    write_detector(folder)
    return folder


def test_command_line(detector_weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photo, broken = tmp_path / "a photo.png", tmp_path / "broken.jpg"
    Image.new("RGB", (50, 31), "grey").save(photo)
    broken.write_bytes(b"no picture")
    arguments = ["detect", str(photo), str(broken), "--weights", str(detector_weights), "--mask", str(tmp_path / "m")]
    assert main([*arguments, "--json"]) == 1
    out, error = capsys.readouterr()
    first, second = map(json.loads, out.splitlines())
    assert first["input"] == str(photo)
    assert 0 <= first["probability"] <= 1
    assert 0 <= first["strength"] <= 1
    assert 0 <= first["area"] <= 1
    with Image.open(first["mask"]) as mask:
        assert mask.size == (50, 31)
    assert second["input"] == str(broken)
    assert second["error"] in error
    assert main(["detect", str(photo), "--weights", str(detector_weights)]) == 0
    assert "probability" in capsys.readouterr().out


def test_detector_settings_are_checked() -> None:
    with pytest.raises(ValueError, match="three to five levels"):
        build_model("detector", cnn={"channels": [4, 8], "encoder_blocks": [0, 0], "decoder_blocks": [0]})


def test_it_begins_with_what_a_restoring_network_has_learnt() -> None:
    model, fresh = small_detector(), small_detector()
    deeper = {**LOOK_FIELDS, "encoder_blocks": [1, 0, 0], "decoder_blocks": [1, 0]}
    restoring = build_model("unet", **deeper).state_dict()
    model.begin_with(restoring)
    for name, value in model.cnn.state_dict().items():
        assert torch.equal(value, restoring[name])
    assert torch.equal(model.visibility.weight, fresh.visibility.weight)
    again = small_detector(2)
    again.begin_with(model.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), model.parameters(), strict=True))
    with pytest.raises(RuntimeError):
        model.begin_with(build_model("unet").state_dict())


def test_its_cnn_may_be_narrower_at_the_finest_level() -> None:
    model, fresh = small_detector(), small_detector()
    wider = {**LOOK_FIELDS, "channels": [model.config.cnn.channels[0] + 4, *model.config.cnn.channels[1:]]}
    restoring = build_model("unet", **wider).state_dict()
    model.begin_with(restoring)
    own, before = model.cnn.state_dict(), fresh.cnn.state_dict()
    assert torch.equal(own["gate.weight"], restoring["gate.weight"])
    assert torch.equal(own["downs.1.weight"], restoring["downs.1.weight"])
    assert torch.equal(own["stem.weight"], before["stem.weight"])
