"""The bundled models on real photos: files as catalogued, tiles as the whole, one photo through the command line."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from demoire.catalog import RESTORING, WEIGHTS, load_catalog
from demoire.cli import main
from demoire.detect import FULL_STRENGTH, detect
from demoire.images import Picture, decode
from demoire.loading import load_model
from demoire.models.detector import Detector
from demoire.models.discriminator import Discriminator
from demoire.models.unet import macs_per_pixel
from demoire.restore import Restored, RestoreOptions, restore
from demoire.tiling import predict_image

PHOTOS = Path(__file__).resolve().parent.parent / "demoire" / "ui" / "examples"


def photo(name: str) -> Tensor:
    return torch.from_numpy(np.array(decode(PHOTOS / name).pixels)).permute(2, 0, 1) / 255


@pytest.mark.parametrize("model_id", load_catalog())
def test_every_bundled_model_loads_and_is_what_the_catalogue_says(model_id: str) -> None:
    loaded = load_model(model_id)
    entry, needs = loaded.entry, loaded.needs
    assert sum(parameter.numel() for parameter in loaded.module.parameters()) == entry.parameters
    assert sum(file.size for file in entry.files.values()) < 10e6
    assert macs_per_pixel(loaded.module, inputs=needs.frames) == pytest.approx(entry.macs_per_pixel, rel=0.01)
    folder = WEIGHTS / model_id
    for name, file in entry.files.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == file.sha256
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\n") and f"license: {entry.licence.lower()}" in card


@pytest.mark.parametrize("model_id", load_catalog())
def test_every_bundled_model_gives_what_its_family_gives(model_id: str) -> None:
    loaded = load_model(model_id)
    module, multiple, family = loaded.module, loaded.needs.size_multiple, loaded.entry.family
    sizes = (2 * multiple, 3 * multiple)
    pictures = [torch.rand(1, 3, *sizes) for _ in range(loaded.needs.frames)]
    with torch.inference_mode():
        output = module(*pictures)
    if family in RESTORING:
        assert output.shape == pictures[0].shape and torch.isfinite(output).all()
    elif isinstance(module, Detector):
        maps, features = output
        assert family == "detector" and maps.shape == (1, 2, sizes[0] // 4, sizes[1] // 4)
        assert torch.isfinite(maps).all() and torch.isfinite(module.judge(features)).all()
    else:
        assert isinstance(module, Discriminator) and family == "discriminator"
        assert output.shape == (1, 1, 2, 3) and torch.isfinite(output).all()


def test_one_photo_is_by_the_recurrent_network_as_by_the_cnn() -> None:
    cnn, recurrent = load_model("cnn").module.state_dict(), load_model("rnn").module.state_dict()
    assert all(torch.equal(recurrent[f"cnn.{name}"], value) for name, value in cnn.items())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sheet.jpg", "ticket.jpg"])
def test_tiles_of_three_sizes_give_the_whole_picture_within_one_level(name: str) -> None:
    loaded = load_model("cnn")
    multiple, halo = loaded.needs.size_multiple, loaded.needs.halo
    picture = photo(name)[:, :480, :640]
    whole = predict_image(loaded.module, picture, multiple, halo).clamp(0, 1)
    assert (whole - picture).abs().max() > 4 / 255, "the photo is changed at all"
    for side in (2 * halo + 96, 2 * halo + 160, 2 * halo + 240):
        tiled = predict_image(loaded.module, picture, multiple, halo, side).clamp(0, 1)
        assert (tiled - whole).abs().max() <= 1 / 255, side


@pytest.mark.slow
def test_a_halo_of_the_receptive_field_is_exact() -> None:
    loaded = load_model("cnn")
    multiple, radius = loaded.needs.size_multiple, loaded.needs.receptive_field
    strip = torch.cat([photo(name)[:, 300:396] for name in ("sheet.jpg", "clean.jpg", "ticket.jpg")], dim=2)
    whole = predict_image(loaded.module, strip, multiple, radius)
    tiled = predict_image(loaded.module, strip, multiple, radius, 2 * radius + 480)
    assert strip.shape[2] > 2 * radius + 480, "more than one tile"
    assert (tiled - whole).abs().max() < 1e-5


def restored(name: str, device: str, **options: str | int) -> Restored:
    chosen = RestoreOptions(device=device, **options)  # type: ignore[arg-type]
    *_, last = restore(decode(PHOTOS / name), chosen)
    assert isinstance(last, Restored)
    return last


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
@pytest.mark.parametrize("dtype", ["auto", "float32"])
@pytest.mark.parametrize("tile", [None, 512])
def test_cuda_gives_what_the_cpu_gives_within_one_level(dtype: str, tile: int | None) -> None:
    on_cpu, on_cuda = restored("sheet.jpg", "cpu"), restored("sheet.jpg", "cuda", dtype=dtype, tile=tile)
    assert on_cuda.device.startswith("cuda") and on_cuda.notices == on_cpu.notices
    assert np.abs(on_cuda.picture.pixels.astype(int) - on_cpu.picture.pixels).max() <= 1


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_cuda_stays_within_the_memory_that_it_is_given_for_12_megapixels() -> None:
    source = Picture(np.random.default_rng(0).integers(0, 256, (3000, 4000, 3)).astype(np.uint8))
    budget = 2_000_000_000
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    *_, last = restore(source, RestoreOptions(device="cuda", memory_budget=budget))
    assert isinstance(last, Restored) and last.notices == ()
    assert torch.cuda.max_memory_allocated() - before < budget
    assert torch.cuda.memory_allocated() == before, "nothing is left behind"


@pytest.mark.slow
def test_a_real_photo_through_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = PHOTOS / "sheet.jpg"
    for name in ("a.png", "b.png"):
        assert main(["restore", str(source), "-o", str(tmp_path / name), "--device", "cpu", "--json"]) == 0
    done = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(item["model"], item["origin"], item["device"]) for item in done] == [("cnn", "bundled", "cpu")] * 2
    before, after = decode(source), decode(tmp_path / "a.png")
    assert after.pixels.shape == before.pixels.shape and after.icc == before.icc
    difference = np.abs(after.pixels.astype(int) - before.pixels)
    assert 0.2 < difference.mean() < 12
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def banded(amplitude: float, period: float, share: float) -> Picture:
    """Flat grey with grain of 1/255; ``share`` of it, on the left, has a sine of this amplitude (1/255) and period."""
    side = 512
    x, y = np.meshgrid(np.arange(side), np.arange(side))
    wave = amplitude * np.sin(2 * np.pi * (0.8 * x + 0.6 * y) / period) * (x < share * side)
    grain = np.random.default_rng(1).normal(0, 1, (side, side))
    grey = np.clip(128 + wave + grain, 0, 255).round().astype(np.uint8)
    return Picture(np.repeat(grey[..., None], 3, 2))


@pytest.mark.parametrize("period", [10, 20, 40])
@pytest.mark.parametrize("amplitude", [10, 24])
def test_the_detector_measures_bands_of_known_strength_and_area(amplitude: float, period: float) -> None:
    found = detect(banded(amplitude, period, 0.5))
    assert found.found
    assert found.strength * FULL_STRENGTH == pytest.approx(amplitude, rel=0.15)
    assert found.area == pytest.approx(0.5, rel=0.15)


def test_the_detector_finds_nothing_where_there_is_nothing() -> None:
    found = detect(banded(0, 20, 0.5))
    assert not found.found
    assert found.area < 0.01


@pytest.mark.parametrize(("name", "moire"), [("sheet.jpg", True), ("ticket.jpg", True), ("clean.jpg", False)])
def test_the_detector_tells_photos_with_moire(name: str, moire: bool) -> None:
    assert detect(decode(PHOTOS / name)).found == moire
