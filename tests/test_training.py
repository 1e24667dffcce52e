"""Training: the same weights whether interrupted or not, state on disk, the schedule, export."""

import itertools
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from demoire.cli import main
from demoire.errors import DataError, UnknownNameError
from demoire.images import Picture, encode
from demoire.loading import load_model
from demoire.models.unet import UNetConfig
from demoire.tiling import predict_image
from demoire.training import checkpoint
from demoire.training.checkpoint import Progress
from demoire.training.content import Entry
from demoire.training.export import Touches, load_runs, measure_halo, read_photo, write_model
from demoire.training.grain import STRENGTH, draw_grain
from demoire.training.leaves import draw_leaves
from demoire.training.loop import Precision, Trainer, TrainOptions, learning_rate
from demoire.training.losses import LOSSES, gate_loss
from demoire.training.pool import CapturePool, PoolConfig, fill_pool
from demoire.training.presets import find_preset
from demoire.training.textures import draw_texture, draw_thing

NETWORK = UNetConfig((8, 8), (0, 1), (1,), 0)


@pytest.fixture(scope="module")
def content(tmp_path_factory) -> Path:
    """A content store of a few drawn pictures, made by the command."""
    folder = tmp_path_factory.mktemp("content")
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:140, :180]
    for number in range(10):
        waves = [127 + 100 * np.sin(x / rng.uniform(4, 30) + y / rng.uniform(4, 30)) for _ in range(3)]
        Image.fromarray(np.stack(waves, -1).astype(np.uint8)).save(folder / f"{number}.png")
    store = tmp_path_factory.mktemp("store")
    arguments = ["--content", str(folder), "-o", str(store), "--pages", "0", "--licence", "CC0-1.0", "--workers", "1"]
    assert main(["prepare", *arguments]) == 0
    return store


def small_preset():
    return replace(
        find_preset("cnn"), network=NETWORK, crop=32, batch=2, pool_slots=6, pool_size=48, warmup=4, steps=12, ema=0.9
    )


def options(content: Path, run: Path, **changes: object) -> TrainOptions:
    base = TrainOptions(
        content, run, steps=12, renew=None, first_slots=6, validation=2, precision=Precision(False, False)
    )
    return replace(base, **changes)


def train(content: Path, run: Path, stops: tuple[int, ...] = (), **changes: object) -> Trainer:
    """Trains to the end, stopping, saving and going on anew at the steps ``stops``."""
    for stop in stops:
        trainer = Trainer(small_preset(), options(content, run, **changes))
        while trainer.progress.step < stop:
            trainer.step()
            trainer.progress = replace(trainer.progress, step=trainer.progress.step + 1)
        trainer.save()
    trainer = Trainer(small_preset(), options(content, run, **changes))
    assert trainer.progress.step == (stops[-1] if stops else 0)
    list(trainer.run())
    return trainer


@pytest.mark.parametrize("fresh", [False, True])
def test_interrupted_training_ends_at_the_same_weights(content: Path, tmp_path: Path, fresh: bool) -> None:
    whole = train(content, tmp_path / "a", fresh=fresh)
    parts = train(content, tmp_path / "b", stops=(3, 7), fresh=fresh)
    assert whole.progress.step == parts.progress.step == 12
    for first, second in ((whole.model, parts.model), (whole.average, parts.average)):
        for name, value in first.state_dict().items():
            assert torch.equal(value, second.state_dict()[name]), name
    assert any(not torch.equal(a, b) for a, b in zip(whole.model.parameters(), whole.average.parameters(), strict=True))
    rows = [json.loads(line) for line in (tmp_path / "a" / "log.jsonl").read_text().splitlines()]
    assert rows[-1]["step"] == 12
    assert math.isfinite(rows[-1]["gain"])


def test_training_lowers_the_loss(content: Path, tmp_path: Path) -> None:
    trainer = Trainer(small_preset(), options(content, tmp_path))
    clean = torch.rand(2, 3, 32, 32) * 0.6 + 0.2
    stripes = (torch.arange(32) % 4 < 2).float() * 0.2 - 0.1
    trainer._next_batch = lambda step: (clean + stripes, clean)
    losses = [trainer.step() for _ in range(60)]
    assert losses[-1] < 0.7 * losses[0]


def test_loss_that_is_not_finite_stops_and_keeps_the_last_state(content: Path, tmp_path: Path) -> None:
    trainer = Trainer(small_preset(), options(content, tmp_path))
    trainer.save()
    before = {k: v.clone() for k, v in trainer.model.state_dict().items()}
    trainer._next_batch = lambda step: (torch.full((2, 3, 32, 32), math.nan), torch.zeros(2, 3, 32, 32))
    with pytest.raises(DataError, match="not finite at step 0"):
        list(trainer.run())
    assert all(torch.equal(v, before[k]) for k, v in trainer.model.state_dict().items())
    found = checkpoint.load(tmp_path / "checkpoint")
    assert found is not None
    assert found[1].step == 0


