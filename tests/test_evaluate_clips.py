"""Evaluation on clips against oracles: the CNN itself, perfect and forgetful predictors, the mean of known noise."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from demoire.cli import evaluate_clips as command
from demoire.cli import main
from demoire.errors import DataError
from demoire.evaluate_clips import (
    CEILING,
    FRAMES,
    ShownClip,
    average_aligned,
    moved_pairs,
    restore_clip,
    score_clip,
    simulated_clip,
    steadiness,
    summarise_clips,
    warping_errors,
)
from demoire.homography import between
from demoire.pairs import find_pairs
from demoire.training.manifest import held_out_folder
from tests.pictures import ByteImage, photo, screen

SIDE = 64
KEYS = [
    "gain_over_cnn_db",
    "warping_error_ratio",
    "first_frame_gap_db",
    "gain_over_averaging_db",
    "state_ablation_db",
]


class Halfway:
    """A stand-in for the CNN: half of what a picture differs from its mean."""

    def reset(self) -> None:
        """Nothing is remembered."""

    def restore(self, frame: ByteImage) -> ByteImage:
        mean = frame.mean((0, 1))
        return np.rint(mean + (frame - mean) / 2).astype(np.uint8)


class Knowing:
    """Hands out the targets in turn, from the first after each reset."""

    def __init__(self, clip: ShownClip) -> None:
        self.clip, self.next = clip, 0

    def reset(self) -> None:
        self.next = 0

    def restore(self, frame: ByteImage) -> ByteImage:
        self.next += 1
        return self.clip.clean[self.next - 1]


class Averaging(Halfway):
    """The mean of all frames so far."""

    def __init__(self) -> None:
        self.frames: list[ByteImage] = []

    def reset(self) -> None:
        self.frames = []

    def restore(self, frame: ByteImage) -> ByteImage:
        self.frames.append(frame)
        return np.rint(np.mean(self.frames, 0)).astype(np.uint8)


def noisy_clip(step: float = 0.0) -> ShownClip:
    """A smooth picture that moves by ``step`` pixels a frame, with fresh noise of 8 of 255 in each frame."""
    random = np.random.default_rng(3)
    y, x = np.mgrid[:SIDE, :SIDE]
    matrices = torch.eye(3, dtype=torch.float64).repeat(FRAMES, 1, 1)
    matrices[:, 0, 2] = torch.arange(FRAMES) * step
    shown = [128 + 60 * np.sin((x + t * step) / 11 + y / 17) for t in range(FRAMES)]
    clean = np.rint(np.stack(shown)[..., None].repeat(3, -1)).astype(np.uint8)
    moire = np.rint(clean + random.normal(0, 8, clean.shape)).clip(0, 255).astype(np.uint8)
    return ShownClip("noisy", moire, clean, matrices)


def test_the_cnn_against_itself_gains_nothing() -> None:
    scores = score_clip(noisy_clip(1.5), Halfway(), Halfway())
    summary = summarise_clips([scores])
    assert summary.gain_over_cnn_db == summary.first_frame_gap_db == summary.state_ablation_db == 0
    assert summary.warping_error_ratio == steadiness([scores]) == 1
    assert summary.gain_over_averaging_db <= 0


def test_a_predictor_that_knows_the_targets() -> None:
    clip = noisy_clip()
    scores = score_clip(clip, Knowing(clip), Averaging())
    summary = summarise_clips([scores])
    assert scores.psnr["model"] == (CEILING,) * FRAMES
    assert summary.gain_over_cnn_db == pytest.approx(CEILING - scores.settled("cnn alone"))
    assert summary.gain_over_averaging_db > 100
    assert summary.warping_error_ratio == pytest.approx(0, abs=1e-3)
    assert steadiness([scores]) == 0
    assert summary.state_ablation_db == 0  # the content stands still: the first target is that of all frames


def test_memory_is_worth_what_the_mean_of_noise_gains() -> None:
    clip = noisy_clip()

    class Copy(Halfway):
        def restore(self, frame: ByteImage) -> ByteImage:
            return frame

    scores = score_clip(clip, Averaging(), Copy())
    summary = summarise_clips([scores])
    expected = np.mean([10 * math.log10(t) for t in range(5, FRAMES + 1)])
    assert summary.gain_over_cnn_db == pytest.approx(expected, abs=0.3)
    assert summary.state_ablation_db == summary.gain_over_cnn_db
    assert summary.first_frame_gap_db == 0
    assert abs(summary.gain_over_averaging_db) < 0.05  # the same without motion
    assert summary.warping_error_ratio < 0.4


@pytest.mark.parametrize("step", [0.0, 1.5, 3.0])
def test_averaging_follows_the_motion(step: float) -> None:
    clip = noisy_clip(step)
    averaged = average_aligned(clip.moire, clip.to_content).astype(float)
    assert np.array_equal(averaged[0], clip.moire[0])
    error = np.abs(averaged[-1] - clip.clean[-1])[:, : SIDE // 2].mean()  # the right was not always in view
    assert error < 0.45 * np.abs(clip.moire[-1].astype(float) - clip.clean[-1]).mean()


def test_warping_error_is_that_of_the_noise() -> None:
    clip = noisy_clip(2.0)
    images = torch.from_numpy(clip.moire / 255).permute(0, 3, 1, 2).float()
    noise = images - torch.from_numpy(clip.clean / 255).permute(0, 3, 1, 2).float()
    found = warping_errors(torch.cat((images, noise, 0 * noise), 1), clip.to_content)
    assert found == pytest.approx([8 * math.sqrt(2), 8 * math.sqrt(2), 0], rel=0.05)


def test_forgetful_runs_reset_after_each_frame() -> None:
    clip = noisy_clip()
    assert np.array_equal(restore_clip(Averaging(), clip.moire, forgetful=True), clip.moire)
    assert not np.array_equal(restore_clip(Averaging(), clip.moire), clip.moire)


def test_simulated_clips_are_of_hand_held_screens_and_repeatable() -> None:
    pictures = sorted(held_out_folder().glob("*.png"))[:2]
    clips, again = ([simulated_clip(pictures, number, SIDE, 4) for number in range(3)] for _ in range(2))
    assert [clip.name for clip in clips] == ["00 e_article-en", "01 f_article-zh", "02 e_article-en"]
    for clip, other in zip(clips, again, strict=True):
        assert clip.moire.shape == clip.clean.shape == (FRAMES, SIDE, SIDE, 3)
        assert np.array_equal(clip.moire, other.moire)
        assert np.abs(clip.moire.astype(int) - clip.clean).mean() > 0.5
        steps = between(clip.to_content)[1:]
        assert (steps[:, :2, 2].abs().sum(1) > 0).all()
    assert not np.array_equal(clips[0].clean, clips[2].clean)


def pairs_in(folder: Path) -> Path:
    for number in range(2):
        clean = screen(seed=number)
        for kind, picture in (("clean", clean), ("moire", photo(clean))):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(folder / kind / f"{number}.png")
    return folder


def test_moved_pairs_keep_bands_on_the_content(tmp_path: Path) -> None:
    clips = list(moved_pairs(find_pairs(pairs_in(tmp_path)), 80, 1))
    assert [clip.name for clip in clips] == ["0", "1"]
    for clip in clips:
        assert clip.moire.shape == (FRAMES, 80, 80, 3)
        middle = np.s_[20:100, 32:112]
        assert np.abs(clip.moire[0].astype(int) - photo(screen(seed=int(clip.name)))[middle]).max() <= 1
        images = torch.from_numpy(clip.moire / 255).permute(0, 3, 1, 2).float()
        assert warping_errors(images, clip.to_content)[0] < 0.6 * float((images[1:] - images[:-1]).std()) * 255
    with pytest.raises(DataError, match="choose a --size of 120 or less"):
        list(moved_pairs(find_pairs(tmp_path), 121, 1))


@pytest.fixture
def stubs(monkeypatch) -> None:
    monkeypatch.setattr(command, "_open", lambda args, stack, times: [(Averaging(), Halfway()) for _ in range(times)])


def output(capsys, *arguments: object) -> dict:
    assert main(["evaluate", "--clips", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_command_prints_the_five_figures(capsys, stubs) -> None:
    found = output(capsys, "--model", "cnn", "--count", 2, "--size", SIDE)
    assert list(found["summary"]) == KEYS
    assert all(isinstance(value, float) for value in found["summary"].values())
    assert len(found["sha256"]["cnn"]) == 64
    assert [clip["name"] for clip in found["clips"]] == ["00 a_coffee", "01 b_chelsea"]
    assert len(found["clips"][0]["psnr"]["model"]) == FRAMES
    assert main(["evaluate", "--clips", "--model", "cnn", "--count", "1", "--size", str(SIDE)]) == 0
    assert "gain_over_cnn_db" in capsys.readouterr().out


def test_command_on_moved_pairs(capsys, stubs, tmp_path: Path) -> None:
    found = output(capsys, "--model", "cnn", "--pairs", pairs_in(tmp_path), "--size", 96)
    assert set(found["summary"]) == {"no processing", "cnn alone", "model"}
    assert found["summary"]["model"]["pairs"] == 2
    assert found["summary"]["model"]["ssim"] > 0


def test_command_with_the_bundled_cnn(capsys) -> None:
    found = output(capsys, "--model", "cnn", "--count", 1, "--size", SIDE, "--content", held_out_folder())
    assert found["summary"]["gain_over_cnn_db"] == found["summary"]["state_ablation_db"] == 0
    assert found["summary"]["warping_error_ratio"] == found["unsteadiness_ratio"] == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--clips"], "give --model once"),
        (["--clips", "--model", "a", "--model", "b"], "give --model once"),
        (["--clips", "--model", "cnn", "--count", "0"], "--count must be at least 1, not 0"),
        (["--clips", "--model", "cnn", "--size", "20"], "--size must be at least 64, not 20"),
        (["--clips", "--model", "cnn", "--outputs", "x=y"], "leave --outputs and --perceptual away"),
        (["--clips", "--model", "cnn", "--clean", "."], "Say what to score"),
        (["--clips", "--model", "nothing"], "nothing"),
        (["--clips", "--model", "cnn", "--content", "/no/such"], "There is no folder /no/such"),
        ([], "Say what to score"),
    ],
)
def test_one_sentence_for_what_cannot_be_scored(capsys, arguments, says) -> None:
    assert main(["evaluate", *arguments]) == 1
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
