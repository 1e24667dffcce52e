"""Restoring frame by frame: still models, models with a memory in tiles, cuts, flicker."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from demoire.catalog import load_catalog
from demoire.clips.clip import Pixels
from demoire.clips.cuts import CutDetector
from demoire.clips.flicker import FlickerMeter, translation
from demoire.clips.frames import RecurrentRestorer, StillRestorer, open_restorer
from demoire.clips.restoring import ClipRestored, restore_clip
from demoire.errors import CancelledError, WeightsError
from demoire.loading import LoadedModel, ModelCache
from demoire.models import Needs, build_model
from demoire.models.motion import Motion
from demoire.picture import Picture
from demoire.restore import Restored, RestoreOptions, restore
from tests.clipping import Clip, SteadyRestorer, make_clip
from tests.pictures import screen


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def hand(number: int, height: int = 90, width: int = 120, bands: float = 0.0) -> Pixels:
    """A screen seen from a hand: a few pixels of motion; bands that move much faster."""
    whole = screen(height + 24, width + 24, seed=4).astype(float)
    top, left = 12 + round(6 * np.sin(number / 3)), 12 + round(5 * np.cos(number / 4))
    view = whole[top : top + height, left : left + width]
    y, x = np.mgrid[:height, :width]
    wave = bands * np.sin(2 * np.pi * (x / 17 + y / 40 + number * 0.37))[..., None] * np.array([1, -1, 0.6])
    return np.clip(np.rint(view + wave), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("tile", [None, 96])
def test_a_still_model_does_to_frames_what_it_does_to_photos(tile: int | None, weights: Path) -> None:
    models, options = ModelCache(weights), RestoreOptions(model="tiny", tile=tile, device="cpu")
    with open_restorer(models, options) as restorer:
        assert isinstance(restorer, StillRestorer) and restorer.model == "tiny"
        for number in range(2):
            frame = hand(number, 110, 133)
            *_, photo = restore(Picture(frame), options, models)
            assert isinstance(photo, Restored)
            assert np.array_equal(restorer.restore(frame), photo.picture.pixels)


def test_models_are_loaded_and_planned_once(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import demoire.clips.frames as frames

    plans: list[object] = []
    original = frames.plan

    def counted(*args: object) -> object:
        plans.append(args)
        return original(*args)

    monkeypatch.setattr(frames, "plan", counted)
    with open_restorer(ModelCache(weights), RestoreOptions(model="identity", device="cpu")) as restorer:
        for number in range(3):
            assert np.array_equal(restorer.restore(hand(number)), hand(number))
        assert len(plans) == 1
        restorer.restore(hand(0, 60, 60))
        assert len(plans) == 2


def test_a_frame_can_be_cancelled(weights: Path) -> None:
    with open_restorer(ModelCache(weights), RestoreOptions(model="tiny", device="cpu")) as restorer:
        with pytest.raises(CancelledError):
            restorer.restore(hand(0), lambda: True)
        assert restorer.restore(hand(0)).shape == (90, 120, 3)


def test_where_memory_runs_out_the_next_frames_are_planned_smaller(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_restorer(ModelCache(weights), RestoreOptions(model="tiny", device="cpu")) as restorer:
        assert isinstance(restorer, StillRestorer)
        engine = restorer._engine
        expected = restorer.restore(hand(0, 240, 200))
        module, seen = engine.loaded.module, []
        forward = module.forward

        def short(frame: Tensor) -> Tensor:
            seen.append(frame.shape[-2:])
            if frame.shape[-2] * frame.shape[-1] > 40000:
                raise RuntimeError("not enough memory")
            return forward(frame)

        monkeypatch.setattr(module, "forward", short)
        for _ in range(2):
            assert np.abs(restorer.restore(hand(0, 240, 200)).astype(int) - expected).max() <= 1
        assert [notice.code for notice in restorer.notices] == ["smaller_tiles"]
        assert sum(height * width > 40000 for height, width in seen) == 1


class Remembering(nn.Module):
    """A tiny recurrent network: a full-size level that fades, and a half-size one that is convolved again and again."""

    needs = Needs(size_multiple=4, receptive_field=2, halo=4)
    fusing_field = 4

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.near, self.deep = nn.Conv2d(5, 2, 3, padding=1), nn.Conv2d(6, 3, 3, padding=1)
        self.look, self.head = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(8, 3, 1)

    def forward(self, frame: Tensor) -> Tensor:
        return frame + 0.05 * self.look(frame)

    def start(self, height: int, width: int) -> tuple[Tensor, ...]:
        return torch.zeros(1, 2, height, width), torch.zeros(1, 3, height // 2, width // 2)

    def align(self, state: tuple[Tensor, ...], alone: Tensor) -> tuple[Tensor, ...]:
        moved = torch.roll(state[0], 2, 3) + 0.01 * alone.mean(), torch.roll(state[1], 1, 3)
        return moved  # farther than any halo, but whole

    def fuse(self, x: Tensor, alone: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        near = 0.5 * state[0] + 0.5 * torch.tanh(self.near(torch.cat([alone, state[0]], 1)))
        small = nn.functional.avg_pool2d(x, 2)
        deep = 0.7 * state[1] + 0.3 * torch.tanh(self.deep(torch.cat([small, state[1]], 1)))
        large = nn.functional.interpolate(deep, scale_factor=2, mode="nearest")
        return alone + 0.2 * self.head(torch.cat([x, near, large], 1)), near, deep


@pytest.fixture
def remembering(weights: Path) -> LoadedModel:
    entry = replace(load_catalog(weights)["tiny"], id="remembering", family="rnn")
    return LoadedModel(Remembering().eval().requires_grad_(False), Remembering.needs, entry, "bundled")


def test_tiles_of_a_recurrent_model_equal_the_whole_after_many_frames(remembering: LoadedModel) -> None:
    whole = RecurrentRestorer(remembering, RestoreOptions(device="cpu"))
    tiled = RecurrentRestorer(remembering, RestoreOptions(device="cpu", tile=32))
    for number in range(33):
        frame = hand(number, 58, 75, bands=12)
        expected, got = whole.restore(frame), tiled.restore(frame)
        assert np.abs(expected.astype(int) - got).max() <= 1
    assert len(tiled.fusing.windows) > 4 and len(whole.fusing.windows) == 1
    fresh = RecurrentRestorer(remembering, RestoreOptions(device="cpu"))
    assert np.abs(fresh.restore(frame).astype(int) - expected).max() > 1  # else there was no memory to speak of


def known_motion(number: int) -> Tensor:
    """From pixels of frame ``number`` of ``hand`` to those of the one before."""
    matrix = torch.eye(3, dtype=torch.float64)
    matrix[0, 2] = round(5 * np.cos(number / 4)) - round(5 * np.cos((number - 1) / 4))
    matrix[1, 2] = round(6 * np.sin(number / 3)) - round(6 * np.sin((number - 1) / 3))
    return matrix


def test_the_recurrent_architecture_in_tiles(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given the same motion: estimating it makes more of differences in the last digit than networks do."""
    torch.manual_seed(1)
    look = {"channels": [4, 4, 4], "encoder_blocks": [0, 0, 0], "decoder_blocks": [0, 0], "context_blocks": 0}
    module = build_model("recurrent", look=look, channels=[4, 4, 4], blocks=[0, 0, 0]).eval()
    with torch.no_grad():  # else it is the mean of all frames
        module.get_submodule("head").weight.normal_(std=0.02)
    entry = replace(load_catalog(weights)["tiny"], id="rnn", family="rnn")
    loaded = LoadedModel(module.requires_grad_(False), module.needs, entry, "bundled")
    whole = RecurrentRestorer(loaded, RestoreOptions(device="cpu"))
    tiled = RecurrentRestorer(loaded, RestoreOptions(device="cpu", tile=2 * module.needs.halo + 16))
    for number in range(5):
        motion = Motion(known_motion(number), 1.0)
        monkeypatch.setattr("demoire.models.recurrent.estimate_motion", lambda *_, motion=motion: motion)
        frame = hand(number, 130, 150, bands=12)
        expected = whole.restore(frame)
        assert np.abs(expected.astype(int) - tiled.restore(frame)).max() <= 1
    assert len(tiled.fusing.windows) > 1


