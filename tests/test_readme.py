"""What the README says about a model of one's own, done as written."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hub_of_uploads import TOKEN, Uploads, serving_uploads
from hubs import free_port, serving_olah

from demoire.models import build_model

ROOT = Path(__file__).resolve().parents[1]
STEPS = re.compile(r"### Add your own model in three steps\n\n```sh\n(.*?)```", re.DOTALL)


@pytest.fixture
def uploads(tmp_path: Path) -> Iterator[Uploads]:
    (tmp_path / "olah").mkdir()
    with serving_olah(tmp_path / "olah") as olah, serving_uploads(olah) as server:
        yield server


def choices(command: str, environment: dict[str, str], port: int) -> str:
    """Serves the page by ``command``; what it offers, as it is sent to the browser."""
    process = subprocess.Popen(["sh", "-c", f"exec env {command}"], cwd=ROOT, env=environment)
    try:
        end = time.monotonic() + 300
        while time.monotonic() < end:
            assert process.poll() is None
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/config", timeout=30) as answer:
                    return json.dumps(json.load(answer), ensure_ascii=False)
            except OSError:
                time.sleep(0.2)
        raise TimeoutError(command)
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.slow
def test_add_your_own_model_in_three_steps(uploads: Uploads, tmp_path: Path) -> None:
    found = STEPS.search((ROOT / "README.md").read_text(encoding="utf-8"))
    assert found
    torch.manual_seed(3)
    torch.save({f"module.{k}": v for k, v in build_model("esdnet").state_dict().items()}, tmp_path / "official.pth")
    port = free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("DEMOIRE_", "HF_"))},
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "OMP_NUM_THREADS": "2",
        "HF_HOME": str(tmp_path / "hf"),
        "HF_ENDPOINT": uploads.address,
        "HF_TOKEN": TOKEN,
        "HF_HUB_DISABLE_XET": "1",
        "DEMOIRE_PINS": str(tmp_path / "pins"),
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(tmp_path / "gradio"),
        "GRADIO_ANALYTICS_ENABLED": "False",
    }
    places = {
        "YOUR_NAME": "someone",
        "CHECKPOINT.pth": f"{tmp_path}/official.pth",
        "models/mine": f"{tmp_path}/models/mine",
    }
    places["_DIR=models "] = f"_DIR={tmp_path}/models "
    pages = []
    for command in found[1].splitlines():
        for written, meant in places.items():
            command = command.replace(written, meant)
        if command.startswith("#"):
            continue
        if command.endswith("app.py"):
            pages.append(choices(command, environment, port))
        else:
            done = subprocess.run(command, shell=True, cwd=ROOT, env=environment, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
    assert len(pages) == 2 and "Architecture esdnet" not in pages[0] and "trained on UHDM" in pages[0]
    assert "From someone/mine on the Hub" in pages[1]
    assert uploads.commits["someone/mine"].keys() == {"README.md", "config.json", "model.safetensors"}
    fetch = [sys.executable, "-m", "demoire", "models", "--fetch", "mine", "--json"]
    environment |= {"DEMOIRE_MODELS": "someone/mine", "HF_ENDPOINT": uploads.olah.address}
    done = subprocess.run(fetch, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and "mine: hub" in done.stderr, done.stderr
    (mine,) = (entry for entry in map(json.loads, done.stdout.splitlines()) if entry["id"] == "mine")
    assert (mine["architecture"], mine["origin"], mine["licence"]) == ("esdnet", "cache", "apache-2.0")
