"""Programs make one better photo of several, with the real gradio_client."""

import json
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image
from serving import ROOT
from test_api import readme_example
from visitors import Server

from demoire.catalog import load_catalog
from demoire.images import decode
from demoire.shares import ShareSettings
from demoire.ui import api
from demoire.ui.jobs import Desk, Settings
from demoire.ui.page import Page
from demoire.ui.restore_tab import DEVICE_LANE, WAITING


@pytest.fixture
def folder(tmp_path: Path, shots: list[Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a program runs: with three photos of one screen, and two that do not belong to them."""
    for number, path in enumerate(shots, start=1):
        shutil.copy(path, tmp_path / f"shot{number}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def client(remembering_server: Server, tmp_path: Path) -> Client:
    fetched = tmp_path / "fetched"
    return Client(remembering_server.address, verbose=False, download_files=fetched, analytics_enabled=False)


def handed(*numbers: int) -> list[Any]:
    return [handle_file(f"shot{number}.png") for number in numbers]


def commanded(weights: Path, *arguments: str) -> bytes:
    """The file that the command line makes of a burst."""
    command = [sys.executable, "-m", "demoire", "restore", *arguments, "--burst", "--model", "rnn", "-o", "own.png"]
    command += ["--weights", str(weights)]
    subprocess.run(command, check=True, timeout=900, env={"PYTHONPATH": str(ROOT)})
    return Path("own.png").read_bytes()


def test_the_example_of_the_readme_runs(client: Client, folder: Path, remembering_models: Path) -> None:
    names: dict[str, Any] = {"page": client, "handle_file": handle_file}
    exec(readme_example("/burst"), names)
    better, facts = Path(names["better"]), names["facts"]
    own = commanded(remembering_models, "shot1.png", "shot2.png", "shot3.png", "--chosen", "2")
    assert better.name == "shot2_demoired.png" and better.read_bytes() == own
    assert (facts["model"], facts["family"], facts["photos"], facts["notices"]) == ("rnn", "rnn", 3, [])
    assert facts["sha256"]["model.safetensors"] and facts["seconds"] > 0


def test_the_last_one_is_chosen_and_strangers_are_told(client: Client, folder: Path, remembering_models: Path) -> None:
    better, facts = client.predict(handed(4, 1, 5, 3), api_name="/burst")
    assert Path(better).name == "shot3_demoired.png" and facts["photos"] == 2
    assert [notice for notice in facts["notices"] if "were left out" in notice] == facts["notices"] != []
    assert Path(better).read_bytes() == commanded(remembering_models, "shot1.png", "shot3.png")
    better, facts = client.predict(handed(1, 4), chosen=1, kind="jpg", api_name="/burst")
    assert facts["photos"] == 1 and "the result is of one photo alone" in facts["notices"][0]
    assert decode(Path(better)).kind == "jpeg"


MISTAKES: dict[str, dict[str, Any]] = {
    "has 2 to 10 photos, not 1;": {"numbers": [1]},
    "has 2 to 10 photos, not 11;": {"numbers": [1] * 11},
    "There are 3 photos: chosen must be a whole number from 1 to 3.": {"chosen": 4},
    "There are 3 photos: chosen must be a whole number from 1 to 3": {"chosen": 1.5},
    "chosen must be a whole number from 1 to 3": {"chosen": "first"},
    "The model 'cnn' sees one photo at a time; choose one that takes several: rnn.": {"model": "cnn"},
    "There is no model called 'rnm'; did you mean 'rnn'": {"model": "rnm"},
    "no output format called 'bmp'": {"kind": "bmp"},
    "not a file that was given": {"numbers": []},
    "cannot be read as a picture": {"numbers": [1, 9]},
    "46.0 megapixels and at most 45.0 are accepted": {"numbers": [8, 1]},
}


@pytest.mark.parametrize("words", MISTAKES)
def test_mistakes_are_told_in_a_sentence(words: str, client: Client, folder: Path) -> None:
    mistake = {"numbers": [1, 2, 3], **MISTAKES[words]}
    numbers = mistake.pop("numbers")
    if 8 in numbers:
        Image.new("L", (10000, 4600)).save("shot8.png", compress_level=1)
    Path("shot9.png").write_bytes(Path("shot1.png").read_bytes()[:500])
    photos = handed(*numbers)
    with pytest.raises(AppError, match=re.escape(words)) as caught:
        client.predict(photos, api_name="/burst", **mistake)
    assert "Traceback" not in str(caught.value)


def file_at(path: object) -> dict[str, Any]:
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


@pytest.mark.parametrize(
    "photos",
    [
        *([file_at(place)] * 2 for place in ("/etc/passwd", "http://192.0.2.1/x.png", "file:///etc/passwd", 7)),
        *(file_at("/etc/passwd"), "/etc/passwd", ["/etc/passwd"], 7, [7], [None]),
    ],
)
def test_no_path_or_address_of_a_program_is_opened(photos: object, remembering_server: Server) -> None:
    assert answer(remembering_server, photos, "rnn", None, "auto") == "This is not a file that was given to this page."


def answer(server: Server, *data: object) -> str:
    """The sentence in which the endpoint refuses what a program sends past the client's own checks."""
    address = f"{server.address}/gradio_api/call/burst"
    body = json.dumps({"data": data}).encode()
    with urllib.request.urlopen(
        urllib.request.Request(address, body, {"Content-Type": "application/json"}), timeout=60
    ) as told:
        event = json.load(told)["event_id"]
    with urllib.request.urlopen(f"{address}/{event}", timeout=60) as told:
        kind, line = told.read().decode().splitlines()[:2]
    assert kind == "event: error"
    return str(json.loads(line.removeprefix("data: "))["error"])


@pytest.fixture
def desk(tmp_path: Path, remembering_models: Path) -> Iterator[Desk]:
    yield Desk(Settings(tmp_path, remembering_models, shares=ShareSettings(str(tmp_path / "shares"))))


def test_it_is_offered_where_a_model_remembers_in_the_lane_of_the_device(
    tmp_path: Path, models: Path, remembering_models: Path
) -> None:
    able, unable = (Page(Settings(tmp_path, weights)).blocks.fns.values() for weights in (remembering_models, models))
    (call,) = [call for call in able if call.api_name == "burst"]
    assert (call.concurrency_id, call.concurrency_limit, call.queue) == (DEVICE_LANE, WAITING, True)
    assert not [call for call in unable if call.api_name == "burst"]


def test_nobody_else_has_the_device_meanwhile(
    desk: Desk, shots: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    uploads = [tmp_path / (f"{number}" * 64) / path.name for number, path in enumerate(shots[:2])]
    for upload, path in zip(uploads, shots, strict=False):
        upload.parent.mkdir()
        shutil.copy(path, upload)
    before: list[int] = []
    whole = api.restore_burst

    def watched(*arguments: Any) -> Iterator[Any]:
        for event in whole(*arguments):
            other = desk.lane.ticket()
            before.append(other.wait(0))
            other.close()
            yield event

    monkeypatch.setattr(api, "restore_burst", watched)
    file, facts = api._Calls(desk, load_catalog(desk.settings.weights)).burst([*map(str, uploads)], "rnn")
    assert facts["photos"] == 2 and len(before) > 1 and set(before) == {1}
    assert decode(Path(file)).pixels.shape == decode(shots[1]).pixels.shape
    ticket = desk.lane.ticket()
    assert ticket.wait(0) == 0
    ticket.close()
