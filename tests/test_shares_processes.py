"""Stores that several processes share, and such as are killed in the middle."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from shares import draft, library

from demoire.errors import LinkGoneError, StoreFullError
from demoire.shares.bundle import MANIFEST

TESTS = Path(__file__).parent
ROOT = TESTS.parent

#: Shares the same comparison again and again; prints each receipt's id and key as soon as it has it.
SHARING = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from shares import draft, library
from demoire.errors import StoreFullError
shared = library(Path(sys.argv[1]), max_count=int(sys.argv[2]))
print("ready", flush=True)
for _ in range(int(sys.argv[3])):
    try:
        print(shared.share(draft()).id, flush=True)
    except StoreFullError:
        print("full", flush=True)
"""
#: Shares once and stays forever at the moment before the bundle appears.
STUCK = """
import sys, time
sys.path.insert(0, {tests!r})
from pathlib import Path
from shares import draft, library
from demoire.shares.store import FolderStore
def hang(*_):
    print("ready", flush=True)
    time.sleep(600)
FolderStore.add = hang
library(Path(sys.argv[1])).share(draft())
"""


def start(script: str, *arguments: object) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", script.format(tests=str(TESTS)), *map(str, arguments)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    return process


def kill(process: "subprocess.Popen[str]") -> list[str]:
    """Kills without any chance to tidy up; what it had printed."""
    process.send_signal(signal.SIGKILL)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    return [line for line in printed.splitlines() if len(line) == 32]


def assert_all_whole(store: Path, fetched: Path) -> set[str]:
    """Every bundle that can be seen is whole; returns their ids."""
    fetched.mkdir()
    shared = library(store)
    entries = list(shared.entries())
    for entry in entries:
        assert entry.state == "ok"
        bundle = shared.look(entry.id)
        shared.fetch(entry.id, bundle, list(bundle.files), fetched)
        assert {path.name for path in (store / entry.id).iterdir()} == {*bundle.files, MANIFEST}
    return {entry.id for entry in entries}


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0.0, 0.013, 0.027, 0.051, 0.093, 0.151, 0.35])
def test_a_killed_process_leaves_no_half_bundle(delay: float, tmp_path: Path) -> None:
    store = tmp_path / "store"
    process = start(SHARING, store, 1000, 1000)
    time.sleep(delay)
    told = kill(process)
    found = assert_all_whole(store, tmp_path / "fetched")
    assert set(told) <= found and len(found) <= len(told) + 1
    library(store).share(draft())  # whatever it held is free again


def test_a_process_killed_before_the_bundle_appears_leaves_nothing_to_open(tmp_path: Path) -> None:
    store = tmp_path / "store"
    kill(start(STUCK, store))
    (part,) = store.glob(".part-*")
    assert (part / MANIFEST).exists() and (part / "pane-0.png").exists()
    assert assert_all_whole(store, tmp_path / "fetched") == set()
    with pytest.raises(LinkGoneError):
        library(store).look(part.name)
    os.utime(part, (time.time() - 7200,) * 2)
    library(store).purge()
    assert not part.exists()


def test_a_process_killed_while_deleting_leaves_no_half_bundle(tmp_path: Path) -> None:
    store = tmp_path / "store"
    shared = library(store)
    one, two = shared.share(draft()), shared.share(draft())
    script = """
import sys, shutil, time
from demoire.shares import ShareSettings, open_library
def hang(*_, **__):
    print("ready", flush=True)
    time.sleep(600)
shutil.rmtree = hang
open_library(ShareSettings(sys.argv[1])).discard([sys.argv[2]])
"""
    kill(start(script, store, one.id))
    assert assert_all_whole(store, tmp_path / "fetched") == {two.id}
    shared.purge()
    assert list(store.glob(".gone-*")) == []


@pytest.mark.slow
def test_processes_at_once_keep_the_limits(tmp_path: Path) -> None:
    store = tmp_path / "store"
    processes = [start(SHARING, store, 9, 6) for _ in range(3)]
    lines = [line for process in processes for line in process.communicate(timeout=120)[0].split()]
    assert all(process.returncode == 0 for process in processes)
    ids = {line for line in lines if line != "full"}
    assert len(ids) == 9 and lines.count("full") == 9
    assert assert_all_whole(store, tmp_path / "fetched") == ids
    with pytest.raises(StoreFullError):
        library(store, max_count=9).share(draft())


def command(store: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "demoire", "shares", *arguments],
        cwd=ROOT,
        env={**os.environ, "DEMOIRE_SHARES": str(store)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_the_host_lists_deletes_and_purges(tmp_path: Path) -> None:
    store = tmp_path / "store"
    shared = library(store)
    kept, other, expired, damaged = (shared.share(draft(title=f"t{number}")) for number in range(4))
    (store / damaged.id / MANIFEST).write_text("")
    manifest = store / expired.id / MANIFEST
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "expires": 1}))
    listed = [json.loads(line) for line in command(store, "list", "--json").stdout.splitlines()]
    states = {entry["id"]: entry["state"] for entry in listed}
    assert states == {kept.id: "ok", other.id: "ok", expired.id: "expired", damaged.id: "damaged"}
    assert next(entry for entry in listed if entry["id"] == kept.id)["title"] == "t0"
    assert kept.key not in command(store, "list").stdout and kept.id in command(store, "list").stdout
    wrong = command(store, "delete", other.id, "0" * 32)
    assert wrong.returncode == 1 and "There is no link" in wrong.stderr and (store / other.id).exists()
    assert command(store, "delete", other.id).returncode == 0
    assert command(store, "purge").stdout.startswith("2 links deleted")
    assert [entry.id for entry in shared.entries()] == [kept.id]
    assert command(store, "purge", "--all").stdout.startswith("1 links deleted")
    assert list(shared.entries()) == []
