"""Bundles in a private Hub bucket, for hosts whose disk is lost at a restart.

A bundle is there once its manifest is: that file comes last and goes first. Calls of several files are not said to be
whole, so nothing depends on it. Limits are kept per process: two at once may exceed them by one bundle each.
"""

import contextlib
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from demoire.hub.buckets import HubBucket, RemoteFile
from demoire.shares.bundle import MANIFEST
from demoire.shares.store import LEFTOVER_AGE, is_id

_ROOT = "shares"


class Bucket(Protocol):
    """What a bucket must offer; ``demoire.hub.buckets.HubBucket`` does."""

    def require_private(self) -> None:
        """Raises StoreError where others could list the files."""

    def upload(self, files: Sequence[tuple[Path, str]]) -> None:
        """Uploads local files to paths."""

    def download(self, files: Sequence[tuple[str, Path]]) -> None:
        """Downloads paths to local files; FileNotFoundError where one is missing."""

    def delete(self, paths: Sequence[str]) -> None:
        """Deletes paths."""

    def has(self, path: str) -> bool:
        """Whether there is such a file."""

    def files(self, folder: str) -> Mapping[str, RemoteFile]:
        """All files below a folder, by path."""


class BucketStore:
    """Bundles as ``shares/<id>/<file>`` of a bucket."""

    def __init__(self, bucket: str | Bucket) -> None:
        self._bucket: Bucket = HubBucket(bucket) if isinstance(bucket, str) else bucket
        self._lock = threading.Lock()
        self._manifests: dict[str, bytes] = {}  # they never change
        self._private = False

    @contextlib.contextmanager
    def staging(self) -> Iterator[Path]:
        """A folder of the system for temporary files."""
        with tempfile.TemporaryDirectory(prefix="demoire-share-") as folder:
            yield Path(folder)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """One thread at a time: buckets have no locks."""
        with self._lock:
            yield

    def add(self, share_id: str, folder: Path) -> None:
        """Uploads the files, then the manifest."""
        if not self._private:
            self._bucket.require_private()
            self._private = True
        paths = sorted(path for path in folder.iterdir() if path.name != MANIFEST)
        self._bucket.upload([(path, _path(share_id, path.name)) for path in paths])
        self._bucket.upload([(folder / MANIFEST, _path(share_id, MANIFEST))])

    def sizes(self) -> Mapping[str, int]:
        """Sizes of the bundles that have a manifest."""
        return {
            share_id: sum(file.size for file in files.values())
            for share_id, files in self._found().items()
            if _path(share_id, MANIFEST) in files
        }

    def manifest(self, share_id: str) -> bytes | None:
        """The manifest, fetched once; that it is still there is asked each time."""
        path = _path(share_id, MANIFEST)
        if not self._bucket.has(path):
            self._manifests.pop(share_id, None)
            return None
        if share_id not in self._manifests:
            with tempfile.TemporaryDirectory(prefix="demoire-share-") as folder:
                if not self.fetch(share_id, [MANIFEST], Path(folder)):
                    return None
                self._manifests[share_id] = Path(folder, MANIFEST).read_bytes()
        return self._manifests[share_id]

    def fetch(self, share_id: str, names: Sequence[str], folder: Path) -> bool:
        """Downloads the files in one call."""
        try:
            self._bucket.download([(_path(share_id, name), folder / name) for name in names])
        except FileNotFoundError:
            return False
        return True

    def remove(self, share_id: str) -> None:
        """Deletes the manifest, then the other files."""
        self._manifests.pop(share_id, None)
        paths = self._bucket.files(_path(share_id))
        manifest = _path(share_id, MANIFEST)
        if manifest in paths:
            self._bucket.delete([manifest])
        if others := [path for path in paths if path != manifest]:
            self._bucket.delete(others)

    def sweep(self) -> None:
        """Deletes old files of bundles without a manifest."""
        now = time.time()
        for share_id, files in self._found().items():
            if _path(share_id, MANIFEST) not in files:
                old = [path for path, file in files.items() if now - file.uploaded > LEFTOVER_AGE]
                if old:
                    self._bucket.delete(old)

    def _found(self) -> Mapping[str, Mapping[str, RemoteFile]]:
        """Id -> path -> file."""
        found: dict[str, dict[str, RemoteFile]] = defaultdict(dict)
        for path, file in self._bucket.files(_ROOT).items():
            parts = path.split("/")
            if len(parts) == 3 and is_id(parts[1]):
                found[parts[1]][path] = file
        return found


def _path(*parts: str) -> str:
    return "/".join((_ROOT, *parts))
