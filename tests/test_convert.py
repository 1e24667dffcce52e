"""Published checkpoints become model folders: however they are wrapped, weights only, then as strict as any model."""

import json
import os
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from demoire.catalog import load_catalog
from demoire.cli import main
from demoire.conversion import Conversion, convert, measure_local_halo
from demoire.errors import OutputError, WeightsError
from demoire.hub.publishing import check_folder
from demoire.loading import load_model
from demoire.models import build_model
from demoire.unpickling import weights_in


@pytest.fixture(scope="module")
def state() -> dict[str, Tensor]:
    """Weights of an ESDNet, small enough to be harmless."""
    torch.manual_seed(4)
    return {name: tensor * 0.5 for name, tensor in build_model("esdnet").state_dict().items()}


@pytest.fixture(scope="module")
def checkpoint(state: dict[str, Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the official ones: a plain state dict of a network on several GPUs."""
    path = tmp_path_factory.mktemp("checkpoint") / "uhdm_checkpoint.pth"
    torch.save(OrderedDict((f"module.{name}", tensor) for name, tensor in state.items()), path)
    return path


def test_a_checkpoint_becomes_a_local_model(
    checkpoint: Path,
    state: dict[str, Tensor],
    weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from PIL import Image

    target = tmp_path / "mine" / "esdnet-uhdm"
    Image.effect_noise((160, 160), 60).convert("RGB").save(tmp_path / "photo.png")
    options = [
        "--photo",
        str(tmp_path / "photo.png"),
        "--arch",
        "esdnet",
        "-o",
        str(target),
        "--licence",
        "Apache-2.0",
        "--datasets",
        "UHDM",
    ]
    assert main(["convert", str(checkpoint), *options]) == 0
    assert "shows it on the page as 'esdnet-uhdm'" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "mine").rglob("*") if path.is_file()) == [
        "README.md",
        "catalog.json",
        "config.json",
        "model.safetensors",
    ]
    stored = load_file(target / "model.safetensors")
    assert stored.keys() == state.keys() and all(torch.equal(stored[name], state[name]) for name in state)
    needs = json.loads((target / "config.json").read_text())["needs"]
    assert needs["tiling"] is False and 32 <= needs["halo"] <= 256 and needs["size_multiple"] == 32
    monkeypatch.setenv("DEMOIRE_MODELS_DIR", str(target.parent))
    entry = load_catalog(weights)["esdnet-uhdm"]
    assert (entry.family, entry.licence, entry.folder) == ("cnn", "Apache-2.0", target)
    assert 250e3 < entry.macs_per_pixel < 300e3, "the paper counts 2.24e12 for 3840 x 2160"
    loaded = load_model("esdnet-uhdm", weights=weights)
    assert loaded.origin == "local" and loaded.entry.parameters == sum(tensor.numel() for tensor in state.values())
    checked = check_folder(target)
    assert checked.entry.licence == "Apache-2.0", "fit to be published"


def test_a_model_of_the_whole_picture_runs_whole_or_says_so(
    checkpoint: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    convert(checkpoint, tmp_path / "mine" / "whole", Conversion("esdnet"))
    config = tmp_path / "mine" / "whole" / "config.json"
    data = json.loads(config.read_text())
    data["needs"]["halo"] = 32
    config.write_text(json.dumps(data))
    (tmp_path / "mine" / "whole" / "catalog.json").unlink()
    monkeypatch.setenv("DEMOIRE_MODELS_DIR", str(tmp_path / "mine"))
    Image.effect_noise((150, 120), 60).convert("RGB").save(tmp_path / "a.png")
    job = ["restore", str(tmp_path / "a.png"), "-o", str(tmp_path / "b.png"), "--weights", str(weights)]
    job += ["--model", "whole", "--device", "cpu", "--json"]
    assert main(job) == 0 and main([*job, "--tile", "128"]) == 0
    whole, tiled = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (whole["tiles"], whole["origin"], whole["notices"]) == (1, "local", [])
    assert tiled["tiles"] > 1 and any("looks at the whole picture" in notice for notice in tiled["notices"])


def tiny_state() -> dict[str, Tensor]:
    return {"conv.weight": torch.ones(2, 3), "conv.bias": torch.zeros(2, dtype=torch.float16)}


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"params_ema": state, "params": {"conv.weight": torch.zeros(1)}},
        lambda state: {"model": {"state_dict": {f"module.{name}": value for name, value in state.items()}}},
        lambda state: {f"_orig_mod.module.{name}": value for name, value in state.items()},
    ],
)
def test_wrappers_and_prefixes_are_taken_off(wrap: Any) -> None:
    state = tiny_state()
    found = weights_in(wrap(state))
    assert found.keys() == state.keys() and all(torch.equal(found[name], state[name]) for name in state)


@pytest.mark.parametrize("content", [3, [torch.ones(1)], {}, {"state_dict": 3}, {"epoch": 1, "note": "x"}])
def test_what_holds_no_weights(content: object) -> None:
    with pytest.raises(ValueError, match="no dictionary of tensors"):
        weights_in(content)


class Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_code_in_a_checkpoint_does_not_run(tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    torch.save({"state_dict": tiny_state(), "trap": Trap(sprung)}, tmp_path / "trap.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Trap(sprung)))
    for name in ("trap.pth", "plain.pth"):
        with pytest.raises(WeightsError, match="weights only"):
            convert(tmp_path / name, tmp_path / "out", Conversion("esdnet"))
    assert not sprung.exists()


def test_what_does_not_fit_leaves_nothing_behind(tmp_path: Path) -> None:
    torch.save(tiny_state(), tmp_path / "other.pth")
    (tmp_path / "cut.pth").write_bytes((tmp_path / "other.pth").read_bytes()[:300])
    (tmp_path / "text.pth").write_text("no checkpoint")
    (tmp_path / "empty.pth").write_bytes(b"")
    for name, words in {
        "other.pth": "do not fit its architecture 'esdnet'",
        "cut.pth": "weights only",
        "text.pth": "weights only",
        "empty.pth": "weights only",
        "none.pth": "There is no checkpoint",
    }.items():
        with pytest.raises(WeightsError, match=words):
            convert(tmp_path / name, tmp_path / "out" / "model", Conversion("esdnet"))
        assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []
    with pytest.raises(OutputError, match="cannot be written"):
        convert(tmp_path / "other.pth", tmp_path / "text.pth" / "model", Conversion("esdnet"))
    with pytest.raises(WeightsError, match="not allowed"):
        convert(tmp_path / "other.pth", tmp_path / ".hidden", Conversion("esdnet"))


class Reach(nn.Module):
    """Sees ``radius`` pixels to each side, and the average of all."""

    def __init__(self, radius: int) -> None:
        super().__init__()
        self.radius = radius

    def forward(self, x: Tensor) -> Tensor:
        far = torch.roll(x, self.radius, -1) if self.radius else x
        return 0.5 * x + 0.4 * far + 0.1 * x.mean((2, 3), keepdim=True)


@pytest.mark.parametrize(("radius", "halo"), [(0, 32), (30, 32), (60, 64), (100, 128), (150, 160), (165, 256)])
def test_the_halo_is_how_far_a_network_looks_apart_from_averages(radius: int, halo: int) -> None:
    torch.manual_seed(0)
    assert measure_local_halo(Reach(radius), torch.rand(3, 600, 640)) == halo
