"""A Hub on loopback that takes uploads: the calls of a commit, recorded, and put into a repository of a real server."""

import base64
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from hubs import Olah

TOKEN = "hf_may_write"


@dataclass
class Uploads:
    """What was uploaded, and what is refused.

    Attributes:
        olah: where commits go.
        refusals: path as a regular expression -> status that is answered in its place.
        taken: repositories that hold something else -> their files.
        calls: method and path of every call.
        commits: repository -> its files after the last commit.
    """

    olah: Olah
    address: str = ""
    refusals: dict[str, int] = field(default_factory=dict)
    taken: dict[str, list[str]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    private: list[bool] = field(default_factory=list)
    stored: dict[str, bytes] = field(default_factory=dict)

    def commit(self, repo: str, lines: list[dict[str, dict[str, str]]]) -> str:
        """Carries out the lines of a commit."""
        files = {}
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.stored[value["oid"]]
        self.commits[repo] = files
        return self.olah.commit(repo, files)


@contextmanager
def serving_uploads(olah: Olah) -> Iterator[Uploads]:
    """Runs the server."""
    uploads = Uploads(olah)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"uploads": uploads}))
    server.daemon_threads = True
    uploads.address = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield uploads
    server.shutdown()
    server.server_close()


class _Handler(BaseHTTPRequestHandler):
    uploads: Uploads
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: object) -> None:
        """Keeps quiet."""

    def do_GET(self) -> None:
        repo = self._start()
        if repo is None:
            return
        if "/tree/" not in self.path:
            self._answer({"id": repo}, 200 if repo in self.uploads.commits else 404)
            return
        known = [*self.uploads.taken.get(repo, []), *self.uploads.commits.get(repo, {})]
        self._answer([{"type": "file", "path": path, "size": 1, "oid": "0" * 40} for path in known])

    def do_PUT(self) -> None:
        self.uploads.calls.append(f"PUT {self.path}")
        self.uploads.stored[self.path.rpartition("/")[2]] = self._body()
        self._answer({})

    def do_POST(self) -> None:
        repo = self._start()
        if repo is None:
            return
        body = self._body()
        if self.path.startswith("/api/repos/create"):
            asked = json.loads(body)
            self.uploads.private.append(asked.get("private") is True or asked.get("visibility") == "private")
            name = f"{asked.get('organization')}/{asked['name']}"
            self._answer({"url": f"{self.uploads.address}/{name}", "name": name, "id": name})
        elif self.path.startswith("/api/validate-yaml"):
            self._answer({"errors": [], "warnings": []})
        elif "/preupload/" in self.path:
            self._answer({"files": [self._mode(file["path"]) for file in json.loads(body)["files"]]})
        elif self.path.endswith("/info/lfs/objects/batch"):
            self._answer({"transfer": "basic", "objects": [self._place(one) for one in json.loads(body)["objects"]]})
        elif "/commit/" in self.path:
            commit = self.uploads.commit(repo, [json.loads(line) for line in body.splitlines()])
            self._answer(
                {"success": True, "commitOid": commit, "commitUrl": f"{self.uploads.address}/{repo}/commit/{commit}"}
            )
        else:
            self._answer({}, 404)

    def _mode(self, path: str) -> dict[str, object]:
        mode = "lfs" if path.endswith(".safetensors") else "regular"
        return {"path": path, "uploadMode": mode, "shouldIgnore": False}

    def _place(self, wanted: dict[str, object]) -> dict[str, object]:
        address = f"{self.uploads.address}/storage/{wanted['oid']}"
        return {**wanted, "authenticated": True, "actions": {"upload": {"href": address, "header": {}}}}

    def _start(self) -> str | None:
        """Notes the call; the repository that it is about, or None if it was refused."""
        self.uploads.calls.append(f"{self.command} {self.path}")
        status = next((code for path, code in self.uploads.refusals.items() if re.search(path, self.path)), 0)
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            status = status or 401
        if status:
            self._body()
            self._answer({"error": "refused"}, status)
            return None
        found = re.search(r"/api/models/([^/]+/[^/]+)|^/([^/]+/[^/]+)\.git/", self.path)
        return (found[1] or found[2]) if found else ""

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _answer(self, data: object, status: int = 200) -> None:
        body = json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