def test_a_recurrent_model_forgets_when_told(remembering: LoadedModel) -> None:
    restorer = RecurrentRestorer(remembering, RestoreOptions(device="cpu"))
    first = restorer.restore(hand(0))
    assert not np.array_equal(restorer.restore(hand(0)), first)
    restorer.reset()
    assert np.array_equal(restorer.restore(hand(0)), first)


def test_a_cancelled_frame_leaves_the_memory_as_it_was(remembering: LoadedModel) -> None:
    restorer = RecurrentRestorer(remembering, RestoreOptions(device="cpu", tile=32))
    other = RecurrentRestorer(remembering, RestoreOptions(device="cpu", tile=32))
    restorer.restore(hand(0))
    other.restore(hand(0))
    asked: list[int] = []
    with pytest.raises(CancelledError):
        restorer.restore(hand(1), lambda: len(asked) > 40 or asked.append(1) is not None)
    assert np.array_equal(restorer.restore(hand(2)), other.restore(hand(2)))


def test_models_that_restore_nothing_are_refused(remembering: LoadedModel) -> None:
    with pytest.raises(WeightsError, match="restores no pictures"):
        StillRestorer(replace(remembering, entry=replace(remembering.entry, family="detector")), RestoreOptions())


def slide(seed: int) -> Pixels:
    """A page of a presentation: mostly white, with lines of text and a picture elsewhere on each."""
    random = np.random.default_rng(seed)
    page = np.full((180, 240, 3), 245, np.uint8)
    for line in range(4):
        top, left = 16 + 34 * line + int(random.integers(0, 16)), int(random.integers(8, 80))
        page[top : top + 8, left : left + int(random.integers(60, 140)) : 3] = 40
    top, left = random.integers(20, 80, 2)
    page[top : top + 70, left + 40 : left + 130] = random.integers(30, 200, 3)
    return page


