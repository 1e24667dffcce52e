"""What a Hub can do wrong: each in bounded time, with a sentence, the older copy at hand, and the next request fine."""

import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from hubs import COMMIT, Faults, Stub, black_hole, free_port, serving_stub
from PIL import Image

from demoire.catalog import find_model
from demoire.cli import main
from demoire.entries import FileEntry, ModelEntry, read_catalog, write_catalog
from demoire.errors import WeightsError
from demoire.hub import HubOptions, Sources

CONFIG, WEIGHTS = "config.json", "model.safetensors"
#: Patience for tests: what matters is that it ends, not how long a real download may take.
QUICK = HubOptions(first_answer=2.0, only_answer=3.0, silence=2.0, whole=90.0)
#: For what is to succeed, however busy the machine is.
PATIENT = HubOptions(first_answer=90.0, only_answer=90.0, silence=90.0, whole=300.0)


@pytest.fixture
def newer(weights: Path) -> dict[str, bytes]:
    """Files of a newer "tiny" than the bundled one: the weights of "identity"."""
    config = json.loads((weights / "tiny" / CONFIG).read_text())
    return {
        CONFIG: json.dumps(config, indent=2).encode(),
        WEIGHTS: (weights / "identity" / WEIGHTS).read_bytes(),
    }


def line(entry: ModelEntry, files: dict[str, bytes]) -> ModelEntry:
    hashed = {name: FileEntry(hashlib.sha256(data).hexdigest(), len(data)) for name, data in files.items()}
    return replace(entry, repo="someone/tiny", revision=COMMIT, files=hashed)


@pytest.fixture
def stub(newer: dict[str, bytes]) -> Iterator[Stub]:
    with serving_stub(newer) as server:
        yield server


