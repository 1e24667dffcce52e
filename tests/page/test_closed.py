"""Nothing is open beside the page: no endpoint, no document, no file of the server, no other visitor's picture."""

import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from gradio.utils import get_upload_folder
from visitors import Server

from demoire.ui.handlers import uploaded_file
from demoire.ui.jobs import Settings
from demoire.ui.page import Page
from demoire.ui.restore_tab import DEVICE_LANE, WAITING


def status(address: str, body: object = None) -> int:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_the_page_is_served(server: Server) -> None:
    assert status(server.address) == 200


FILES = ("gradio_api/file=/etc/passwd", "gradio_api/file=app.py", "gradio_api/file=weights/catalog.json")
PAGES = ("docs", "redoc", "openapi.json", "monitoring/summary", "monitoring")
PICTURES = (
    "examples/..%2f..%2fpage.py",
    "examples/none",
    "views/none/0/0/0",
    "views/..%2f..%2fetc/0/0/0",
    "views/x/-1/0/0",
)


@pytest.mark.parametrize("path", (*FILES, *PAGES, *PICTURES))
def test_nothing_else_is(path: str, server: Server) -> None:
    assert status(f"{server.address}/{path}") in (403, 404)


def test_only_the_documented_endpoints_are_public(server: Server) -> None:
    with urllib.request.urlopen(f"{server.address}/gradio_api/info", timeout=30) as answer:
        info = json.load(answer)
    assert set(info["named_endpoints"]) == {"/restore", "/compare", "/share"}  # and /detect where there is a detector
    assert info["unnamed_endpoints"] == {}


def test_no_job_runs_beside_the_queue(server: Server) -> None:
    with urllib.request.urlopen(f"{server.address}/config", timeout=30) as answer:
        config = json.load(answer)
    queued = [job for job in config["dependencies"] if job["queue"] is not False and job["backend_fn"]]
    assert len(queued) >= 4
    for job in queued:
        body = {"fn_index": job["id"], "data": [None] * len(job["inputs"]), "session_hash": "someone"}
        assert status(f"{server.address}/gradio_api/run/predict", body) in (403, 404, 422)


def test_jobs_on_the_device_wait_in_the_desks_lane_and_others_for_each_other(tmp_path: Path) -> None:
    jobs = [job for job in Page(Settings(folder=tmp_path)).blocks.fns.values() if job.queue and job.fn]
    limits = {job.concurrency_id: job.concurrency_limit for job in jobs}
    assert limits[DEVICE_LANE] == WAITING  # the desk lets one of them work at a time, see tests/test_jobs.py
    assert all(limit <= 2 for lane, limit in limits.items() if lane != DEVICE_LANE)


def test_only_an_upload_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    name = "a" * 64
    upload = Path(get_upload_folder(), name, "我的 照片.jpg")
    upload.parent.mkdir(parents=True)
    upload.write_bytes(b"x")
    (tmp_path / "secret.jpg").write_bytes(b"x")
    assert uploaded_file(str(upload)) == upload
    for path in (
        "/etc/passwd",
        str(tmp_path / "secret.jpg"),
        f"{name}/..",
        f"{name}/../secret.jpg",
        f"{name}/none.jpg",
    ):
        assert uploaded_file(path) is None
    for other in (None, 7, {"path": str(upload)}, "", "\0", f"{name}/\0"):
        assert uploaded_file(other) is None
