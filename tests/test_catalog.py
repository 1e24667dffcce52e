"""Catalogue and loading: strict, hashed, safetensors only; every fault is one sentence that says what to do."""

import hashlib
import json
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import demoire
from demoire.catalog import find_model, load_catalog
from demoire.errors import DemoireError, DeviceError, UnknownNameError, WeightsError
from demoire.hub import Sources, read_verified
from demoire.loading import ModelCache, load_model


def edit_catalog(weights: Path, model_id: str, key: str, value: object) -> None:
    path = weights / "catalog.json"
    data = json.loads(path.read_text())
    data["models"][model_id][key] = value
    path.write_text(json.dumps(data))


def replace_file(weights: Path, model_id: str, name: str, content: bytes) -> None:
    """Puts other bytes in place of a file, and their hash into the catalogue."""
    (weights / model_id / name).write_bytes(content)
    files = json.loads((weights / "catalog.json").read_text())["models"][model_id]["files"]
    files[name] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}
    edit_catalog(weights, model_id, "files", files)


def edit_config(weights: Path, change: dict[str, object]) -> None:
    config = json.loads((weights / "tiny" / "config.json").read_text())
    replace_file(weights, "tiny", "config.json", json.dumps({**config, **change}).encode())


def test_the_catalogue_is_read_without_torch(weights: Path) -> None:
    entry = load_catalog(weights)["tiny"]
    assert (entry.id, entry.family, entry.architecture, entry.bundled) == ("tiny", "cnn", "unet", True)
    assert entry.summary["zh-CN"] == "用于测试。"
    assert set(entry.files) == {"config.json", "model.safetensors"}
    code = "import sys, demoire.catalog, demoire.restore, demoire.cli.restore; print('torch' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd())
    assert answer.stdout.strip() == "False"


def test_load_model_gives_float32_weights_and_needs(weights: Path) -> None:
    loaded = load_model("tiny", weights=weights)
    stored = load_file(weights / "tiny" / "model.safetensors")
    assert {tensor.dtype for tensor in stored.values()} == {torch.float16}
    for name, tensor in loaded.module.state_dict().items():
        assert tensor.dtype == torch.float32 and torch.equal(tensor, stored[name].float())
    assert not loaded.module.training and not any(p.requires_grad for p in loaded.module.parameters())
    assert (loaded.needs.size_multiple, loaded.needs.halo, loaded.origin) == (4, 40, "bundled")
    picture = torch.rand(1, 3, 16, 20)
    assert torch.equal(load_model("identity", weights=weights).module(picture), picture)
    assert demoire.load_model is load_model


def test_an_unknown_model_is_named_with_the_nearest(weights: Path) -> None:
    with pytest.raises(UnknownNameError, match="no model called 'tiney'; did you mean 'tiny'"):
        find_model("tiney", weights)
    with pytest.raises(DeviceError, match="'cuda:77'"):
        load_model("tiny", device="cuda:77", weights=weights)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("licence", None, "'licence' must be of type str"),
        ("bundled", 1, "'bundled' must be of type bool"),
        ("parameters", True, "'parameters' must be of type int"),
        ("licens", "MIT", "key called 'licens'; did you mean 'licence'"),
        ("family", "gann", "family called 'gann'; did you mean 'gan'"),
        ("files", {"../../secret": {"sha256": "", "size": 1}}, "not allowed"),
        ("files", {"config.json": {"sha256": ""}}, "'size' is missing"),
        ("files", {"config.json": 3}, "must be a JSON object"),
        ("summary", {"en": "x"}, "'zh-CN' is missing"),
    ],
)
def test_a_catalogue_that_is_not_as_agreed(weights: Path, key: str, value: object, words: str) -> None:
    edit_catalog(weights, "tiny", key, value)
    with pytest.raises(WeightsError, match=words):
        load_catalog(weights)


def test_a_missing_or_broken_catalogue(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="catalogue of models is missing"):
        load_catalog(tmp_path / "nowhere")
    for text in ("{", "[]", '{"models": {"..": {}}}'):
        (weights / "catalog.json").write_text(text)
        with pytest.raises(WeightsError):
            load_catalog(weights)


