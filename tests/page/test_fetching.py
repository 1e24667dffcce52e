"""A model that has to be fetched, picked on the page: seen coming, cancelled, and its result as the command line's."""

import hashlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hubs import COMMIT, Faults, Stub, serving_stub
from serving import ROOT, serving
from visitors import Invite, Server

from demoire.entries import FileEntry, read_catalog, write_catalog

pytestmark = pytest.mark.browser


@pytest.fixture
def stub(models: Path) -> Iterator[Stub]:
    """A Hub that holds the model "gan" of the tests."""
    with serving_stub({path.name: path.read_bytes() for path in (models / "gan").iterdir()}) as server:
        yield server


@pytest.fixture
def environment(stub: Stub, models: Path, tmp_path: Path) -> dict[str, str]:
    """A catalogue with "far", which is on that Hub only."""
    known = read_catalog(models / "catalog.json")["gan"]
    files = {name: FileEntry(hashlib.sha256(data).hexdigest(), len(data)) for name, data in stub.files.items()}
    far = replace(known, id="far", repo="someone/far", revision=COMMIT, files=files, bundled=False)
    write_catalog(tmp_path / "more.json", [far])
    return {
        "DEMOIRE_WEIGHTS": str(models),
        "DEMOIRE_CATALOG": str(tmp_path / "more.json"),
        "HF_HUB_OFFLINE": "0",
        "HF_ENDPOINT": stub.address,
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_CACHE": str(tmp_path / "hf" / "hub"),
    }


@pytest.fixture
def fresh_server(environment: dict[str, str], tmp_path: Path) -> Iterator[Server]:
    """A page that may ask that Hub."""
    folder = tmp_path / "page"
    folder.mkdir()
    with serving(folder, environment) as running:
        yield running


@pytest.mark.slow
def test_a_model_is_fetched_when_it_is_picked(
    visit_fresh: Invite, stub: Stub, environment: dict[str, str], photos: dict[str, Path], tmp_path: Path
) -> None:
    visitor = visit_fresh()
    assert re.search(r"far.*from the Hub\)", visitor.page.locator(".family", has_text="far").inner_text())
    visitor.give(photos["deep"])
    assert stub.requests == [], "nothing is asked before it is used"
    visitor.tick("far")
    stub.faults = Faults(drip=0.02)
    visitor.page.click("#restore")
    visitor.page.wait_for_function("() => / MB/.test(document.querySelector('.state-text')?.textContent ?? '')")
    end = time.monotonic() + 120
    while not stub.asked("GET") and time.monotonic() < end:
        visitor.page.wait_for_timeout(50)
    assert stub.asked("GET"), "it is on its way"
    visitor.page.click("#cancel")
    visitor.reach("cancelled")
    while stub.sending and time.monotonic() < end:
        visitor.page.wait_for_timeout(50)
    assert not stub.sending, "a cancelled download ends"
    stub.faults = Faults()
    visitor.restore()
    facts = visitor.page.locator(".runs").inner_text()
    assert "GAN far" in facts and "from the Hub" in facts and "cached" not in facts
    file = visitor.download(tmp_path)
    asked = len(stub.requests)
    command = [sys.executable, "-m", "demoire", "restore", str(photos["deep"]), "-o", str(tmp_path / "out")]
    subprocess.run(
        [*command, "--model", "far", "--weights", environment["DEMOIRE_WEIGHTS"]],
        cwd=ROOT,
        env={**os.environ, **environment},
        check=True,
        timeout=600,
    )
    (written,) = (tmp_path / "out").iterdir()
    assert written.read_bytes() == file.read_bytes()
    assert len(stub.requests) == asked, "the command line finds it in the cache"
