"""Evaluation on whole photos shared at three sizes, against oracles: nothing done, everything known."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from demoire import evaluate, evaluate_photos
from demoire.cli import main
from demoire.errors import DataError
from demoire.evaluate_clips import CEILING
from demoire.evaluate_photos import (
    REDUCTIONS,
    TILE,
    VISIBLE_SHARE,
    WholePhoto,
    compressed,
    desktop,
    photo_size,
    reduced,
    score_photo,
    summarise_photos,
    take_photo,
    visible_share,
)
from demoire.pairs import list_pictures
from demoire.training.manifest import held_out_folder
from tests.pictures import ByteImage

SMALL = 0.05
KEYS = {"reduction", "before", "after", "gain", "share_of_best"}


def identity(picture: ByteImage) -> ByteImage:
    return picture


def inverted(picture: ByteImage) -> ByteImage:
    """A stand-in for a model that does harm."""
    return 255 - picture


@pytest.fixture(scope="module")
def photo() -> WholePhoto:
    return take_photo(list_pictures(held_out_folder()), 0, 0.2, 1)


@pytest.mark.parametrize("megapixels", [0.05, 0.2, 1.7, 12.0, 14.0])
def test_sizes_are_as_asked_within_rounding(megapixels) -> None:
    height, width = photo_size(megapixels)
    assert height * width == pytest.approx(megapixels * 1e6, abs=height + width)
    assert width * 3 / 4 == pytest.approx(height, abs=1)
    assert photo_size(12) == (3000, 4000)


def test_a_photo_shows_moire_over_a_truth_of_its_size(photo) -> None:
    assert photo.moire.shape == photo.clean.shape == (*photo_size(0.2), 3)
    assert photo.moire.dtype == photo.clean.dtype == np.uint8
    assert np.abs(photo.moire.astype(int) - photo.clean).mean() > 2
    # Both hold the same content in the same place: their large forms agree.
    coarse = [reduced(picture, 20).astype(float).ravel() for picture in (photo.moire, photo.clean)]
    assert np.corrcoef(*coarse)[0, 1] > 0.9


def test_the_truth_is_that_of_the_held_out_pictures_not_of_others(tmp_path: Path) -> None:
    for number in range(2):
        Image.new("RGB", (90, 70), (250, 60, 40)).save(tmp_path / f"{number}.png")
    red = take_photo(list_pictures(tmp_path), 0, SMALL, 1).clean
    assert (red[..., 0].astype(int) - red[..., 2]).min() > 40


def test_no_change_gains_nothing(photo) -> None:
    scores = score_photo(photo, {"same": identity})
    assert [score.reduction for score in scores] == [1, 2, 3]
    summary = summarise_photos(scores, "same")
    assert [found.gain for found in summary] == [0, 0, 0]
    assert all(found.share_of_best is None for found in summary)
    assert all(10 < found.before < 50 for found in summary)


def test_who_knows_the_truth_gains_all(photo) -> None:
    known = {reduced(photo.clean, reduction).shape: reduced(photo.clean, reduction) for reduction in REDUCTIONS}
    scores = score_photo(photo, {"oracle": lambda shared: known[shared.shape], "harm": inverted})
    summary = summarise_photos(scores, "oracle")
    assert [found.after for found in summary] == [CEILING] * 3
    assert all(found.gain == CEILING - found.before > 90 for found in summary)
    best = max(found.gain for found in summary)
    assert [found.share_of_best for found in summary] == [found.gain / best for found in summary]
    assert max(found.share_of_best for found in summary) == 1
    assert [found.before for found in summarise_photos(scores, "harm")] == [found.before for found in summary]
    assert all(score.after["harm"] < score.before for score in scores)


def test_models_see_the_compressed_photo_at_each_size(photo) -> None:
    seen = []
    score_photo(photo, {"watching": lambda shared: seen.append(shared) or shared})
    height, width = photo_size(0.2)
    assert [shared.shape for shared in seen] == [
        (height, width, 3),
        (round(height / 2), round(width / 2), 3),
        (round(height / 3), round(width / 3), 3),
    ]
    for shared, reduction in zip(seen, REDUCTIONS, strict=True):
        before = reduced(photo.moire, reduction)
        assert np.array_equal(shared, compressed(before))
        assert 0 < np.abs(shared.astype(int) - before).mean() < 6
    assert np.array_equal(reduced(photo.moire, 1), photo.moire)


def test_another_size_is_an_error(photo) -> None:
    with pytest.raises(DataError, match=r"^cut returned a picture of shape"):
        score_photo(photo, {"cut": lambda shared: shared[1:]})
    with pytest.raises(DataError, match="no photos"):
        summarise_photos([], "cut")


def test_reduction_filters_first() -> None:
    board = np.indices((60, 80)).sum(0) % 2 * np.uint8(255)
    for reduction in (2, 3):
        grey = reduced(np.stack([board] * 3, -1).astype(np.uint8), reduction)[2:-2, 2:-2]
        assert np.abs(grey.astype(float) - 127.5).max() < 25


def test_the_display_is_full_of_all_pictures_at_their_own_pixels(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*TILE, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.png")
    assert np.array_equal(desktop([tmp_path / "a.png"], np.random.default_rng(1), *TILE), noise)
    paths = [tmp_path / f"{level}.png" for level in range(0, 240, 40)]
    for path in paths:
        Image.new("L", (30, 20), int(path.stem)).save(path)
    shown = desktop(paths, np.random.default_rng(2), 2 * TILE[0], 3 * TILE[1])
    assert shown.shape == (2 * TILE[0], 3 * TILE[1], 3)
    assert set(np.unique(shown)) == set(range(0, 240, 40))


def test_visible_moire_is_that_of_the_displays_pixels(photo) -> None:
    shown = np.full((900, 900, 3), 200, np.uint8)
    assert visible_share(shown, photo.parameters, (128, 160)) >= VISIBLE_SHARE
    assert visible_share(np.zeros_like(shown), photo.parameters, (128, 160)) == 0


def test_a_draw_without_moire_is_replaced_by_the_next(monkeypatch) -> None:
    pictures = list_pictures(held_out_folder())

    def taken(*shares: float) -> WholePhoto:
        left = iter(shares)
        monkeypatch.setattr(evaluate_photos, "visible_share", lambda *_: next(left))
        return take_photo(pictures, 0, SMALL, 1)

    first, second, barely = taken(1.0), taken(0.0, 1.0), taken(VISIBLE_SHARE)
    assert first.parameters == barely.parameters != second.parameters
    assert not np.array_equal(first.clean, second.clean)
    monkeypatch.setattr(evaluate_photos, "MOST_DRAWS", 2)
    with pytest.raises(DataError, match="None of 2 photos drawn showed moire"):
        taken(0.0, 0.0, 1.0)


@pytest.fixture
def stub(monkeypatch) -> None:
    monkeypatch.setattr(evaluate, "model_predict", lambda name, device: {"cnn": identity}.get(name, inverted))


def output(capsys, *arguments: object) -> dict:
    assert main(["evaluate", "--photos", *map(str, arguments), "--megapixels", str(SMALL), "--json"]) == 0
    return json.loads(capsys.readouterr().out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def test_command_prints_the_three_reductions_of_each_model(capsys, stub) -> None:
    found = output(capsys, "--model", "cnn", "--model", "gan", "--count", 2)
    assert set(found["summary"]) == set(found["sha256"]) == {"cnn", "gan"}
    for rows in found["summary"].values():
        assert list(rows) == ["1/1", "1/2", "1/3"]
        assert all(set(row) == KEYS for row in rows.values())
    assert [row["gain"] for row in found["summary"]["cnn"].values()] == [0, 0, 0]
    assert [row["share_of_best"] for row in found["summary"]["cnn"].values()] == [None] * 3
    assert all(row["gain"] < 0 for row in found["summary"]["gan"].values())
    assert [(photo["name"], photo["height"], photo["width"]) for photo in found["photos"]] == [
        ("00", *photo_size(SMALL)),
        ("01", *photo_size(SMALL)),
    ]
    assert [(score["photo"], score["reduction"]) for score in found["scores"]] == [
        (name, reduction) for name in ("00", "01") for reduction in (1, 2, 3)
    ]
    means = np.mean([score["before"] for score in found["scores"] if score["reduction"] == 2])
    assert found["summary"]["gan"]["1/2"]["before"] == pytest.approx(means)


def test_same_seed_same_figures(capsys, stub) -> None:
    first, again, other = (output(capsys, "--model", "gan", "--count", 1, "--seed", seed) for seed in (3, 3, 4))
    assert first == again
    assert first["summary"] != other["summary"]


def test_command_prints_a_table_with_the_bundled_cnn(capsys) -> None:
    assert main(["evaluate", "--photos", "--model", "cnn", "--count", "1", "--megapixels", str(SMALL)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines[1:4]] == [["00,", f"1/{by}", "cnn"] for by in (1, 2, 3)]
    assert [line.split()[:2] for line in lines[-3:]] == [[f"1/{by}", "cnn"] for by in (1, 2, 3)]
    assert float(lines[-3].split()[4]) > 0  # gains where it was taken
    assert "100%" in "".join(lines[-3:])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "give --model at least once"),
        (["--model", "cnn", "--model", "cnn"], "each model once"),
        (["--model", "nothing"], "nothing"),
        (["--model", "cnn", "--count", "0"], "--count must be at least 1, not 0"),
        (["--model", "cnn", "--seed", "-1"], "--seed must be at least 0, not -1"),
        (["--model", "cnn", "--megapixels", "0"], "--megapixels must be from 0.05 to 14, not 0"),
        (["--model", "cnn", "--megapixels", "17"], "--megapixels must be from 0.05 to 14, not 17"),
        (["--model", "cnn", "--megapixels", "nan"], "not nan"),
        (["--model", "cnn", "--clips"], "leave --pairs, --clean, --clips"),
        (["--model", "cnn", "--pairs", "."], "leave --pairs, --clean, --clips"),
        (["--model", "cnn", "--outputs", "x=y"], "leave --pairs, --clean, --clips"),
        (["--model", "cnn", "--limit", "3"], "leave --pairs, --clean, --clips"),
        (["--model", "cnn", "--content", "/no/such"], "There is no folder /no/such"),
    ],
)
def test_one_sentence_for_what_cannot_be_scored(capsys, arguments, says) -> None:
    assert main(["evaluate", "--photos", *arguments]) == 1
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1
