"""A Hub on loopback that speaks what its client asks of buckets: the bucket's API, and the Xet storage beneath it.

Formats: https://huggingface.co/docs/xet (shards, xorbs, reconstruction). Content is kept as the client packed it, and
handed back by the ranges that the client's own shard describes, so the client's packing is tested, too.
"""

import json
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

TOKEN = "hf_for_tests_only"


def _hex(digest: bytes) -> str:
    """A Xet hash as text: four little-endian 64-bit words."""
    return "".join(f"{word:016x}" for word in struct.unpack("<4Q", digest))


@dataclass
class Hub:
    """The content of the Hub; ``files`` maps paths of the one bucket to (Xet hash, size, seconds since 1970)."""

    address: str = ""
    bucket: str = "owner/links"
    private: bool = True
    files: dict[str, tuple[str, int, float]] = field(default_factory=dict)
    xorbs: dict[str, bytes] = field(default_factory=dict)
    recipes: dict[str, list[tuple[str, int, int, int]]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    broken: int | None = None
    unknown_when_empty: bool = False

    def size_of(self, digest: str) -> int:
        return sum(length for _, length, _, _ in self.recipes[digest])

    def take_shard(self, data: bytes) -> None:
        """Reads the file section of a shard: which parts of which xorbs a file is made of."""
        place = 48
        while data[place : place + 32] != b"\xff" * 32:
            flags, count = struct.unpack_from("<II", data, place + 32)
            name, place = _hex(data[place : place + 32]), place + 48
            segments = [struct.unpack_from("<32sIIII", data, place + 48 * number) for number in range(count)]
            self.recipes[name] = [(_hex(xorb), length, first, last) for xorb, _, length, first, last in segments]
            place += 48 * count * (2 if flags & 1 << 31 else 1) + (48 if flags & 1 << 30 else 0)

    def reconstruction(self, digest: str) -> dict[str, object]:
        """How to put a file together."""
        fetches: dict[str, list[dict[str, object]]] = {}
        terms = []
        for xorb, length, first, last in self.recipes[digest]:
            chunks = {"start": first, "end": last}
            terms.append({"hash": xorb, "unpacked_length": length, "range": chunks})
            start, end = self._bytes_of_chunks(xorb, first, last)
            url_range = {"start": start, "end": end - 1}
            url = f"{self.address}/xorb/{xorb}"
            fetches.setdefault(xorb, []).append({"range": chunks, "url": url, "url_range": url_range})
        return {"offset_into_first_range": 0, "terms": terms, "fetch_info": fetches}

    def _bytes_of_chunks(self, xorb: str, first: int, last: int) -> tuple[int, int]:
        """Where chunks lie; each has a header of 8 bytes with its packed length in the second to fourth."""
        data, place, starts = self.xorbs[xorb], 0, []
        for _ in range(last):
            starts.append(place)
            place += 8 + int.from_bytes(data[place + 1 : place + 4], "little")
        return starts[first], place


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            hub.asked.append(f"{self.command} {self.path}")

        def _answer(self, content: object = None, status: int = 200, **headers: str) -> None:
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") == "chunked":
                data = b""
                while size := int(self.rfile.readline(), 16):
                    data += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return data
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

        def do_HEAD(self) -> None:
            self._do()

        def do_GET(self) -> None:
            self._do()

        def do_POST(self) -> None:
            self._do()

        def _do(self) -> None:
            path, body = unquote(urlsplit(self.path).path), self._body()
            storage = path.startswith(("/v1/", "/v2/", "/xorb/"))
            if hub.broken is not None:
                return self._answer({"error": "broken for a test"}, hub.broken)
            if not storage and self.headers.get("Authorization") != f"Bearer {TOKEN}":
                return self._answer({"error": "who are you?"}, 401)
            if storage:
                return self._storage(path, body)
            api, pages = f"/api/buckets/{hub.bucket}", f"/buckets/{hub.bucket}/resolve/"
            if path.startswith(pages):
                return self._resolve(path.removeprefix(pages))
            if path != api and not path.startswith(api + "/"):
                return self._answer({"error": "no such bucket"}, 404, X_Error_Code="RepoNotFound")
            return self._bucket(path.removeprefix(api).strip("/"), body)

        def _bucket(self, call: str, body: bytes) -> None:
            if call == "":
                info = {"id": hub.bucket, "private": hub.private, "createdAt": "2026-01-01T00:00:00.000Z"}
                return self._answer({**info, "size": 0, "totalFiles": len(hub.files)})
            if call in ("xet-write-token", "xet-read-token"):
                end = int(time.time()) + 3600
                headers = {
                    "X_Xet_Cas_Url": hub.address,
                    "X_Xet_Access_Token": "xet",
                    "X_Xet_Token_Expiration": str(end),
                }
                return self._answer({"casUrl": hub.address, "exp": end, "accessToken": "xet"}, **headers)
            if call == "batch":
                for line in body.splitlines():
                    self._operation(json.loads(line))
                return self._answer({"failed": []})
            if call == "paths-info":
                return self._answer([self._entry(path) for path in json.loads(body)["paths"] if path in hub.files])
            if call.startswith("tree"):
                prefix = call.removeprefix("tree").strip("/")
                found = [path for path in hub.files if path.startswith(f"{prefix}/")]
                if not found and hub.unknown_when_empty:
                    return self._answer({"error": "no such folder"}, 404, X_Error_Code="EntryNotFound")
                return self._answer([self._entry(path) for path in sorted(found)])
            return self._answer({"error": call}, 404)

        def _operation(self, operation: dict[str, str]) -> None:
            if operation["type"] == "addFile":
                digest = operation["xetHash"]
                hub.files[operation["path"]] = (digest, hub.size_of(digest), time.time())
            else:
                assert operation["type"] == "deleteFile"
                hub.files.pop(operation["path"], None)

        def _entry(self, path: str) -> dict[str, object]:
            digest, size, when = hub.files[path]
            stamp = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(when))
            return {"type": "file", "path": path, "size": size, "xetHash": digest, "mtime": stamp, "uploadedAt": stamp}

        def _resolve(self, path: str) -> None:
            if path not in hub.files:
                return self._answer({"error": "no such file"}, 404, X_Error_Code="EntryNotFound")
            digest, size, _ = hub.files[path]
            route = f"{hub.address}/api/buckets/{hub.bucket}/xet-read-token"
            return self._answer(b"", X_Xet_Hash=digest, X_Xet_Refresh_Route=route, X_Linked_Size=str(size))

        def _storage(self, path: str, body: bytes) -> None:
            name = path.rsplit("/", 1)[-1]
            if path.startswith("/xorb/"):
                first, last = map(int, self.headers["Range"].removeprefix("bytes=").split("-"))
                data = hub.xorbs[name][first : last + 1]
                content_range = f"bytes {first}-{first + len(data) - 1}/{len(hub.xorbs[name])}"
                return self._answer(data, 206, Content_Range=content_range)
            if path.startswith("/v1/xorbs/") and self.command == "POST":
                hub.xorbs[name] = body
                return self._answer({"was_inserted": True})
            if path in ("/v1/shards", "/shards"):
                hub.take_shard(body)
                return self._answer({"result": 1})
            if path.startswith("/v1/reconstructions/") and name in hub.recipes:
                return self._answer(hub.reconstruction(name))
            return self._answer({"error": path}, 404)

    return Handler


@contextmanager
def serving() -> Iterator[Hub]:
    """A Hub on a free port of loopback."""
    hub = Hub()
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub)) as server:
        hub.address = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield hub
        server.shutdown()
