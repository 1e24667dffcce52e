"""Models of strangers that lie: refused with a sentence before they cost memory, run code or reach other files."""

import hashlib
import json
import pickle
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save

from demoire.additions import local_entry, wanted_repositories
from demoire.catalog import load_catalog
from demoire.entries import read_catalog
from demoire.errors import WeightsError
from demoire.hub import Resolved
from demoire.loading import open_model
from demoire.tensorfile import read_header

CONFIG, WEIGHTS = "config.json", "model.safetensors"
Change = Callable[[Path], None]


def put(content: bytes) -> Change:
    return lambda folder: (folder / WEIGHTS).write_bytes(content) and None


def header(text: str, length: int | None = None, data: bytes = b"") -> bytes:
    raw = text.encode()
    return struct.pack("<Q", len(raw) if length is None else length) + raw + data


def tensors(change: Callable[[dict[str, torch.Tensor]], None]) -> Change:
    def apply(folder: Path) -> None:
        state = load_file(folder / WEIGHTS)
        change(state)
        (folder / WEIGHTS).write_bytes(save(state))

    return apply


def config(**changes: object) -> Change:
    def apply(folder: Path) -> None:
        before = json.loads((folder / CONFIG).read_text())
        (folder / CONFIG).write_text(json.dumps({**before, **changes}))

    return apply


def needs(**changes: object) -> Change:
    def apply(folder: Path) -> None:
        before = json.loads((folder / CONFIG).read_text())["needs"]
        config(needs={**before, **changes})(folder)

    return apply


def put_nan(state: dict[str, torch.Tensor]) -> None:
    state["head.bias"] = torch.full_like(state["head.bias"], float("nan"))


def put_wide(state: dict[str, torch.Tensor]) -> None:
    state["head.bias"] = torch.zeros(99)


def put_whole_numbers(state: dict[str, torch.Tensor]) -> None:
    state["head.bias"] = state["head.bias"].to(torch.int32)


def put_huge_values(state: dict[str, torch.Tensor]) -> None:
    state.update({name: torch.full_like(tensor, 6e4).float() * 1e30 for name, tensor in state.items()})


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(put(b""), "header does not fit", id="empty"),
        pytest.param(put(b"\x00" * 7), "header does not fit", id="seven bytes"),
        pytest.param(put(header("{}", 1 << 62)), "header does not fit", id="huge header"),
        pytest.param(put(header("{}", 1 << 62, b"x" * 100)), "header does not fit", id="huge header, some data"),
        pytest.param(put(header("[]")), "cannot be read", id="header is a list"),
        pytest.param(put(header("{" * 5000)), "cannot be read", id="nested header"),
        pytest.param(
            put(header('{"a": {"dtype": "F32", "shape": [1000000000000], "data_offsets": [0, 4000000000000]}}')),
            "longer or shorter",
            id="huge tensor",
        ),
        pytest.param(
            put(header('{"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}', data=b"abcd")),
            "cannot be read",
            id="negative side",
        ),
        pytest.param(
            put(header('{"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}', data=b"abcdefgh")),
            "not where it should be",
            id="hole before the data",
        ),
        pytest.param(
            put(header('{"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4, 8]}}', data=b"abcd")),
            "cannot be read",
            id="three offsets",
        ),
        pytest.param(put(pickle.dumps({"a": 1})), "not a safetensors file", id="pickle"),
        pytest.param(put(b"PK\x03\x04" + bytes(200)), "not a safetensors file", id="zip of pytorch"),
        pytest.param(tensors(put_nan), "'head.bias'.* not finite", id="nan"),
        pytest.param(tensors(put_wide), r"'head.bias' is F32 \[99\] where it should be \[12\]", id="wrong shape"),
        pytest.param(tensors(put_whole_numbers), "'head.bias' is I32", id="wrong dtype"),
        pytest.param(tensors(put_huge_values), "finite values|not finite", id="overflow in the first forward"),
        pytest.param(config(architecture="unett"), "did you mean 'unet'", id="unknown architecture"),
        pytest.param(config(fields={"chanels": [4, 8]}), "did you mean 'channels'", id="unknown field"),
        pytest.param(config(fields={"channels": [10**9, 8]}), "larger than 4096", id="absurd width"),
        pytest.param(config(fields={"encoder_blocks": [0, 10**12]}), "larger than 4096", id="absurd depth"),
        pytest.param(config(fields={"channels": [1] * 5000}), "more than 4096 items", id="absurd list"),
        pytest.param(config(id="../../etc"), "not allowed", id="path as id"),
        pytest.param(config(code="import os"), "no key called 'code'", id="further key"),
        pytest.param(needs(size_multiple=10**9), "do not fit together", id="absurd multiple"),
        pytest.param(needs(halo=-1), "do not fit together", id="negative halo"),
        pytest.param(needs(dtype="float3"), "did you mean 'float32'", id="unknown dtype"),
    ],
)
def test_a_model_that_lies(change: Change, words: str, weights: Path) -> None:
    folder = weights / "tiny"
    change(folder)
    with pytest.raises(WeightsError, match=words):
        open_model(Resolved(local_entry(folder), folder, "local"))


