"""Hubs on loopback for tests: ``olah``, a real server, and a stub for what a good one never does."""

import contextlib
import hashlib
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

COMMIT = "c0ffee" + 34 * "0"
_AUTHOR = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
_CONFIG = """
[basic]
host = "127.0.0.1"
port = {port}
repos-path = "{root}/cache"
mirror-scheme = "http"
mirror-netloc = "127.0.0.1:{port}"
mirror-lfs-netloc = "127.0.0.1:{port}"
mirrors-path = ["{root}/mirrors"]
[accessibility]
offline = true
[[accessibility.proxy]]
repo = "*/*"
allow = true
[[accessibility.proxy]]
repo = "someone/private*"
allow = false
"""


def free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Olah:
    """A running olah server."""

    root: Path
    address: str

    def commit(self, repo: str, files: Mapping[str, bytes]) -> str:
        """Puts files into a repository, made where there is none; returns the commit."""
        folder = self.root / "mirrors" / "models" / repo
        if not folder.exists():
            folder.mkdir(parents=True)
            self._git(folder, "init", "--quiet", "--initial-branch=main")
        for name, data in files.items():
            (folder / name).write_bytes(data)
        self._git(folder, "add", "--all")
        self._git(folder, *_AUTHOR, "commit", "--quiet", "--allow-empty", "--message", "Model")
        return self._git(folder, "rev-parse", "HEAD").strip()

    def _git(self, folder: Path, *command: str) -> str:
        return subprocess.run(["git", *command], cwd=folder, check=True, capture_output=True, text=True).stdout

    def requests(self) -> list[str]:
        """Method and path of every request for a repository's file so far, as the server logged them."""
        log = (self.root / "log.txt").read_text()
        return [f"{method} {path}" for method, path in re.findall(r'"(GET|HEAD) (/\S+/resolve/\S+) HTTP', log)]


@contextlib.contextmanager
def serving_olah(root: Path) -> Iterator[Olah]:
    """Runs olah with its files in ``root``."""
    port = free_port()
    (root / "mirrors").mkdir()
    (root / "olah.toml").write_text(_CONFIG.format(port=port, root=root))
    command = [sys.executable, "-c", "from olah.server import cli; cli()", "-c", "olah.toml", "--log-path", "logs"]
    with (root / "log.txt").open("w") as log:
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen(command, cwd=root, stdout=log, stderr=subprocess.STDOUT, env=environment)
    try:
        _wait(port, process, root / "log.txt")
        yield Olah(root, f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(30)


def _wait(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
            return
        time.sleep(0.1)
    raise TimeoutError(log.read_text())


@dataclass
class Faults:
    """What the stub does wrong; nothing, as long as all are as here.

    Attributes:
        status: answered to everything, with ``retry_after`` as header.
        drip: seconds between single bytes of a body.
        cut: how many times a body breaks off in the middle.
        flip: send one wrong bit.
        silent: accept, read the request, answer nothing.
        elsewhere: where files are redirected to.
        claim: a length that is announced in place of the true one.
        pause: seconds between the pieces of a body.
    """

    status: int = 0
    retry_after: str = ""
    drip: float = 0
    cut: int = 0
    flip: bool = False
    silent: bool = False
    elsewhere: str = ""
    claim: int = 0
    pause: float = 0


@dataclass
class Stub:
    """A small server that speaks the Hub's way of handing out files, of one commit, and can do it wrong."""

    files: Mapping[str, bytes]
    faults: Faults = field(default_factory=Faults)
    address: str = ""
    requests: list[tuple[str, str, Mapping[str, str]]] = field(default_factory=list)
    sending: set[int] = field(default_factory=set)

    def asked(self, method: str = "") -> list[str]:
        """The paths that were asked for."""
        return [path for kind, path, _ in self.requests if method in ("", kind) and "/resolve/" in path]


@contextlib.contextmanager
def serving_stub(files: Mapping[str, bytes]) -> Iterator[Stub]:
    """Runs a stub that holds ``files`` in every repository."""
    stub = Stub(files)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"stub": stub}))
    server.daemon_threads = True
    stub.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield stub
    server.shutdown()
    server.server_close()


class _Handler(BaseHTTPRequestHandler):
    stub: Stub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def log_message(self, *arguments: object) -> None:
        """Keeps quiet."""

    def _answer(self, body: bool) -> None:
        self.stub.requests.append(
            (self.command, self.path, {key.lower(): value for key, value in self.headers.items()})
        )
        faults = self.stub.faults
        if faults.silent:
            time.sleep(60)
            self.close_connection = True
            return
        data = self.stub.files.get(self.path.rpartition("/")[2])
        if faults.status or data is None or "/resolve/" not in self.path:
            self._plain(faults.status or 404)
        elif faults.elsewhere and f"127.0.0.1:{self.server.server_address[1]}" not in faults.elsewhere:
            self._redirect(data)
        else:
            self._send(data, body)

    def _plain(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.send_header("X-Repo-Commit", COMMIT)
        if status == 404:
            self.send_header("X-Error-Code", "EntryNotFound")
        if self.stub.faults.retry_after:
            self.send_header("Retry-After", self.stub.faults.retry_after)
        self.end_headers()

    def _redirect(self, data: bytes) -> None:
        self.send_response(302)
        self.send_header("Location", self.stub.faults.elsewhere + self.path)
        self.send_header("Content-Length", "0")
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("X-Linked-Etag", f'"{hashlib.sha256(data).hexdigest()}"')
        self.send_header("X-Linked-Size", str(len(data)))
        self.end_headers()

    def _send(self, data: bytes, body: bool) -> None:
        faults = self.stub.faults
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        start = int(asked[1]) if asked else 0
        self.send_response(206 if asked else 200)
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(faults.claim or len(data) - start))
        self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        if body:
            self.stub.sending.add(id(self))
            with contextlib.suppress(OSError):
                self._body(data[start:])
            self.stub.sending.discard(id(self))

    def _body(self, data: bytes) -> None:
        faults = self.stub.faults
        if faults.flip:
            data = data[:-1] + bytes([data[-1] ^ 1])
        if faults.cut and len(data) > 1000:
            faults.cut -= 1
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True
            return
        step = 1 if faults.drip else 1 << 14
        for place in range(0, len(data), step):
            self.wfile.write(data[place : place + step])
            if faults.drip or faults.pause:
                self.wfile.flush()
                time.sleep(faults.drip or faults.pause)


@contextlib.contextmanager
def black_hole() -> Iterator[str]:
    """An address where connections are accepted and nothing ever comes."""
    with contextlib.closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
