"""The page as its visitors meet it: ``python app.py`` in a process of its own, seen by a real Chromium."""

import contextlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from photos import make_photos
from PIL import Image
from playwright.sync_api import Browser, sync_playwright
from serving import ROOT, serving
from visitors import DESKTOP, PATIENCE, Invite, Server, Visitor

from tests.test_burst import other_screen, shot
from tests.tiny import TINY_FIELDS, TINY_NEEDS, write_model, write_recurrent

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with tiny models of each family, so that pages with many models are quick to test."""
    import torch

    from demoire.models import build_model

    torch.manual_seed(5)
    folder = tmp_path_factory.mktemp("models") / "weights"
    for name, family in {"cnn": "cnn", "cnn-fast": "cnn", "rnn": "rnn", "gan": "gan"}.items():
        state = dict(build_model("unet", **TINY_FIELDS).state_dict())
        for key in ("head.weight", "head.bias"):
            state[key] = torch.randn_like(state[key]) * 0.03
        write_model(folder, name, state, TINY_NEEDS, family=family)
    return folder


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("server"), {"DEMOIRE_WEIGHTS": str(models)}) as running:
        yield running


@pytest.fixture(scope="session")
def remembering_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a CNN that hands its input back, and "rnn", which remembers."""
    from demoire.models import build_model

    folder = tmp_path_factory.mktemp("models") / "weights"
    write_model(folder, "cnn", build_model("unet", **TINY_FIELDS).state_dict(), TINY_NEEDS)
    write_recurrent(folder)
    return folder


@pytest.fixture(scope="session")
def remembering_server(tmp_path_factory: pytest.TempPathFactory, remembering_models: Path) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("server"), {"DEMOIRE_WEIGHTS": str(remembering_models)}) as running:
        yield running


@pytest.fixture(scope="session")
def shots(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three photos of one screen, then one of another, then one of another size."""
    folder = tmp_path_factory.mktemp("shots")
    pictures = [*(shot(number, 6) for number in range(3)), other_screen(), shot(4)[:-1]]
    paths = [folder / f"shot {number}.png" for number in range(len(pictures))]
    for path, picture in zip(paths, pictures, strict=True):
        Image.fromarray(picture).save(path)
    return paths


@pytest.fixture
def fresh_server(tmp_path: Path) -> Iterator[Server]:
    """A server that no other test has used, with the bundled models."""
    with serving(tmp_path) as running:
        yield running


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium")
    assert path, "these tests need Chromium; tests/run.sh installs it"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield chromium
        chromium.close()


@contextlib.contextmanager
def inviting(browser: Browser, address: str) -> Iterator[Invite]:
    visitors: list[Visitor] = []

    def invite(locale: str = "en-US", **screen: Any) -> Visitor:
        context = browser.new_context(locale=locale, accept_downloads=True, **(screen or DESKTOP))
        context.set_default_timeout(PATIENCE)
        visitor = Visitor(context, context.new_page(), address)
        visitor.watch()
        visitor.open()
        visitors.append(visitor)
        return visitor

    yield invite
    for visitor in visitors:
        visitor.context.close()
        assert visitor.complaints == []


@pytest.fixture
def visit(browser: Browser, server: Server) -> Iterator[Invite]:
    """Invites visitors: ``visit(locale=..., **screen)``; none of them may have seen an error."""
    with inviting(browser, server.address) as invite:
        yield invite


@pytest.fixture
def visit_fresh(browser: Browser, fresh_server: Server) -> Iterator[Invite]:
    """As ``visit``, to the fresh server."""
    with inviting(browser, fresh_server.address) as invite:
        yield invite


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Small photos of all sorts, by what is special about them."""
    return make_photos(tmp_path_factory.mktemp("photos"))


@pytest.fixture(scope="session")
def restored(photos: dict[str, Path], models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the command line left the restored photos."""
    folder = tmp_path_factory.mktemp("restored")
    command = [sys.executable, "-m", "demoire", "restore", *map(str, photos.values()), "-o", str(folder)]
    command += ["--weights", str(models)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=600)
    return folder