def test_a_header_is_read_as_safetensors_wrote_it() -> None:
    state = {"b": torch.zeros(2, 3), "a": torch.ones(4, dtype=torch.float16), "n": torch.tensor(1)}
    found = read_header(save(state, {"note": "x"}), "it")
    assert {name: (info.dtype, info.shape) for name, info in found.items()} == {
        "b": ("F32", (2, 3)),
        "a": ("F16", (4,)),
        "n": ("I64", ()),
    }


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/b", ".hidden", "", "a\\b", "x" * 101])
def test_path_tricks_in_a_catalogue(name: str, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = weights / "catalog.json"
    catalog = json.loads(path.read_text())
    line = catalog["models"]["tiny"]
    path.write_text(json.dumps({"models": {name: line}}))
    with pytest.raises(WeightsError, match="not allowed"):
        read_catalog(path)
    path.write_text(json.dumps({"models": {"tiny": {**line, "files": {name: line["files"][CONFIG]}}}}))
    with pytest.raises(WeightsError, match="not allowed"):
        read_catalog(path)


@pytest.mark.parametrize(
    "text", ["owner", "owner/name/more", "../name", "owner/../x", "https://x.org/a", "a/b@", "a/b@../x", "a/b@x/.git"]
)
def test_repositories_that_are_none(text: str) -> None:
    if text == "a/b@":
        assert wanted_repositories(text)[0].revision == "main"
        return
    with pytest.raises(WeightsError):
        wanted_repositories(text)


def test_a_catalogue_pins_whole_commits(weights: Path) -> None:
    path = weights / "catalog.json"
    catalog = json.loads(path.read_text())
    for revision in ("main", None, "c0ffee", "C0FFEE" + 34 * "0"):
        catalog["models"]["tiny"] |= {"repo": "someone/tiny", "revision": revision}
        path.write_text(json.dumps(catalog))
        with pytest.raises(WeightsError, match="commit of 40"):
            read_catalog(path)


def test_local_folders_join_and_a_broken_one_harms_no_other(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from demoire.cli import main
    from demoire.loading import load_model

    root = tmp_path / "mine"
    for name in ("good", "bad", "..bad"):
        (root / name).mkdir(parents=True)
        for file in (CONFIG, WEIGHTS):
            (root / name / file).write_bytes((weights / "tiny" / file).read_bytes())
    (root / "bad" / CONFIG).write_text("{")
    (root / "no model").mkdir()
    monkeypatch.setenv("DEMOIRE_MODELS_DIR", str(root))
    assert set(load_catalog(weights)) == {"identity", "tiny", "good"}
    loaded = load_model("good", weights=weights)
    assert loaded.origin == "local" and loaded.entry.parameters == load_model("tiny", weights=weights).entry.parameters
    assert main(["models", "--weights", str(weights), "--verify"]) == 1
    told = capsys.readouterr()
    assert "config.json of the model 'bad' is not valid JSON" in told.err and "'..bad' is not allowed" in told.err
    assert told.out.count("verified") == 3
    line = {"models": {"good": {**read_catalog(weights / "catalog.json")["tiny"].line(), "bundled": False}}}
    (root / "good" / "catalog.json").write_text(json.dumps(line))
    assert load_model("good", weights=weights).entry.summary["en"] == "For tests."
    data = (root / "good" / WEIGHTS).read_bytes()
    (root / "good" / WEIGHTS).write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert hashlib.sha256(data).hexdigest() == line["models"]["good"]["files"][WEIGHTS]["sha256"]
    with pytest.raises(WeightsError, match="damaged or not the one"):
        load_model("good", weights=weights)