def test_changed_bytes_are_refused_before_they_are_opened(weights: Path) -> None:
    path = weights / "tiny" / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(WeightsError, match="damaged or not the one"):
        load_model("tiny", weights=weights)
    path.write_bytes(data[:100])
    with pytest.raises(WeightsError, match="damaged or not the one"):
        load_model("tiny", weights=weights)
    path.unlink()
    with pytest.raises(WeightsError, match=r"lacks model\.safetensors"):
        load_model("tiny", weights=weights)


def test_a_pickle_is_never_opened(weights: Path, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "sprung",))  # type: ignore[return-value]

    replace_file(weights, "tiny", "model.safetensors", pickle.dumps(Trap()))
    with pytest.raises(WeightsError, match="not a safetensors file"):
        load_model("tiny", weights=weights)
    assert not (tmp_path / "sprung").exists()


def test_weights_that_do_not_fit_or_are_not_finite(weights: Path) -> None:
    path = weights / "tiny" / "model.safetensors"
    good = load_file(path)

    def store(state: dict[str, torch.Tensor]) -> None:
        save_file(state, path)
        replace_file(weights, "tiny", "model.safetensors", path.read_bytes())

    store({name: tensor for name, tensor in good.items() if name != "head.bias"})
    with pytest.raises(WeightsError, match="do not fit"):
        load_model("tiny", weights=weights)
    store({**good, "extra": torch.zeros(1)})
    with pytest.raises(WeightsError, match="do not fit"):
        load_model("tiny", weights=weights)
    store({**good, "head.bias": torch.full_like(good["head.bias"], float("nan"))})
    with pytest.raises(WeightsError, match=r"'head\.bias'.* not finite"):
        load_model("tiny", weights=weights)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 2}, "'format' is not 1"),
        ({"id": "other"}, "'id' is 'other'"),
        ({"architecture": "resnet"}, "'architecture' is 'resnet'"),
        ({"fields": {"chanels": [4]}}, "did you mean 'channels'"),
        ({"fields": {"channels": [4]}}, "configuration of the model 'tiny' does not fit"),
        ({"extra": 1}, "no key called 'extra'"),
        ({"needs": {"size_multiple": 4}}, "'receptive_field' is missing"),
    ],
)
def test_a_configuration_that_does_not_fit(weights: Path, change: dict[str, object], words: str) -> None:
    edit_config(weights, change)
    with pytest.raises(WeightsError, match=words):
        load_model("tiny", weights=weights)


def test_sizes_in_needs_must_make_sense(weights: Path) -> None:
    needs = {"size_multiple": 0, "receptive_field": 8, "halo": 9, "tiling": True, "frames": 1, "dtype": "float32"}
    edit_config(weights, {"needs": needs})
    with pytest.raises(WeightsError, match="do not fit together"):
        load_model("tiny", weights=weights)


def test_a_model_that_is_not_bundled_says_so(weights: Path) -> None:
    edit_catalog(weights, "tiny", "bundled", False)
    with pytest.raises(WeightsError, match="not bundled"):
        load_model("tiny", weights=weights)


def test_only_files_of_the_catalogue_are_read(weights: Path) -> None:
    entry = find_model("tiny", weights)
    with pytest.raises(WeightsError, match="not in the catalogue"):
        read_verified(Sources(weights).resolve(entry), "../catalog.json")


def test_the_cache_shares_models_and_forgets_the_oldest(weights: Path) -> None:
    size = load_model("tiny", weights=weights).size
    cache = ModelCache(weights, budget=2 * size - 1)
    first = cache.get("tiny")
    assert cache.get("tiny") is first
    cache.get("identity")
    assert cache.get("tiny") is not first
    with cache.using("tiny") as used:
        cache.get("identity")
        assert cache.get("tiny") is used, "what is in use stays, whatever the memory"
    copy = pickle.loads(pickle.dumps(cache))
    assert copy.weights == weights and copy.get("tiny").entry == first.entry
    with pytest.raises(DemoireError):
        cache.get("nothing")