def test_training_starts_from_given_weights_only_if_they_fit(content: Path, tmp_path: Path) -> None:
    first = Trainer(small_preset(), options(content, tmp_path / "a"))
    first.step()
    state = first.model.state_dict()
    second = Trainer(small_preset(), options(content, tmp_path / "b", init=(state,)))
    assert all(torch.equal(value, state[name]) for name, value in second.model.state_dict().items())
    other = replace(small_preset(), network=replace(NETWORK, context_blocks=1))
    with pytest.raises(DataError, match="choose the preset's own model"):
        Trainer(other, options(content, tmp_path / "c", init=(state,)))


def test_run_of_another_network_is_refused(content: Path, tmp_path: Path) -> None:
    Trainer(small_preset(), options(content, tmp_path)).save()
    other = replace(small_preset(), network=replace(NETWORK, context_blocks=1))
    with pytest.raises(DataError, match="another network"):
        Trainer(other, options(content, tmp_path))


def test_state_is_written_in_small_shards_and_survives_a_failed_write(tmp_path: Path, monkeypatch) -> None:
    tensors = {f"t{i}": torch.full((1_000_000,), float(i)) for i in range(9)}
    folder = tmp_path / "checkpoint"
    checkpoint.save(folder, tensors, Progress(5, 1.5, 0.25), {"seed": 1})
    assert len(list(folder.glob("*.safetensors"))) == 3
    assert all(f.stat().st_size <= checkpoint.SHARD_BYTES + 10_000 for f in folder.iterdir())

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(DataError, match="last one stays"):
        checkpoint.save(folder, tensors, Progress(6), {})
    found = checkpoint.load(folder)
    assert found is not None
    loaded, progress, settings = found
    assert (progress, settings) == (Progress(5, 1.5, 0.25), {"seed": 1})
    assert all(torch.equal(loaded[name], tensor) for name, tensor in tensors.items())
    (folder / "state-000.safetensors").write_bytes(b"cut off")
    with pytest.raises(DataError, match="damaged"):
        checkpoint.load(folder)
    assert checkpoint.load(tmp_path / "none") is None


def test_learning_rate_warms_up_and_ends_at_one_percent() -> None:
    preset = replace(find_preset("cnn"), warmup=10, learning_rate=1.0)
    assert learning_rate(preset, 0, 0.0) == pytest.approx(0.1)
    assert learning_rate(preset, 100, 0.0) == pytest.approx(1.0)
    assert learning_rate(preset, 100, 0.5) == pytest.approx(0.505)
    assert learning_rate(preset, 100, 1.0) == pytest.approx(0.01)
    assert learning_rate(preset, 100, 1.2) == pytest.approx(0.01)


def test_losses_in_closed_form() -> None:
    clean = torch.rand(2, 3, 32, 32)
    checker = ((torch.arange(32)[:, None] + torch.arange(32)) % 2 * 2 - 1) * 0.1
    flat = torch.full((32, 32), 0.1)
    assert LOSSES["l1"](clean + checker, clean).item() == pytest.approx(0.1, rel=1e-4)
    assert LOSSES["pyramid_l1"](clean + checker, clean).item() == pytest.approx(0.1, rel=1e-3)
    assert LOSSES["pyramid_l1"](clean + flat, clean).item() == pytest.approx(0.5, rel=1e-3)
    assert LOSSES["psnr"](clean + flat, clean).item() == pytest.approx(-2, abs=5e-3)
    assert LOSSES["psnr"](clean, clean).item() == pytest.approx(-4, abs=1e-5)


def test_pool_goes_on_where_it_stopped_and_repeats_by_seed(content: Path, tmp_path: Path) -> None:
    config, simulator = PoolConfig(3, 40, 9), find_preset("cnn").simulator
    fill_pool(tmp_path / "a", config, content, simulator, 0, 5)
    for limit in (2, 5):
        fill_pool(tmp_path / "b", config, content, simulator, 0, limit)
    pools = [CapturePool(tmp_path / name, config) for name in "ab"]
    assert pools[0].rendered == 5
    assert np.array_equal(pools[0].pairs, pools[1].pairs)
    moire, clean = pools[0].crops(np.random.default_rng(1), 4, 24)
    assert moire.shape == clean.shape == (4, 3, 24, 24)
    assert (moire - clean).abs().mean() < 0.2
    with pytest.raises(DataError, match="other settings"):
        CapturePool(tmp_path / "a", replace(config, seed=10))
    with pytest.raises(DataError, match="still empty"):
        CapturePool(tmp_path / "c", config).crops(np.random.default_rng(1), 1, 8)


