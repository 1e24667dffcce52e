"""Models from a Hub: the real client against a real server (olah), with its requests counted."""

import json
import multiprocessing
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hubs import Olah, serving_olah

from demoire.catalog import find_model
from demoire.cli import main
from demoire.entries import FileEntry, ModelEntry, read_catalog, write_catalog
from demoire.errors import WeightsError
from demoire.hub import DemoireModel, HubOptions, Sources
from demoire.loading import ModelCache

CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"
TOP = """---
library_name: demoire
license: mit
pipeline_tag: image-to-image
tags: [cnn]
datasets: [none]
---
# A model
"""


@pytest.fixture(scope="session")
def olah(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Olah]:
    with serving_olah(tmp_path_factory.mktemp("olah")) as server:
        yield server


@pytest.fixture(autouse=True)
def environment(olah: Olah, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test has a cache of its own; nothing is asked but the loopback server."""
    for name in (
        "HF_HUB_OFFLINE",
        "HF_TOKEN",
        "DEMOIRE_SOURCE",
        "DEMOIRE_CATALOG",
        "DEMOIRE_MODELS",
        "DEMOIRE_MODELS_DIR",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", olah.address)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hf" / "hub"))
    monkeypatch.setenv("DEMOIRE_PINS", str(tmp_path / "pins"))


def files_of(weights: Path, model_id: str) -> dict[str, bytes]:
    return {name: (weights / model_id / name).read_bytes() for name in (CONFIG, WEIGHTS)}


def pinned(entry: ModelEntry, repo: str, revision: str, **changes: object) -> ModelEntry:
    return replace(entry, repo=repo, revision=revision, bundled=False, **changes)  # type: ignore[arg-type]


def catalogue(path: Path, *entries: ModelEntry, monkeypatch: pytest.MonkeyPatch) -> None:
    write_catalog(path, entries)
    monkeypatch.setenv("DEMOIRE_CATALOG", str(path))


@pytest.fixture
def remote(olah: Olah, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelEntry:
    """The model "far", which is on the Hub only, pinned."""
    repo = f"someone/{tmp_path.name.replace('_', '-')}"
    revision = olah.commit(repo, {**files_of(weights, "tiny"), CARD: TOP.encode()})
    entry = pinned(replace(read_catalog(weights / "catalog.json")["tiny"], id="far"), repo, revision)
    catalogue(tmp_path / "more.json", entry, monkeypatch=monkeypatch)
    return find_model("far", weights)


def test_the_first_use_fetches_and_the_second_start_asks_nothing(
    olah: Olah, weights: Path, remote: ModelEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = len(olah.requests())
    sources = Sources(weights)
    assert sources.origin(remote) == "hub"
    models = ModelCache(weights)
    progress = list(models.fetch("far"))
    assert progress[-1].total == remote.size and progress[-1].done <= remote.size
    loaded = models.get("far")
    assert (loaded.origin, loaded.notice) == ("hub", None)
    asked = olah.requests()[before:]
    assert sorted(asked) == sorted(
        f"{method} /{remote.repo}/resolve/{remote.revision}/{name}"
        for method in ("HEAD", "GET")
        for name in (CONFIG, WEIGHTS)
    )
    again = ModelCache(weights)
    assert list(again.fetch("far")) == []
    assert again.get("far").origin == "cache" and again.sources.origin(remote) == "cache"
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert ModelCache(weights).get("far").origin == "cache"
    assert len(olah.requests()) == before + 4, "not one request more"
    picture = torch.rand(1, 3, 8, 8)
    assert torch.equal(loaded.module(picture), ModelCache(weights).get("tiny").module(picture))


def test_the_pinned_revision_holds_when_the_branch_moves(olah: Olah, weights: Path, remote: ModelEntry) -> None:
    later = olah.commit(str(remote.repo), files_of(weights, "identity"))
    assert later != remote.revision
    resolved = Sources(weights).resolve(remote)
    assert resolved.origin == "hub" and (resolved.folder / WEIGHTS).read_bytes() == files_of(weights, "tiny")[WEIGHTS]
    assert resolved.folder.name == remote.revision


def test_identical_bundled_bytes_are_not_downloaded(olah: Olah, weights: Path, remote: ModelEntry) -> None:
    before = len(olah.requests())
    entry = replace(read_catalog(weights / "catalog.json")["tiny"], repo=remote.repo, revision=remote.revision)
    sources = Sources(weights)
    assert sources.origin(entry) == "bundled"
    assert (sources.resolve(entry).origin, sources.resolve(entry).notice) == ("bundled", None)
    assert len(olah.requests()) == before
    forced = Sources(weights, HubOptions.from_environment({**os.environ, "DEMOIRE_SOURCE": "hub"}))
    assert forced.resolve(entry).origin == "hub" and len(olah.requests()) == before + 4
    damaged = weights / "tiny" / WEIGHTS
    damaged.write_bytes(damaged.read_bytes()[:-1])
    assert Sources(weights).resolve(entry).origin == "cache", "a damaged bundled file is made up for"


def test_demoire_source_forces_one(weights: Path, remote: ModelEntry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEMOIRE_SOURCE", "bundled")
    with pytest.raises(WeightsError, match="'far' is not bundled"):
        Sources(weights).resolve(remote)
    newer = replace(
        remote, id="tiny", older=find_model("tiny", weights), files={**remote.files, CONFIG: FileEntry("0" * 64, 1)}
    )
    resolved = Sources(weights).resolve(newer)
    assert (resolved.origin, resolved.entry) == ("bundled", newer.older)
    assert resolved.notice and "DEMOIRE_SOURCE" in resolved.notice.text
    monkeypatch.setenv("DEMOIRE_SOURCE", "hubb")
    with pytest.raises(Exception, match="did you mean 'hub'"):
        HubOptions.from_environment()


@pytest.mark.parametrize("repo", ["someone/private-model", "someone/none"])
def test_what_may_not_be_read_gets_a_sentence(olah: Olah, weights: Path, remote: ModelEntry, repo: str) -> None:
    if "private" in repo:
        olah.commit(repo, files_of(weights, "tiny"))
    with pytest.raises(WeightsError, match=f"'far' cannot be fetched: {repo} .*choose another model"):
        Sources(weights).resolve(replace(remote, repo=repo))


def test_a_file_that_is_not_there(olah: Olah, weights: Path, remote: ModelEntry) -> None:
    without = olah.commit(f"{remote.repo}-lacking", {CONFIG: b"{}"})
    with pytest.raises(WeightsError, match="'far' cannot be fetched"):
        Sources(weights).resolve(replace(remote, repo=f"{remote.repo}-lacking", revision=without))


def test_several_who_ask_share_one_download_and_one_network(olah: Olah, weights: Path, remote: ModelEntry) -> None:
    before, models, found = len(olah.requests()), ModelCache(weights), []
    threads = [threading.Thread(target=lambda: found.append(models.get("far"))) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 5 and len({id(model.module) for model in found}) == 1
    assert len(olah.requests()) == before + 4


def _resolve_apart(weights: Path, answers: "multiprocessing.Queue[str]") -> None:
    answers.put(Sources(weights).resolve(find_model("far", weights)).origin)


def test_processes_wait_for_one_another(olah: Olah, weights: Path, remote: ModelEntry) -> None:
    before = len(olah.requests())
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    processes = [context.Process(target=_resolve_apart, args=(weights, answers)) for _ in range(2)]
    for process in processes:
        process.start()
    assert {answers.get(timeout=120) for _ in processes} <= {"hub", "cache"}
    for process in processes:
        process.join()
    gets = [request for request in olah.requests()[before:] if request.startswith("GET")]
    assert len(gets) == 2, "each file once"


def test_a_repository_of_the_environment_is_resolved_once_and_held_to(
    olah: Olah, weights: Path, remote: ModelEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEMOIRE_MODELS", str(remote.repo))
    name = str(remote.repo).rpartition("/")[2]
    unseen = find_model(name, weights)
    assert (unseen.family, unseen.size, unseen.files) == ("hub", 0, {})
    models = ModelCache(weights)
    loaded = models.get(name)
    assert loaded.origin == "hub" and loaded.entry.licence == "mit"
    seen = find_model(name, weights)
    assert (seen.family, seen.revision, seen.files) == ("cnn", remote.revision, remote.files)
    olah.commit(str(remote.repo), files_of(weights, "identity"))
    before = len(olah.requests())
    assert ModelCache(weights).get(name).entry.revision == remote.revision
    assert len(olah.requests()) == before
    monkeypatch.setenv("DEMOIRE_MODELS", "not a repository")
    with pytest.raises(WeightsError, match="owner/name"):
        find_model(name, weights)


def test_the_command_line_fetches_verifies_and_tells_the_origin(
    weights: Path, remote: ModelEntry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    assert main(["models", "--weights", str(weights), "--fetch", "far", "--verify", "--json"]) == 0
    told = {line["id"]: line for line in map(json.loads, capsys.readouterr().out.splitlines())}
    assert {name: (line["origin"], line["error"]) for name, line in told.items()} == {
        "identity": ("bundled", None),
        "tiny": ("bundled", None),
        "far": ("cache", None),
    }
    assert told["far"]["revision"] == remote.revision and told["far"]["files"][CONFIG]["size"] > 0
    Image.new("RGB", (40, 30), "red").save(tmp_path / "a.png")
    restore = [
        "restore",
        str(tmp_path / "a.png"),
        "-o",
        str(tmp_path / "b.png"),
        "--weights",
        str(weights),
        "--device",
        "cpu",
    ]
    assert main([*restore, "--model", "far", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["origin"] == "cache"


def test_from_pretrained_and_back(olah: Olah, weights: Path, remote: ModelEntry, tmp_path: Path) -> None:
    model = DemoireModel.from_pretrained(str(remote.repo))
    picture = torch.rand(1, 3, 8, 12)
    expected = ModelCache(weights).get("tiny").module(picture)
    assert torch.equal(model(picture), expected) and model.card == TOP and not model.training
    model.save_pretrained(tmp_path / "copy")
    assert sorted(path.name for path in (tmp_path / "copy").iterdir()) == sorted((CONFIG, WEIGHTS, CARD))
    assert torch.equal(DemoireModel.from_pretrained(tmp_path / "copy")(picture), expected)
    olah.commit(str(remote.repo), files_of(weights, "identity"))
    assert torch.equal(DemoireModel.from_pretrained(str(remote.repo), revision=remote.revision)(picture), expected)
    assert torch.equal(DemoireModel.from_pretrained(str(remote.repo))(picture), picture)
    with pytest.raises(WeightsError, match="does not exist on the Hub"):
        DemoireModel.from_pretrained("someone/none")
