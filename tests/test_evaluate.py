"""Evaluation on constructed pairs: matching, baselines, summaries, the command and its sentences."""

import hashlib
import json
import math
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from scipy.ndimage import gaussian_filter

from demoire import evaluate, extras, perceptual
from demoire.baselines import BASELINES, classical, notch_filter
from demoire.cli import main
from demoire.errors import DataError, DemoireError, UnknownNameError
from demoire.metrics import Comparison, Reference
from demoire.models import build_model
from demoire.pairs import by_number, find_pairs, load_picture, spread
from tests.pictures import ByteImage, photo, screen, to_bytes

TINY = {"channels": [8, 8], "encoder_blocks": [0, 1], "decoder_blocks": [1], "context_blocks": 0}
ROWS = ["no processing", "blur 0.6 px", "blur 1 px", "classical"]


def halfway(picture: ByteImage) -> ByteImage:
    """A stand-in for a model: the photo mixed half and half with a wide blur of it."""
    image = picture / 255
    return to_bytes((image + gaussian_filter(image, (6, 6, 0))) / 2)


def save(picture: ByteImage, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pairs whose names share a number, one photo without a partner, and a file that is no picture."""
    for number in (1, 2, 12):
        clean = screen(64, 96, seed=number)
        save(clean, tmp_path / "pairs" / "clean" / f"{number:04d}_gt.png")
        save(photo(clean, seed=number), tmp_path / "pairs" / "moire" / f"shot{number:04d}.png")
    save(screen(64, 96), tmp_path / "pairs" / "moire" / "shot0099.png")
    (tmp_path / "pairs" / "moire" / "notes1.txt").write_text("not a picture")
    return tmp_path / "pairs"


@pytest.fixture(autouse=True)
def offline_model(monkeypatch):
    monkeypatch.delenv("DEMOIRE_PERCEPTUAL", raising=False)
    monkeypatch.setattr(evaluate, "model_predict", lambda name, device: halfway)


def run_json(capsys, *arguments: object) -> dict:
    assert main(["evaluate", *map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))


def sentence(capsys, *arguments: object) -> str:
    assert main(["evaluate", *map(str, arguments)]) == 1
    captured = capsys.readouterr()
    assert captured.err.startswith("demoire: ") and captured.err.count("\n") == 1 and "Traceback" not in captured.err
    return captured.err


def test_pairs_are_matched_by_number(folder: Path):
    pairs = find_pairs(folder)
    assert [(pair.key, pair.moire.name, pair.clean.name) for pair in pairs] == [
        (key, f"shot{key}.png", f"{key}_gt.png") for key in ("0001", "0002", "0012")
    ]
    assert [pair.key for pair in spread(pairs, 2)] == ["0001", "0002"]
    assert spread(pairs, 7) == pairs


def test_what_is_read_is_upright_8_bit_rgb(tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = screen(40, 56)
    Image.fromarray(picture).save(tmp_path / "1.png", exif=exif)
    assert (load_picture(tmp_path / "1.png") == np.rot90(picture, -1)).all()


def test_summary_by_hand():
    before = [{"raw": 10.0, "fitted": 20.0, "ssim": 0.5, "bands_left": left, "lpips": 0.5} for left in (4, 4, math.nan)]
    after = [
        {"raw": 12.0, "fitted": 22.0, "ssim": 0.6, "bands_left": 2.0, "lpips": 0.2},
        {"raw": 14.0, "fitted": 21.0, "ssim": 0.7, "bands_left": 8.0, "lpips": 0.3},
        {"raw": 16.0, "fitted": 20.0, "ssim": 0.8, "bands_left": math.nan, "lpips": 0.4},
    ]
    found = evaluate.summarise(before, after)
    assert (found.pairs, found.raw, found.fitted, found.bands_pairs) == (3, 14, 21, 2)
    assert found.ssim == pytest.approx(0.7)
    assert found.bands == pytest.approx(0, abs=1e-9) and found.worst == pytest.approx(-20 * math.log10(2))
    assert found.improved == 0.5
    assert found.lpips == pytest.approx(0.3) and found.lpips_change == pytest.approx(-40)


def test_a_model_can_be_scored_in_process(folder: Path):
    pairs = [evaluate.Pair.load(files) for files in find_pairs(folder)]
    unchanged = evaluate.evaluate_model(lambda picture: picture, pairs)
    assert (unchanged.bands, unchanged.improved, unchanged.worst) == (0, 0, 0)
    found = evaluate.evaluate_model(halfway, pairs)
    assert found.bands > 3 and found.improved == 1 and found.fitted > unchanged.fitted
    by_hand = [
        evaluate.score_pair(halfway(load_picture(pair.moire)), load_picture(pair.clean)) for pair in find_pairs(folder)
    ]
    assert found.ssim == pytest.approx(np.mean([scores["ssim"] for scores in by_hand]))
    with pytest.raises(DataError, match="same size"):
        evaluate.evaluate_model(lambda picture: picture[:-1], pairs)
    with pytest.raises(DataError, match="no scores"):
        evaluate.evaluate_model(halfway, [])


def test_the_command_scores_models_beside_baselines_and_outputs(folder: Path, capsys, tmp_path: Path):
    for pair in find_pairs(folder)[:2]:
        save(halfway(load_picture(pair.moire)), tmp_path / "theirs" / f"{pair.key}.png")
    found = run_json(capsys, "--pairs", folder, "--model", "cnn", "--outputs", f"theirs={tmp_path / 'theirs'}")
    assert list(found["summary"]) == [*ROWS, "cnn", "theirs"]
    assert [pair["key"] for pair in found["pairs"]] == ["0001", "0002", "0012"]
    first = found["pairs"][0]["scores"]
    assert 0 < first["blur 0.6 px"]["blur"] < first["blur 1 px"]["blur"] < 1
    assert first["theirs"] == first["cnn"] and "theirs" not in found["pairs"][2]["scores"]
    assert found["summary"]["theirs"]["pairs"] == 2
    summary = found["summary"]["cnn"]
    assert summary["pairs"] == summary["bands_pairs"] == 3
    drops = [pair["scores"]["cnn"]["bands"] for pair in found["pairs"]]
    assert summary["bands"] == pytest.approx(np.mean(drops)) and summary["worst"] == pytest.approx(min(drops))
    assert summary["blur"] == pytest.approx(np.mean([pair["scores"]["cnn"]["blur"] for pair in found["pairs"]]))
    assert found["summary"]["no processing"]["bands"] == 0 and summary["lpips"] is None


def test_the_table_shows_what_the_json_holds(folder: Path, capsys):
    found = run_json(capsys, "--pairs", folder, "--model", "cnn", "--limit", 1, "--no-baselines")
    assert main(["evaluate", "--pairs", str(folder), "--model", "cnn", "--limit", "1", "--no-baselines"]) == 0
    lines = capsys.readouterr().out.splitlines()
    scores = found["pairs"][0]["scores"]["cnn"]
    row = next(line for line in lines if line.startswith("0001") and "cnn" in line).split()
    assert row[2:6] == [
        f"{scores['raw']:.2f}",
        f"{scores['fitted']:.2f}",
        f"{scores['ssim']:.4f}",
        f"{scores['bands']:+.2f}",
    ]
    assert sum(line.startswith("cnn") for line in lines) == 1


def test_lpips_is_added_where_its_features_are_named(folder: Path, capsys, tmp_path: Path, monkeypatch):
    torch.manual_seed(0)
    layers = (perceptual.Layer(4, tap=True),)
    monkeypatch.setattr(perceptual, "STACKS", {"alexnet": layers})
    network = perceptual.Lpips(layers)
    network.heads[0].data.fill_(1)
    save_file(network.state_dict(), tmp_path / "alexnet.safetensors")
    found = run_json(capsys, "--pairs", folder, "--perceptual", tmp_path, "--limit", 1)["summary"]
    pair = evaluate.Pair.load(find_pairs(folder)[0])
    fitted = Comparison(pair.moire, pair.reference).fitted
    with torch.inference_mode():
        expected = network(*(torch.from_numpy(p).permute(2, 0, 1)[None] for p in (fitted, pair.reference.clean)))
    before, after = found["no processing"]["lpips"], found["blur 1 px"]["lpips"]
    assert before == pytest.approx(expected.item(), rel=1e-4) and before > 0
    assert found["blur 1 px"]["lpips_change"] == pytest.approx(100 * (after / before - 1))
    assert "lpips-weights" in sentence(capsys, "--pairs", folder, "--perceptual", tmp_path / "nothing")


def bundle(weights: Path) -> None:
    """A weights folder with one model: an untrained, thus identical, small network."""
    model = build_model("unet", **TINY)
    config = {"format": 1, "id": "tiny", "family": "cnn", "architecture": "unet", "fields": TINY}
    config["needs"] = asdict(model.needs)
    (weights / "tiny").mkdir(parents=True)
    (weights / "tiny" / "config.json").write_text(json.dumps(config))
    save_file(model.state_dict(), weights / "tiny" / "model.safetensors")
    files = {
        path.name: {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "size": path.stat().st_size}
        for path in (weights / "tiny").iterdir()
    }
    entry = {"family": "cnn", "architecture": "unet", "repo": None, "revision": None, "files": files, "licence": "MIT"}
    entry |= {"parameters": 1, "macs_per_pixel": 1, "summary": {"en": "tiny", "zh-CN": "tiny"}, "bundled": True}
    (weights / "catalog.json").write_text(json.dumps({"models": {"tiny": entry}}))


def test_a_model_of_the_catalogue_runs_through_the_pipeline(tmp_path: Path, monkeypatch):
    monkeypatch.undo()
    bundle(tmp_path)
    predict = evaluate.model_predict("tiny", "cpu", tmp_path)
    picture = screen(50, 70)
    restored = predict(picture)
    assert restored.dtype == np.uint8 and (restored == picture).all()
    with pytest.raises(UnknownNameError, match="did you mean 'tiny'"):
        evaluate.model_predict("tinny", "cpu", tmp_path)


def test_clean_pictures_are_compared_with_themselves(tmp_path: Path, capsys, monkeypatch):
    def five_brighter(picture: ByteImage) -> ByteImage:
        return picture if picture.shape[0] == 40 else picture + np.uint8(5)

    monkeypatch.setattr(evaluate, "model_predict", lambda name, device: five_brighter)
    save(screen(40, 56) // 2, tmp_path / "same.png")
    save(screen(48, 56) // 2, tmp_path / "changed.png")
    found = run_json(capsys, "--clean", tmp_path, "--model", "cnn")
    expected = 20 * math.log10(255 / 5)
    psnr = {picture["name"]: picture["psnr"]["cnn"] for picture in found["clean"]}
    assert psnr == {"same.png": 150, "changed.png": pytest.approx(expected)}
    assert found["summary"]["cnn"]["minimum"] == pytest.approx(expected)
    assert found["summary"]["cnn"]["pictures"] == 2
    assert main(["evaluate", "--clean", str(tmp_path), "--model", "cnn"]) == 0
    table = capsys.readouterr().out
    assert "identical" in table and f"{expected:.2f}" in table


@pytest.mark.parametrize("name", BASELINES)
def test_baselines_keep_size_and_plain_pictures(name: str):
    plain = np.broadcast_to(np.array([200, 120, 40], np.uint8), (51, 77, 3))
    restored = BASELINES[name](plain)
    assert restored.shape == plain.shape and restored.dtype == np.uint8
    assert np.abs(restored.astype(int) - plain).max() <= 1


def test_the_notch_filter_removes_a_stripe_and_leaves_the_rest():
    y, x = np.mgrid[:96, :140].astype(np.float32)
    soft = 0.5 + 0.2 * np.cos(np.pi * (x + 0.5) / 140) * np.cos(np.pi * (y + 0.5) / 96)
    stripes = 0.05 * np.sin(2 * np.pi * (x / 5 + y / 9))
    assert np.abs(notch_filter(soft) - soft).max() < 2e-3
    left = notch_filter((soft + stripes).astype(np.float32)) - soft
    assert left.std() < 0.4 * stripes.std()


def test_the_classical_filter_removes_bands():
    clean = screen(96, 128)
    reference, moire = Reference(clean), photo(clean)
    before, after = (evaluate.score_pair(picture, reference) for picture in (moire, classical(moire)))
    assert after["bands_left"] < 0.8 * before["bands_left"]


def test_bad_folders_get_a_sentence(folder: Path, capsys, tmp_path: Path):
    assert "no folder" in sentence(capsys, "--pairs", tmp_path / "nowhere")
    (tmp_path / "empty" / "moire").mkdir(parents=True)
    assert "holds no picture" in sentence(capsys, "--pairs", tmp_path / "empty")
    save(screen(40, 40), tmp_path / "other" / "moire" / "1.png")
    save(screen(40, 40), tmp_path / "other" / "clean" / "2.png")
    assert "has the number" in sentence(capsys, "--pairs", tmp_path / "other")
    save(screen(40, 40), tmp_path / "sevens" / "7.png")
    assert "number of a pair" in sentence(capsys, "--pairs", folder, "--outputs", f"x={tmp_path / 'sevens'}")
    save(screen(40, 40), tmp_path / "other" / "clean" / "another 2.png")
    with pytest.raises(DataError, match=r"2\.png and another 2\.png|another 2\.png and 2\.png"):
        by_number(tmp_path / "other" / "clean")


def test_bad_pictures_get_a_sentence_that_names_them(folder: Path, capsys, tmp_path: Path):
    save(screen(64, 80), folder / "moire" / "shot0002.png")
    assert "shot0002.png" in sentence(capsys, "--pairs", folder)
    (folder / "moire" / "shot0002.png").write_bytes((folder / "moire" / "shot0001.png").read_bytes()[:900])
    assert "shot0002.png" in sentence(capsys, "--pairs", folder)
    save(screen(64, 80), tmp_path / "theirs" / "0001.png")
    assert "Pair 0001, theirs" in sentence(capsys, "--pairs", folder, "--outputs", f"theirs={tmp_path / 'theirs'}")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--outputs", "theirs"], "NAME=DIR"),
        (["--limit", "0"], "at least 1"),
        (["--model", "cnn", "--model", "cnn"], "cnn"),
    ],
)
def test_bad_arguments_get_a_sentence(folder: Path, capsys, arguments: list[str], said: str):
    assert said in sentence(capsys, "--pairs", folder, *arguments)


def test_outputs_need_ground_truth(folder: Path, capsys):
    assert "--pairs" in sentence(capsys, "--clean", folder / "clean", "--outputs", "x=y")


def test_missing_packages_are_named(monkeypatch):
    with pytest.raises(DemoireError, match=r"no_such_package.*\.\[train\]"):
        extras.require("Drawing curves", "train", "scipy", "no_such_package")
    assert extras.require("Drawing curves", "train", "scipy") is None
