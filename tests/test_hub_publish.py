"""Publishing: checked, uploaded in one commit by the real client, pinned; then fetched again from a real server."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import huggingface_hub
import pytest
import torch
from hub_of_uploads import TOKEN, Uploads, serving_uploads
from hubs import serving_olah

from demoire.catalog import WEIGHTS, load_catalog
from demoire.cli import main
from demoire.entries import read_catalog
from demoire.errors import OutputError, WeightsError
from demoire.hub import DemoireModel, Sources
from demoire.hub.publishing import card_top, check_folder
from demoire.loading import load_model

FILES = ["README.md", "config.json", "model.safetensors"]


@pytest.fixture(scope="module")
def uploads(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Uploads]:
    with serving_olah(tmp_path_factory.mktemp("olah")) as olah, serving_uploads(olah) as server:
        yield server


@pytest.fixture(autouse=True)
def environment(uploads: Uploads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HF_HUB_OFFLINE", "DEMOIRE_SOURCE", "DEMOIRE_CATALOG", "DEMOIRE_MODELS", "DEMOIRE_MODELS_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hf" / "hub"))
    monkeypatch.setenv("HF_ENDPOINT", uploads.address)
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)  # as its environment variable does
    uploads.refusals.clear()
    uploads.calls.clear()


@pytest.fixture
def carded(weights: Path) -> Path:
    """The folder of weights, its models with complete cards."""
    for entry in load_catalog(weights).values():
        (weights / entry.id / "README.md").write_text(card_top(entry, ["nothing"]) + "\n# For tests\n")
    return weights


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def publish(capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Runs the command."""

    def run(*arguments: str) -> Done:
        status = main(["publish", *arguments])
        return Done(status, *capsys.readouterr())

    return run


def test_all_bundled_models_go_up_and_come_back(
    uploads: Uploads, publish: Callable[..., Done], carded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {name: load_model(name, weights=carded).module(torch.ones(1, 3, 8, 8)) for name in ("identity", "tiny")}
    done = publish("--all", "--namespace", "someone", "--weights", str(carded))
    assert done.returncode == 0, done.stderr
    assert {repo: sorted(files) for repo, files in uploads.commits.items()} == {
        "someone/demoire-identity": FILES,
        "someone/demoire-tiny": FILES,
    }
    written = read_catalog(carded / "catalog.json")
    entry = written["tiny"]
    assert (entry.repo, entry.bundled) == ("someone/demoire-tiny", True) and len(str(entry.revision)) == 40
    assert uploads.commits["someone/demoire-tiny"]["config.json"] == (carded / "tiny" / "config.json").read_bytes()
    monkeypatch.setenv("HF_ENDPOINT", uploads.olah.address)
    asked = len(uploads.olah.requests())
    assert Sources(carded).resolve(entry).origin == "bundled" and len(uploads.olah.requests()) == asked
    for name, expected in before.items():
        shutil.rmtree(carded / name)
        loaded = load_model(name, weights=carded)
        assert loaded.origin == "hub" and torch.equal(loaded.module(torch.ones(1, 3, 8, 8)), expected)


def test_a_dry_run_shows_and_uploads_nothing(
    uploads: Uploads, carded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["publish", str(carded / "tiny"), "--repo", "someone/new", "--dry-run"]) == 0
    told = capsys.readouterr().out
    assert all(f"someone/new/{name}" in told for name in FILES) and "Nothing was uploaded." in told
    assert uploads.calls == []


def test_one_folder_and_its_line_in_a_catalogue(
    uploads: Uploads, publish: Callable[..., Done], carded: Path, tmp_path: Path
) -> None:
    catalog = tmp_path / "mine.json"
    done = publish(str(carded / "tiny"), "--repo", "someone/one", "--private", "--catalog", str(catalog))
    assert done.returncode == 0, done.stderr
    entry = read_catalog(catalog)["tiny"]
    printed = json.loads(done.stdout[done.stdout.index("{") :])
    assert printed == {"tiny": entry.line()} and entry.repo == "someone/one" and uploads.private[-1]
    assert entry.macs_per_pixel > 0 and entry.licence == "mit" and entry.parameters == 3469
    again = publish(str(carded / "tiny"), "--repo", "someone/one")
    assert again.returncode == 0, "a new version of what is ours"


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/api/repos/create", 403, "no right to write to someone/refused"),
        ("/commit/", 403, "no right to write"),
        ("/api/repos/create", 400, "status 400"),
        ("/api/", 401, "does not know the token"),
        ("/commit/", 413, "too large"),
    ],
)
def test_refusals_are_sentences(
    uploads: Uploads, publish: Callable[..., Done], carded: Path, path: str, status: int, words: str
) -> None:
    uploads.refusals[path] = status
    done = publish(str(carded / "tiny"), "--repo", "someone/refused")
    assert done.returncode == 1 and words in done.stderr and "Traceback" not in done.stderr, done.stderr


def test_names_that_are_taken_and_tokens_that_lack(
    uploads: Uploads, publish: Callable[..., Done], carded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uploads.taken["someone/book"] = ["chapter.txt"]
    assert "taken by something else" in publish(str(carded / "tiny"), "--repo", "someone/book").stderr
    assert "write it as owner/name" in publish(str(carded / "tiny"), "--repo", "book").stderr
    assert "--repo OWNER/NAME" in publish(str(carded / "tiny")).stderr
    monkeypatch.delenv("HF_TOKEN")
    assert "There is no token" in publish(str(carded / "tiny"), "--repo", "someone/new").stderr
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert "cannot be reached" in publish(str(carded / "tiny"), "--repo", "someone/new").stderr


def without(line: str) -> Callable[[str], str]:
    return lambda card: "".join(text for text in card.splitlines(keepends=True) if not text.startswith(line))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without("license"), "lacks 'license'"),
        (without("library_name"), "lacks 'library_name'"),
        (lambda card: card.replace("license: mit", "license: unknown"), "must name a licence"),
        (lambda card: card.replace("license: mit", "license: gpl-3.0"), "the catalogue MIT"),
        (lambda card: card.replace("library_name: demoire", "library_name: other"), "must be 'demoire'"),
        (lambda card: "# No front matter\n", "lacks 'license'"),
        (lambda card: "---\n{[\n---\n", "cannot be read"),
    ],
)
def test_a_card_that_is_not_complete(carded: Path, change: Callable[[str], str], words: str) -> None:
    card = carded / "tiny" / "README.md"
    card.write_text(change(card.read_text()))
    with pytest.raises(WeightsError, match=words):
        check_folder(carded / "tiny", read_catalog(carded / "catalog.json")["tiny"])


def test_save_pretrained_asks_for_a_licence_before_it_is_pushed(weights: Path, tmp_path: Path) -> None:
    model = DemoireModel.from_pretrained(weights / "tiny")
    model.save_pretrained(tmp_path / "copy")
    assert "license: unknown" in (tmp_path / "copy" / "README.md").read_text()
    with pytest.raises(WeightsError, match="lacks 'datasets'"):
        model.push_to_hub("someone/mine")
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        model.save_pretrained(tmp_path / "file")


@pytest.mark.parametrize("model_id", [entry.id for entry in load_catalog(environment={}).values() if entry.bundled])
def test_bundled_models_could_be_published_as_they_are(model_id: str) -> None:
    entry = load_catalog(environment={})[model_id]
    checked = check_folder(WEIGHTS / model_id, entry)
    assert sorted(checked.files) == FILES and checked.entry.licence == entry.licence