def test_cuts_are_found_and_a_hand_is_none() -> None:
    shots = [[hand(number, bands=25) for number in range(20)], [slide(1)] * 4, [slide(2)] * 4, [255 - slide(2)] * 3]
    detector, number, found, expected = CutDetector(), 0, [], []
    for shot in shots:
        expected += [number] if number else []
        for frame in shot:
            found += [number] if detector.add(frame) else []
            number += 1
    assert found == expected


def test_bands_light_and_pans_are_no_cuts() -> None:
    flat = np.full((90, 120, 3), 150, np.uint8)
    x = np.arange(120) + np.zeros((90, 1))
    detector = CutDetector()
    for number in range(12):
        wave = 22 * np.sin(2 * np.pi * (x / 40 + number * 0.4))[..., None] * np.array([1, -1, 0.5])
        assert not detector.add(np.clip(flat + wave, 0, 255).astype(np.uint8))
    detector = CutDetector()
    for number in range(12):
        assert not detector.add((hand(number) * (0.6 + 0.03 * number)).astype(np.uint8))
    page, detector = np.tile(slide(3), (1, 3, 1)), CutDetector()
    for number in range(30):
        assert not detector.add(page[:, 8 * number : 8 * number + 240])


def test_the_restorer_is_reset_at_cuts(tmp_path: Path) -> None:
    make_clip(
        tmp_path / "clip.mp4",
        Clip(frames=12, height=180, width=240),
        lambda number, height, width: slide(1 + number // 5),
    )
    restorer = SteadyRestorer()
    *_, result = restore_clip(tmp_path / "clip.mp4", [], restorer)
    assert isinstance(result, ClipRestored)
    assert result.cuts == (5, 10) and restorer.resets == 3  # once at the beginning


@pytest.mark.parametrize("moved", [(0.0, 0.0), (3.0, -5.0), (-7.0, 2.0)])
def test_translation_is_found(moved: tuple[float, float]) -> None:
    plane = screen(120, 160, seed=2).mean(2).astype(np.float32)
    shifted = np.roll(plane, (int(moved[0]), int(moved[1])), (0, 1))
    assert translation(plane, shifted) == pytest.approx(moved, abs=0.2)


def flicker(bands: float, motion: bool, factor: float = 1.0) -> tuple[float, float]:
    meter = FlickerMeter()
    for number in range(8):
        clean = hand(number if motion else 0, 120, 160)
        y, x = np.mgrid[:120, :160]
        wave = bands * np.sin(2 * np.pi * (x / 17 + y / 40 + number * 0.37))[..., None]
        before, after = (np.clip(np.rint(clean + share * wave), 0, 255).astype(np.uint8) for share in (1.0, factor))
        meter.add(before, after, cut=False)
    result = meter.result()
    return result.before, result.after


def test_flicker_is_what_bands_change_and_not_what_moves() -> None:
    assert flicker(0, motion=False) == (0, 0)
    for motion in (False, True):
        strong, weak = flicker(12, motion, 0.25)
        assert weak == pytest.approx(strong / 4, rel=0.25)
        # the mean of |sin(a + 2 pi 0.37) - sin(a)| over a is (2 / pi) 2 sin(pi 0.37)
        assert strong == pytest.approx(12 * 4 / np.pi * np.sin(np.pi * 0.37), rel=0.2)
    assert flicker(0, motion=True)[0] < 0.8


def test_flicker_needs_frames_that_show_the_same() -> None:
    meter = FlickerMeter()
    meter.add(slide(1), slide(1), cut=False)
    meter.add(slide(2), slide(2), cut=True)
    assert np.isnan(meter.result().before)
