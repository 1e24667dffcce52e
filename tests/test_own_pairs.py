"""Pairs of a user's own: aligned within tolerance or refused, in the photo's tone; the same training every time."""

import json
import math
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import map_coordinates
from skimage.registration import phase_cross_correlation

from demoire.cli import main
from demoire.errors import DataError, DemoireError
from demoire.loading import load_model
from demoire.models.unet import UNetConfig
from demoire.pairs import PairFiles
from demoire.training import own_pairs
from demoire.training.aligning import Aligned, align_pair
from demoire.training.loop import Trainer
from demoire.training.options import Precision, TrainOptions, check_data
from demoire.training.own_pairs import Kept, OwnPairs, open_pairs
from demoire.training.presets import Preset, find_preset
from tests.pictures import banded, scene, view
from tests.pictures import photo as photograph
from tests.tiny import TINY_FIELDS, blocks_store

ByteImage = NDArray[np.uint8]
HEIGHT, WIDTH = 200, 240
SIDE = 48


def write_pair(folder: Path, key: str, moire: ByteImage, clean: ByteImage) -> PairFiles:
    files = PairFiles(key, folder / "moire" / f"{key}.png", folder / "clean" / f"{key}.png")
    for path, pixels in ((files.moire, moire), (files.clean, clean)):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return files


def aligned(folder: Path, moire: ByteImage, clean: ByteImage, side: int = SIDE) -> Aligned:
    return align_pair(write_pair(folder, "1", moire, clean), side)


def offset(picture: ByteImage, true: ByteImage) -> float:
    """How far, in pixels, a picture lies from where it should be."""
    greys = (p.astype(float).mean(-1) for p in (true, picture))
    return float(np.hypot(*phase_cross_correlation(*greys, upsample_factor=50)[0]))


def test_a_pair_that_lies_right_is_taken_as_it_is(tmp_path: Path) -> None:
    clean = view(scene(1))
    moire = banded(clean)
    found = aligned(tmp_path, moire, clean)
    assert not found.moved
    assert np.array_equal(found.photo, moire)
    assert np.abs(found.target.astype(int) - clean).mean() < 0.6
    assert found.target.shape == clean.shape and offset(found.target, clean) < 0.03


@pytest.mark.parametrize("shift", [(3, 0), (-2, 3), (0, 50)])
def test_a_pair_that_lies_off_is_aligned_and_cut_to_what_both_show(tmp_path: Path, shift: tuple[int, int]) -> None:
    shown = scene(2)
    true, clean = view(shown, *shift), view(shown)
    moire = banded(true, 0.03)
    found = aligned(tmp_path, moire, clean)
    assert found.moved
    height, width = found.photo.shape[:2]
    assert HEIGHT - abs(shift[0]) - 6 <= height <= HEIGHT and WIDTH - abs(shift[1]) - 6 <= width <= WIDTH
    # the photo is cut, not moved: its pixels are those of the file
    top, left = next(
        (y, x)
        for y in range(HEIGHT - height + 1)
        for x in range(WIDTH - width + 1)
        if np.array_equal(moire[y : y + height, x : x + width], found.photo)
    )
    there = true[top : top + height, left : left + width]
    assert offset(found.target, there) < 0.3 < offset(clean, true)
    assert np.abs(found.target.astype(int) - there).mean() < 3
    for edge in (np.s_[:3], np.s_[-3:], np.s_[:, :3], np.s_[:, -3:]):  # nothing is made up at the borders
        assert np.abs(found.target[edge].astype(int) - there[edge]).mean() < 6


def test_a_clean_picture_of_another_size_is_aligned(tmp_path: Path) -> None:
    clean = view(scene(3, 400, 480))
    true = np.asarray(Image.fromarray(clean).resize((240, 200), Image.Resampling.LANCZOS))
    found = aligned(tmp_path, banded(true, 0.03), clean)
    assert found.moved and found.photo.shape == found.target.shape
    assert min(np.subtract(true.shape, found.target.shape)) >= 0 and found.target.shape[1] > 220
    assert np.abs(found.target.astype(int) - found.photo).mean() < 12