def test_only_a_background_process_ends_with_the_one_that_started_it(
    content: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A training whose shell was closed got a pool of as many captures as there were by then."""
    config, simulator = PoolConfig(9, 40, 9), find_preset("cnn").simulator
    parents = itertools.count()
    monkeypatch.setattr("demoire.training.pool.os.getppid", lambda: next(parents))
    fill_pool(tmp_path / "first", config, content, simulator, 0, 3)
    assert CapturePool(tmp_path / "first", config).rendered == 3
    monkeypatch.setattr("demoire.training.pool.os.getppid", lambda: 7 if next(parents) < 4 else 1)
    parents = itertools.count()
    fill_pool(tmp_path / "on", config, content, simulator, 0, None)
    assert CapturePool(tmp_path / "on", config).rendered == 3


def test_export_makes_a_model_that_loads_and_tiles_as_measured(content: Path, tmp_path: Path) -> None:
    preset = small_preset()
    trainer = train(content, tmp_path / "run")
    with torch.no_grad():
        trainer.average.head.weight.normal_(std=0.05)
    trainer.save()
    opened = load_runs([tmp_path / "run"], preset, Touches(gate_shift=1.5)).module.gate.bias
    trained = load_runs([tmp_path / "run"], preset)
    assert torch.allclose(opened, trained.module.gate.bias + 1.5)
    photo = torch.rand(3, 120, 250)
    tensors, progress, settings = checkpoint.load(tmp_path / "run" / "checkpoint")
    tensors["average.gate.bias"] += 1
    checkpoint.save(tmp_path / "other" / "checkpoint", tensors, progress, settings)
    mean = load_runs([tmp_path / "run", tmp_path / "other"], preset)
    assert mean.runs == 2
    assert torch.allclose(mean.module.gate.bias, trained.module.gate.bias + 0.5)
    assert torch.equal(mean.module.head.weight, trained.module.head.weight)
    sharper = load_runs([tmp_path / "run"], preset, Touches(gate_scale=2.0, gate_shift=-1.0)).module.gate
    assert torch.equal(sharper.bias, 2 * load_runs([tmp_path / "run"], preset).module.gate.bias - 1)
    more = load_runs([tmp_path / "run"], preset, Touches(gain=1.5)).module
    before, after = (predict_image(m, photo, m.needs.size_multiple, 0) - photo for m in (trained.module, more))
    assert torch.allclose(after, 1.5 * before, atol=1e-6)
    assert before.abs().max() > 0.001
    entry = write_model(trained, preset, [photo], tmp_path / "weights", "CC0-1.0")
    loaded = load_model("cnn", weights=tmp_path / "weights")
    assert loaded.entry == entry
    assert loaded.needs.halo == measure_halo(trained.module, trained.module.needs, [photo])
    whole, tiled = (predict_image(loaded.module, photo, 4, loaded.needs.halo, side) for side in (None, 64))
    assert (whole.clamp(0, 1) - tiled.clamp(0, 1)).abs().max() <= 1 / 255 + 1e-6
    assert torch.allclose(whole, predict_image(trained.module, photo, 4, 0), atol=2e-3)


def test_photos_of_export_are_read_upright_and_with_16_bits(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.full((8, 12, 3), 51, np.uint8)).save(tmp_path / "turned.jpg", exif=exif)
    assert read_photo(tmp_path / "turned.jpg").shape == (3, 12, 8)
    encode(Picture(np.full((4, 6, 3), 65535 // 5, np.uint16)), tmp_path / "deep.png", "png")
    assert torch.allclose(read_photo(tmp_path / "deep.png"), torch.full((3, 4, 6), 0.2))
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    with pytest.raises(DataError, match="choose a JPEG"):
        read_photo(tmp_path / "bad.jpg")


def test_commands_train_and_export(content: Path, tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr("demoire.training.presets.PRESETS", {"cnn": small_preset()})
    run, photo = tmp_path / "run", tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 250, 3), dtype=np.uint8)).save(photo)
    common = ["--content", str(content), "--run", str(run)]
    training = ["train", *common, "--steps", "12", "--first", "6", "--no-renew", "--threads", "1", "--validation", "2"]
    assert main([*training, "--slice", "0"]) == 0
    assert "step 1 " in capsys.readouterr().out
    assert main(training) == 0
    assert "validation" in capsys.readouterr().out
    assert (run / "curves.png").stat().st_size > 0
    exporting = ["export", *common, "--photos", str(photo), "-o", str(tmp_path / "weights")]
    assert main(exporting) == 0
    card = (tmp_path / "weights" / "cnn" / "README.md").read_text()
    assert "12 steps of 2 crops of 32 px" in card
    assert "| photo | CC0-1.0 |" in card or "| screen | CC0-1.0 |" in card
    assert load_model("cnn", weights=tmp_path / "weights").entry.licence == "CC-BY-SA-4.0"
    assert main(["export", *common[:2], "--run", str(tmp_path / "no"), "--photos", str(photo)]) == 1
    assert "run train first" in capsys.readouterr().err


def test_unknown_preset_is_named_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'cnn'"):
        find_preset("cn")


def test_entries_of_the_store_name_their_licence(content: Path) -> None:
    from demoire.training.content import read_index

    entries: list[Entry] = read_index(content)[2]["train"]
    assert {entry.licence for entry in entries} == {"CC0-1.0"}


def test_gate_is_asked_to_close_on_pictures_that_are_their_own_target_and_to_open_on_moire() -> None:
    checker = ((torch.arange(32)[:, None] + torch.arange(32)) % 2).float() * 0.2
    clean = torch.full((2, 3, 32, 32), 0.4) + checker
    moire = clean.clone()
    moire[1, :, :16] += 0.1
    right = torch.full((2, 1, 4, 4), -9.0)
    right[1, :, :2] = 9
    assert gate_loss(right, moire, clean) < 1e-3
    assert gate_loss(-right, moire, clean) > 8
    free = right.clone()
    free[1, :, 2:] *= -1  # where nothing is to be seen in a capture either answer is as good
    assert gate_loss(free, moire, clean) == gate_loss(right, moire, clean)
    flat = torch.full_like(clean, 0.4)  # nor does it matter where there is nothing that could be harmed
    assert gate_loss(free, flat, flat) < 1e-3


def test_textures_repeat_by_seed_and_fill_any_size() -> None:
    for seed in range(6):
        first, again = (draw_texture(np.random.default_rng(seed), 90, 700) for _ in range(2))
        assert np.array_equal(first, again)
        assert first.shape == (90, 700, 3)
        assert first.std() > 1


def covered_shares(draw: Callable[..., np.ndarray], picture: np.ndarray) -> list[float]:
    """How much of a picture of one tone is drawn over, by seed; the same again by the same seed."""
    shares = []
    for seed in range(12):
        first, again = (draw(np.random.default_rng(seed), picture) for _ in range(2))
        assert np.array_equal(first, again)
        assert first.shape == picture.shape and first.dtype == np.uint8
        shares.append(float((first != picture).any(2).mean()))
    return shares


def test_a_thing_covers_a_part_of_a_picture_with_its_texture() -> None:
    shares = covered_shares(draw_thing, np.full((120, 150, 3), 77, np.uint8))
    assert 0.1 < np.mean(shares) < 0.8
    assert max(shares) < 1


def test_leaves_are_of_all_sizes_and_cover_a_part() -> None:
    shares = covered_shares(draw_leaves, np.full((90, 130, 3), 90, np.uint8))
    assert min(shares) > 0.05 and max(shares) <= 1
    assert max(shares) - min(shares) > 0.3


def test_grain_is_as_strong_as_it_says_on_some_pictures_without_colour() -> None:
    coloured = np.full((120, 160, 3), (140, 120, 90), np.uint8)
    covered_shares(draw_grain, coloured)
    drawn = [draw_grain(np.random.default_rng(seed), coloured).astype(float) for seed in range(40)]
    strengths = [picture[..., 1].std() for picture in drawn]
    assert STRENGTH[0] * 0.9 < min(strengths) < 3 and 10 < max(strengths) < STRENGTH[1] * 1.1
    spreads = [np.ptp(picture.mean((0, 1))) for picture in drawn]
    assert 10 <= sum(spread < 1 for spread in spreads) <= 30
    assert all(spread < 1 or spread == pytest.approx(50, abs=1) for spread in spreads)


def test_grain_leaves_what_is_under_it_where_it_was() -> None:
    rows = np.linspace(40, 215, 200)[:, None, None]
    picture = np.broadcast_to(rows, (200, 256, 3)).astype(np.uint8)
    for seed in range(8):
        means = draw_grain(np.random.default_rng(seed), picture)[20:-20].mean((1, 2))
        assert np.abs(means - picture[20:-20].mean((1, 2))).max() < 6


def test_bench_compares_rendering_with_training(content: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr("demoire.training.presets.PRESETS", {"cnn": small_preset()})
    assert main(["bench-training", "--content", str(content), "--device", "cpu", "--repeats", "2", "--json"]) == 0
    cost = json.loads(capsys.readouterr().out)
    assert cost["used_per_second"] == pytest.approx(2 * cost["steps_per_second"])
    assert cost["ratio"] == pytest.approx(cost["rendered_per_second"] / cost["used_per_second"])
    assert cost["rendered_per_second"] > 0