@pytest.fixture
def entry(
    weights: Path, newer: dict[str, bytes], stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ModelEntry:
    """ "tiny" as a newer catalogue pins it on the stub, over the bundled one."""
    for name in ("HF_HUB_OFFLINE", "HF_TOKEN", "DEMOIRE_SOURCE", "DEMOIRE_MODELS", "DEMOIRE_MODELS_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", stub.address)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hf" / "hub"))
    write_catalog(tmp_path / "newer.json", [line(read_catalog(weights / "catalog.json")["tiny"], newer)])
    monkeypatch.setenv("DEMOIRE_CATALOG", str(tmp_path / "newer.json"))
    return find_model("tiny", weights)


@pytest.fixture
def start_up() -> float:
    """Seconds that the client's process takes to start on this machine as busy as it is."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", "import demoire.hub.client"], check=True, cwd=Path(__file__).parents[1])
    return time.monotonic() - began


def cache(tmp: Path) -> HubOptions:
    return replace(QUICK, cache=tmp / "hf" / "hub")


def patient(tmp: Path) -> HubOptions:
    return replace(PATIENT, cache=tmp / "hf" / "hub")


def refuse(stub: Stub, stack: ExitStack) -> str:
    return f"http://127.0.0.1:{free_port()}"


def lead_nowhere(stub: Stub, stack: ExitStack) -> str:
    return "http://hub.invalid"


def swallow(stub: Stub, stack: ExitStack) -> str:
    return stack.enter_context(black_hole())


def faulty(**faults: object) -> Callable[[Stub, ExitStack], str]:
    def prepare(stub: Stub, stack: ExitStack) -> str:
        stub.faults = Faults(**faults)  # type: ignore[arg-type]
        return stub.address

    return prepare


@pytest.mark.parametrize(
    ("prepare", "bound", "words"),
    [
        pytest.param(refuse, 2, "no answer within 2 s|cannot be reached", id="connection refused"),
        pytest.param(swallow, 2, "no answer within 2 s", id="accepts and never answers"),
        pytest.param(faulty(silent=True), 2, "no answer within 2 s", id="reads and never answers"),
        pytest.param(faulty(status=500), 2, "no answer within 2 s|status 500", id="500"),
        pytest.param(faulty(status=429, retry_after="3600"), 2, "no answer within 2 s|status 429", id="429"),
        pytest.param(faulty(status=401), 2, "may not be read", id="401"),
        pytest.param(faulty(status=403), 2, "may not be read|status 403", id="403"),
        pytest.param(faulty(status=404), 3, "lacks one of|may not be read", id="404"),
        pytest.param(faulty(drip=0.5), 4, "sent nothing for 2 s|no answer within 2 s", id="slow drip"),
        pytest.param(faulty(cut=999), 8, "broke off|sent nothing|took longer", id="truncated for good"),
        pytest.param(faulty(flip=True), 3, "not those that the catalogue names", id="wrong bytes"),
        pytest.param(faulty(claim=1 << 33), 3, "more bytes than the catalogue says|cache cannot take", id="huge claim"),
        pytest.param(
            faulty(elsewhere="http://127.0.0.1:9"), 2, "no answer|broke off|reached", id="redirected to a dead end"
        ),
    ],
)
def test_a_fault_costs_seconds_and_the_older_copy_answers(
    prepare: Callable[[Stub, ExitStack], str],
    bound: float,
    words: str,
    entry: ModelEntry,
    stub: Stub,
    weights: Path,
    tmp_path: Path,
    start_up: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with ExitStack() as stack:
        monkeypatch.setenv("HF_ENDPOINT", prepare(stub, stack))
        sources = Sources(weights, cache(tmp_path))
        began = time.monotonic()
        resolved = sources.resolve(entry)
        assert time.monotonic() - began < bound + 1 + 4 * start_up
        assert (resolved.origin, resolved.entry) == ("bundled", entry.older)
        assert resolved.notice and resolved.notice.code == "older_copy"
        assert re.search(words, resolved.notice.text), resolved.notice.text
        asked, began = len(stub.requests), time.monotonic()
        assert sources.resolve(entry).notice == resolved.notice, "remembered"
        assert time.monotonic() - began < 1 and len(stub.requests) == asked
    stub.faults = Faults()
    monkeypatch.setenv("HF_ENDPOINT", stub.address)
    following = Sources(weights, patient(tmp_path)).resolve(entry)
    assert following.origin == "hub", following.notice


def test_without_an_older_copy_there_is_a_sentence(
    entry: ModelEntry, stub: Stub, weights: Path, tmp_path: Path
) -> None:
    stub.faults = Faults(silent=True)
    only = replace(entry, older=None, bundled=False)
    with pytest.raises(WeightsError, match="'tiny' cannot be fetched: the Hub gave no answer within 3 s; or choose"):
        Sources(weights, cache(tmp_path)).resolve(only)


def test_a_download_that_breaks_off_goes_on_where_it_was(
    entry: ModelEntry, newer: dict[str, bytes], weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = {**newer, WEIGHTS: os.urandom(1_000_000)}
    with serving_stub(large) as stub:
        monkeypatch.setenv("HF_ENDPOINT", stub.address)
        stub.faults = Faults(cut=2)
        resolved = Sources(weights, patient(tmp_path)).resolve(line(entry, large))
        assert resolved.origin == "hub" and (resolved.folder / WEIGHTS).read_bytes() == large[WEIGHTS]
        ranges = [headers["range"] for _, _, headers in stub.requests if "range" in headers]
        assert len(ranges) == 2 and all(int(value[6:-1]) > 0 for value in ranges)


def test_a_redirect_to_another_host_gets_no_token(
    entry: ModelEntry,
    stub: Stub,
    newer: dict[str, bytes],
    weights: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with serving_stub(newer) as elsewhere:
        elsewhere_address = elsewhere.address.replace("127.0.0.1", "localhost")
        stub.faults = Faults(elsewhere=elsewhere_address)
        assert Sources(weights, patient(tmp_path)).resolve(entry).origin == "hub"
        asked = {headers.get("authorization") for _, path, headers in stub.requests if "/resolve/" in path}
        assert asked == {"Bearer hf_secret"}
        assert elsewhere.asked("GET") and "hf_secret" not in str(elsewhere.requests)


def test_cancelling_stops_the_download_and_leaves_nothing(
    entry: ModelEntry, stub: Stub, weights: Path, tmp_path: Path
) -> None:
    stub.faults = Faults(drip=0.02)
    sources = Sources(weights, patient(tmp_path))
    first, second = sources.fetch(entry), sources.fetch(entry)
    next(first), next(second)
    first.close()
    assert next(second).model == "tiny", "another one still waits for it"
    began = time.monotonic()
    second.close()
    assert time.monotonic() - began < 1
    end = time.monotonic() + 20
    while list((tmp_path / "hf").rglob("*.incomplete")) and time.monotonic() < end:
        time.sleep(0.1)
    assert list((tmp_path / "hf").rglob("*.incomplete")) == []
    stub.faults = Faults()
    assert sources.resolve(entry).origin == "hub", "a cancelled download is no failure"


def test_offline_asks_nobody(entry: ModelEntry, stub: Stub, weights: Path, tmp_path: Path) -> None:
    resolved = Sources(weights, replace(cache(tmp_path), offline=True)).resolve(entry)
    assert resolved.origin == "bundled" and resolved.notice and "HF_HUB_OFFLINE" in resolved.notice.text
    assert stub.requests == []


def test_a_cache_that_cannot_be_written(entry: ModelEntry, stub: Stub, weights: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    resolved = Sources(weights, replace(QUICK, cache=blocked / "hub")).resolve(entry)
    assert resolved.origin == "bundled" and resolved.notice
    assert "the cache cannot take its files (Not a directory)" in resolved.notice.text


def test_a_full_disk(entry: ModelEntry, weights: Path, tmp_path: Path) -> None:
    Image.new("RGB", (40, 30), "red").save(tmp_path / "a.png")
    command = f"ulimit -f 4; exec {sys.executable} -m demoire models --weights {weights} --fetch tiny --json"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=120)
    assert "the cache cannot take its files (File too large)" in done.stderr, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["origin"] in ("hub", "bundled")


def test_bytes_that_changed_in_the_cache_are_fetched_anew(
    entry: ModelEntry, stub: Stub, weights: Path, tmp_path: Path
) -> None:
    folder = Sources(weights, patient(tmp_path)).resolve(entry).folder
    path = (folder / WEIGHTS).resolve()
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    resolved = Sources(weights, patient(tmp_path)).resolve(entry)
    assert resolved.origin == "hub" and (resolved.folder / WEIGHTS).read_bytes() == data


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        pytest.param(refuse, "cannot be reached", id="refuses"),
        pytest.param(lead_nowhere, "cannot be reached|gave no answer", id="no such address"),
        pytest.param(swallow, "gave no answer", id="accepts and never answers"),
        pytest.param(faulty(silent=True), "gave no answer", id="reads and never answers"),
        pytest.param(faulty(status=503), "status 503", id="answers with 503"),
    ],
)
def test_a_dead_hub_costs_three_seconds_more_than_none(
    prepare: Callable[[Stub, ExitStack], str],
    words: str,
    entry: ModelEntry,
    stub: Stub,
    weights: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Image.new("RGB", (40, 30), "red").save(tmp_path / "a.png")
    files = [str(tmp_path / "a.png"), "-o", str(tmp_path / "b.png"), "--weights", str(weights)]

    def answer() -> float:
        """Seconds until the picture is restored."""
        began = time.monotonic()
        assert main(["restore", *files, "--model", "tiny", "--device", "cpu", "--json"]) == 0
        return time.monotonic() - began

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    answer()  # libraries are loaded
    offline = answer()
    monkeypatch.delenv("HF_HUB_OFFLINE")
    with ExitStack() as stack:
        monkeypatch.setenv("HF_ENDPOINT", prepare(stub, stack))
        assert answer() < offline + 3
    told = [json.loads(text) for text in capsys.readouterr().out.splitlines()]
    assert [one["origin"] for one in told] == ["bundled"] * 3
    assert "HF_HUB_OFFLINE is set" in told[1]["notices"][0] and re.search(words, told[2]["notices"][0])
