"""Programs reach the endpoints that the README shows, with the real gradio_client, and no others."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from photos import banded
from PIL import Image
from serving import ROOT
from visitors import Server

from demoire.catalog import load_catalog
from demoire.detect import Detection
from demoire.ui import api
from demoire.ui.jobs import Desk, Settings
from demoire.ui.page import Page


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a program runs: with a photo and what the screen showed."""
    clean = banded(203, 307, period=1e9)
    clean[40:80, 60:140] = (180, 60, 40)
    moire = np.clip(clean + 10.0 * np.sin(np.arange(307) / 3.1)[None, :, None], 0, 255).astype(np.uint8)
    Image.fromarray(clean).save(tmp_path / "screen.png")
    Image.fromarray(moire).save(tmp_path / "photo.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def client(server: Server, tmp_path: Path) -> Client:
    return Client(server.address, verbose=False, download_files=tmp_path / "fetched", analytics_enabled=False)


def readme_example(words: str) -> str:
    """The README's Python code that has these words."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)
    (example,) = [block for block in blocks if words in block]
    return str(example)


def test_the_example_of_the_readme_runs(server: Server, folder: Path, models: Path) -> None:
    names: dict[str, Any] = {}
    exec(readme_example("gradio_client").replace("http://127.0.0.1:7860", server.address), names)
    command = ["restore", "photo.png", "-o", "own.png", "--weights", str(models)]
    subprocess.run([sys.executable, "-m", "demoire", *command], check=True, timeout=300, env={"PYTHONPATH": str(ROOT)})
    own = (folder / "own.png").read_bytes()
    assert Path(names["restored"]).name == "photo_demoired.png"
    assert Path(names["restored"]).read_bytes() == own
    assert [Path(path).read_bytes() for path in names["results"]] == [own]
    assert Path(names["sheet"]).read_bytes().startswith(b"%PDF")
    (result,) = names["facts"]["results"]
    assert result["model"] == "cnn" and result["sha256"]["model.safetensors"]
    assert result["figures"]["raw"] > 20 and 0 < result["figures"]["ssim"] <= 1
    assert names["facts"]["reference"]["likeness"] > 0.5


def test_several_models_without_a_reference(client: Client, folder: Path) -> None:
    sheet, results, facts = client.predict(
        handle_file("photo.png"), models="cnn, gan", language="zh-CN", api_name="/compare"
    )
    assert [result["model"] for result in facts["results"]] == ["cnn", "gan"]
    assert all(result["figures"] == {} for result in facts["results"])
    assert len({Path(path).read_bytes() for path in results}) == 2 and Path(sheet).stat().st_size > 10_000


def test_mistakes_are_told_in_a_sentence(client: Client, folder: Path) -> None:
    photo = handle_file("photo.png")
    Path("broken.png").write_bytes(Path("photo.png").read_bytes()[:500])
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (203, 307, 3)).astype(np.uint8)).save("other.png")
    cases = {
        "no model called 'cnm'; did you mean 'cnn'": {"photo": photo, "model": "cnm", "api_name": "/restore"},
        "cannot be read as a picture": {"photo": handle_file("broken.png"), "api_name": "/restore"},
        "no output format called 'bmp'": {"photo": photo, "kind": "bmp", "api_name": "/restore"},
        "does not match the photo": {
            **{"photo": photo, "models": "cnn", "api_name": "/compare"},
            "reference": handle_file("other.png"),
        },
        "no language called 'fr'": {"photo": photo, "reference": None, "language": "fr", "api_name": "/compare"},
        "not a file that was given": {"photo": None, "api_name": "/restore"},
    }
    for words, call in cases.items():
        with pytest.raises(AppError, match=re.escape(words)):
            client.predict(**call)


ELSEWHERE = {"path": "http://192.0.2.1/x.png", "meta": {"_type": "gradio.FileData"}}


@pytest.mark.parametrize("value", [ELSEWHERE, [ELSEWHERE], {"a": [{"b": ELSEWHERE}]}, {"path": "file:///etc/passwd"}])
def test_no_address_is_fetched(value: Any, tmp_path: Path, models: Path) -> None:
    blocks = Page(Settings(folder=tmp_path, weights=models)).blocks
    for call in blocks.fns.values():
        inputs = [value, *[None] * (len(call.inputs) - 1)]
        if call.inputs:
            with pytest.raises(gr.Error, match="not a file that was given"):
                blocks.validate_inputs(call, inputs)


def test_detection_is_told(tmp_path: Path, models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    upload = tmp_path / ("a" * 64) / "photo.png"
    upload.parent.mkdir()
    Image.fromarray(banded(40, 50)).save(upload)
    seen: list[tuple[int, ...]] = []

    def found(picture: Any, models: Any) -> Detection:
        seen.append(picture.pixels.shape)
        return Detection(0.9, 0.5, 0.25, np.ones((10, 13), bool), 0.1)

    monkeypatch.setattr(api, "detect", found)
    calls = api._Calls(Desk(Settings(folder=tmp_path, weights=models)), load_catalog(models))
    told = calls.detect(str(upload))
    assert seen == [(40, 50, 3)]
    assert told == {"probability": 0.9, "strength": 0.5, "area": 0.25, "found": True, "level": "strong", "seconds": 0.1}
    with pytest.raises(gr.Error):
        calls.detect("/etc/passwd")