def test_the_target_has_the_tone_of_the_photo(tmp_path: Path) -> None:
    clean = view(scene(4))
    moire = photograph((clean * 0.7).astype(np.uint8), bands=0.04)
    moire = (moire * np.array([0.8, 1.0, 0.9])).astype(np.uint8)
    found = aligned(tmp_path, moire, clean)
    photo, target, file = (p.reshape(-1, 3).mean(0) for p in (moire, found.target, clean))
    assert (file - photo).max() > 15 and np.abs(target - photo).max() < 2
    # in every corner, too: vignetting is the photo's
    for corner in (np.s_[:60, :60], np.s_[-60:, -60:], np.s_[:60, -60:]):
        assert np.abs(found.target[corner].mean((0, 1)) - moire[corner].mean((0, 1))).max() < 4
    assert found.target.std() > 10 and np.abs(found.target - moire.astype(float)).std() < 20


def test_a_screen_that_is_bent_is_refused(tmp_path: Path) -> None:
    clean = view(scene(5, 360, 480))
    y, x = np.mgrid[:360, :480].astype(float)
    stretch = 1 + 0.12 * (((y - 180) / 300) ** 2 + ((x - 240) / 300) ** 2)
    places = 180 + (y - 180) * stretch, 240 + (x - 240) * stretch
    bent = np.stack([map_coordinates(clean[..., c], places, order=1, mode="nearest") for c in range(3)], -1)
    with pytest.raises(DataError, match=r"parts of the clean picture lie \d\.\d pixels off"):
        aligned(tmp_path, bent, clean)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five pairs that can be used, the last one moved, and four that cannot; ``decoded`` for the small preset."""
    folder = tmp_path_factory.mktemp("own")
    for number in range(5):
        shown = scene(10 + number)
        clean = view(shown)
        write_pair(folder, f"{number:02}", photograph(view(shown, right=4) if number == 4 else clean, 0.04), clean)
    good = view(scene(20))
    write_pair(folder, "05", photograph(view(scene(21))), good)
    write_pair(folder, "06", photograph(good), np.full_like(good, 220))
    write_pair(folder, "07", banded(good)[:, :28], good[:, :28])
    write_pair(folder, "08", banded(good), good).clean.write_bytes(b"no picture")
    open_pairs(folder, folder / "decoded", 32, lambda _: None)
    return folder


def test_what_cannot_be_used_is_left_out_with_a_sentence_and_the_rest_is_kept(folder: Path, tmp_path: Path) -> None:
    told: list[str] = []
    pairs = open_pairs(folder, tmp_path, SIDE, told.append)
    assert [entry.key for entry in pairs.entries] == ["00", "01", "02", "03", "04"]
    assert [entry.moved for entry in pairs.entries] == [False] * 4 + [True]
    reasons = ("shows something else", "shows something else, or too little to tell", "28x200 pixels", "cannot be used")
    assert len(told) == len(reasons)
    for number, (sentence, reason) in enumerate(zip(told, reasons, strict=True), start=5):
        assert (
            sentence.startswith(f"Pair 0{number} (0{number}.png, 0{number}.png) is left out: ") and reason in sentence
        )
    for index in range(5):
        photo, target = pairs.pair(index).astype(int)
        assert photo.shape == target.shape and 1 < np.abs(photo - target).mean() < 15


def test_pairs_are_decoded_once_and_a_changed_folder_is_noticed(folder: Path, tmp_path: Path, monkeypatch) -> None:
    first, again = list[str](), list[str]()
    before = open_pairs(folder, tmp_path, SIDE, first.append)
    with monkeypatch.context() as patched:
        patched.setattr(own_pairs, "align_pair", lambda *_: pytest.fail("decoded a second time"))
        after = open_pairs(folder, tmp_path, SIDE, again.append)
    assert after.entries == before.entries and again == first and len(first) == 4
    assert all(np.array_equal(before.pair(i), after.pair(i)) for i in range(5))
    with pytest.raises(DataError, match="crops were of another size"):
        open_pairs(folder, tmp_path, SIDE + 1, again.append)
    path = folder / "moire" / "00.png"
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    os.utime(path, ns=(times[0], times[1] + 1_000_000_000))
    with pytest.raises(DataError, match="has changed since"):
        open_pairs(folder, tmp_path, SIDE, again.append)
    os.utime(path, ns=times)
    (tmp_path / own_pairs.PIXELS).write_bytes(b"cut off")
    with pytest.raises(DataError, match="read the pairs anew"):
        open_pairs(folder, tmp_path, SIDE, again.append)
    (tmp_path / own_pairs.INDEX).write_text("{}")
    with pytest.raises(DataError, match="is damaged"):
        open_pairs(folder, tmp_path, SIDE, again.append)


def test_where_all_are_refused_nothing_begins(tmp_path: Path) -> None:
    write_pair(tmp_path, "3", view(scene(1)), view(scene(2)))
    with pytest.raises(
        DataError, match=r"None of the 1 pairs in .* Pair 3 .* is left out: photo and clean picture are alike only"
    ):
        open_pairs(tmp_path, tmp_path / "kept", SIDE, lambda _: None)
    assert not (tmp_path / "kept" / own_pairs.INDEX).exists()
    with pytest.raises(DataError, match="There is no folder"):
        open_pairs(tmp_path / "none", tmp_path / "kept", SIDE, lambda _: None)


def numbered(count: int, height: int = 40, width: int = 50) -> OwnPairs:
    """Pairs whose targets are one step brighter than their photos, pixel by pixel."""
    random = np.random.default_rng(0)
    photos = random.integers(0, 255, (count, 1, height, width, 3)).astype(np.uint8)
    pixels = np.concatenate((photos, photos + 1), 1)
    size = pixels[0].size
    return OwnPairs(pixels.ravel(), [Kept(str(i), i * size, height, width, False) for i in range(count)])


def test_crops_are_the_same_place_of_both_turned_alike_and_repeat_by_seed() -> None:
    pairs = numbered(3)
    moire, clean = pairs.crops(np.random.default_rng(7), 12, 24)
    assert moire.shape == clean.shape == (12, 3, 24, 24)
    assert torch.allclose(clean - moire, torch.tensor(1 / 255), atol=1e-6)
    again, _ = pairs.crops(np.random.default_rng(7), 12, 24)
    other, _ = pairs.crops(np.random.default_rng(8), 12, 24)
    assert torch.equal(moire, again) and not torch.equal(moire, other)
    whole, _ = numbered(1, 24, 24).crops(np.random.default_rng(1), 60, 24)
    assert len({crop.numpy().tobytes() for crop in whole}) == 8


@pytest.mark.parametrize(("count", "held"), [(1, 0), (4, 0), (5, 1), (19, 1), (30, 3)])
def test_a_tenth_is_held_out_by_its_key(count: int, held: int) -> None:
    pairs = numbered(count)
    training, validation = pairs.split()
    assert (len(training), len(validation)) == (count - held, held)
    assert {e.key for e in training.entries} | {e.key for e in validation.entries} == {str(i) for i in range(count)}
    reversed_order = OwnPairs(pairs._pixels, pairs.entries[::-1]).split()[1]
    assert {e.key for e in reversed_order.entries} == {e.key for e in validation.entries}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return blocks_store(tmp_path_factory.mktemp("content"))


def small_preset() -> Preset:
    sizes = {name: tuple(value) if isinstance(value, list) else value for name, value in TINY_FIELDS.items()}
    network = UNetConfig(**sizes)
    return replace(find_preset("cnn"), network=network, crop=32, batch=3, pool_slots=4, pool_size=48, warmup=4, ema=0.9)


def options(run: Path, folder: Path, content: Path | None, tell=lambda _: None) -> TrainOptions:
    if (folder / "decoded").is_dir():
        shutil.copytree(folder / "decoded", run / "pairs", dirs_exist_ok=True)
    return TrainOptions(
        content,
        run,
        steps=60,
        renew=None,
        first_slots=4,
        validation=3,
        precision=Precision(False, False),
        pairs=folder,
        tell=tell,
    )


@pytest.mark.parametrize("mixed", [False, True])
def test_interrupted_training_on_pairs_ends_at_the_same_weights(
    folder: Path, store: Path, tmp_path: Path, mixed: bool
) -> None:
    content, told = store if mixed else None, list[str]()
    whole = Trainer(small_preset(), options(tmp_path / "a", folder, content, told.append))
    start = {name: value.clone() for name, value in whole.model.state_dict().items()}
    reports = list(whole.run())
    assert reports[-1].gain is not None and math.isfinite(reports[-1].gain)
    for stop in (17, 40):
        part = Trainer(small_preset(), options(tmp_path / "b", folder, content))
        while part.progress.step < stop:
            part.step()
            part.progress = replace(part.progress, step=part.progress.step + 1)
        part.save()
    rest = Trainer(small_preset(), options(tmp_path / "b", folder, content))
    assert rest.progress.step == 40
    assert list(rest.run())[-1].gain == reports[-1].gain
    for name, value in whole.average.state_dict().items():
        assert torch.equal(value, rest.average.state_dict()[name]), name
    assert any(not torch.equal(value, start[name]) for name, value in whole.model.state_dict().items())
    assert (
        told[-1]
        == "5 pairs of your own, 1 of them laid over their photos first; validation is on 1 held out of training."
    )


def test_half_of_each_batch_is_simulated_where_content_is_given(folder: Path, store: Path, tmp_path: Path) -> None:
    mixed = Trainer(small_preset(), options(tmp_path / "run", folder, store))
    alone = Trainer(small_preset(), options(tmp_path / "other", folder, None))
    simulated = Trainer(small_preset(), replace(options(tmp_path / "third", folder, store), pairs=None))
    both, own, captures = (trainer._next_batch(5) for trainer in (mixed, alone, simulated))
    assert both[0].shape == own[0].shape == captures[0].shape == (3, 3, 32, 32)
    for side in (0, 1):
        assert torch.equal(both[side][:2], own[side][:2])
        assert torch.equal(both[side][2:], captures[side][:1])


def holds(picture: ByteImage, part: ByteImage) -> bool:
    """Whether a picture holds a part, pixel by pixel."""
    height, width = part.shape[:2]
    rows, columns = np.nonzero((picture[: 1 - height, : 1 - width] == part[0, 0]).all(-1))
    return any(np.array_equal(picture[y : y + height, x : x + width], part) for y, x in zip(rows, columns, strict=True))


def test_validation_is_on_pairs_that_are_not_trained_on(folder: Path, tmp_path: Path) -> None:
    trainer = Trainer(small_preset(), options(tmp_path, folder, None))
    everything = open_pairs(folder, tmp_path / "pairs", 32, lambda _: None)
    training, held = everything.split()
    assert len(held) == 1 and {e.key for e in held.entries}.isdisjoint({e.key for e in training.entries})
    scored = trainer._draw_validation()
    photo, target = held.pair(0)
    assert len(scored) == 3
    for captures in scored:
        assert captures.moire.shape == captures.clean.shape == (1, 3, 32, 32) and not captures.amplitude.any()
        for part, whole in ((captures.moire, photo), (captures.clean, target)):
            pixels = (part[0] * 255).round().byte().permute(1, 2, 0).numpy()
            turned = [np.rot90(p, k) for p in (pixels, pixels[:, ::-1]) for k in range(4)]
            assert any(holds(whole, p) for p in turned)


def test_few_pairs_are_validated_on_captures_or_on_themselves(store: Path, tmp_path: Path) -> None:
    clean = view(scene(1))
    write_pair(tmp_path / "few", "1", banded(clean), clean)
    told: list[str] = []
    alone = Trainer(small_preset(), options(tmp_path / "a", tmp_path / "few", None, told.append))
    assert told[-1].endswith("validation is on the training pairs themselves, since there are so few.")
    assert math.isfinite(alone.validate()) and alone._draw_validation()[0].moire.shape[-1] == 32
    mixed = Trainer(small_preset(), options(tmp_path / "b", tmp_path / "few", store, told.append))
    assert told[-1].endswith("validation is on simulated captures, since there are so few.")
    assert math.isfinite(mixed.validate()) and mixed._draw_validation()[0].moire.shape[-1] == 256


def test_pairs_without_any_moire_have_a_finite_figure(tmp_path: Path) -> None:
    clean = view(scene(1))
    write_pair(tmp_path / "same", "1", clean, clean)
    assert math.isfinite(Trainer(small_preset(), options(tmp_path, tmp_path / "same", None)).validate())


def test_a_run_goes_on_with_the_kind_of_data_that_it_began_with(folder: Path, store: Path, tmp_path: Path) -> None:
    begun = Trainer(small_preset(), options(tmp_path, folder, None))
    begun.save()
    for other in (options(tmp_path, folder, store), replace(options(tmp_path, folder, store), pairs=None)):
        with pytest.raises(DataError, match="kind of data"):
            Trainer(small_preset(), other)
    assert Trainer(small_preset(), options(tmp_path, folder, None)).progress == begun.progress


@pytest.mark.parametrize("name", ["gan", "rnn", "detector", "discriminator"])
def test_other_presets_refuse_pairs(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"preset '{name}' is not trained on pairs of your own"):
        check_data(find_preset(name), options(tmp_path, tmp_path, tmp_path))
    check_data(find_preset(name), replace(options(tmp_path, tmp_path, tmp_path), pairs=None))
    with pytest.raises(DataError, match="nothing to train on"):
        check_data(find_preset(name), TrainOptions(None, tmp_path))


def test_commands_train_on_pairs_and_export(folder: Path, weights: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(
        "demoire.training.presets.PRESETS", {"cnn": small_preset(), "detector": find_preset("detector")}
    )
    monkeypatch.setenv("DEMOIRE_MODELS_DIR", str(weights))
    run, photo = tmp_path / "run", tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 250, 3), dtype=np.uint8)).save(photo)
    training = ["train", "--pairs", str(folder), "--init", "tiny", "--run", str(run), "--threads", "1"]
    training += ["--precision", "float32", "--validation", "2"]
    assert main([*training, "--slice", "0"]) == 0
    began = capsys.readouterr()
    assert "step 1 " in began.out and began.err.count("is left out: ") == 4
    assert main([*training, "--steps", "8"]) == 0
    ended = capsys.readouterr()
    assert "cnn: step 1," in ended.out and "step 8 " in ended.out and "validation PSNR gain (dB)" in ended.out
    assert "5 pairs of your own" in ended.err and ended.err.count("is left out: ") == 4
    rows = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert rows[0]["fraction"] == pytest.approx(1 / 2000, rel=0.01) and rows[0]["learning_rate"] <= 1e-4
    exporting = ["export", "--run", str(run), "--photos", str(photo), "-o", str(tmp_path / "models")]
    assert main(exporting) == 0
    card = (tmp_path / "models" / "cnn" / "README.md").read_text()
    assert "train --preset cnn --pairs PAIRS --run RUN --steps 8" in card and "--content" not in card
    assert "Trained on\npairs of your own: photos" in card and "Only simulated" not in card
    exported = load_model("cnn", weights=tmp_path / "models").module.state_dict()
    initial = load_model("tiny").module.state_dict()
    steps = [float((exported[name].float() - initial[name].float()).abs().max()) for name in initial]
    assert 0 < max(steps) < 0.01  # 8 small steps from the weights that were named
    capsys.readouterr()
    assert main(["train", "--preset", "detector", "--pairs", str(folder), "--run", str(tmp_path / "no")]) == 1
    assert "is not trained on pairs of your own" in capsys.readouterr().err
    assert main(["train", "--run", str(tmp_path / "no")]) == 1
    assert "--content, or your pairs with --pairs" in capsys.readouterr().err


def test_export_of_simulated_captures_wants_their_content(
    folder: Path, store: Path, tmp_path: Path, capsys, monkeypatch
) -> None:
    monkeypatch.setattr("demoire.training.presets.PRESETS", {"cnn": small_preset()})
    photo = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 250, 3), dtype=np.uint8)).save(photo)
    Trainer(small_preset(), options(tmp_path / "run", folder, store)).save()
    exporting = ["export", "--run", str(tmp_path / "run"), "--photos", str(photo), "-o", str(tmp_path / "models")]
    assert main(exporting) == 1
    assert "content store with --content" in capsys.readouterr().err
    assert main([*exporting, "--content", str(store)]) == 0
    card = (tmp_path / "models" / "cnn" / "README.md").read_text()
    assert "--pairs PAIRS --content POOL" in card and "pairs of your own, and simulated captures" in card
    assert "| photo | CC0-1.0 |" in card and "Only simulated" not in card


def test_broken_pairs_raise_errors_for_the_user(tmp_path: Path) -> None:
    files = write_pair(tmp_path, "1", view(scene(1)), view(scene(1)))
    files.moire.write_bytes(files.moire.read_bytes()[:2000])
    with pytest.raises(DemoireError, match=r"1\.png cannot be used"):
        align_pair(files, SIDE)
