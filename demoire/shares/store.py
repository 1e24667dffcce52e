"""Where bundles lie: one small interface, and the folder that implements it."""

import contextlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from filelock import FileLock, Timeout

from demoire.errors import StoreError
from demoire.shares.bundle import MANIFEST, MANIFEST_BYTES

_ID = re.compile(r"[0-9a-f]{32}")
#: What was left unfinished is swept after this many seconds.
LEFTOVER_AGE = 3600.0
#: How long another process may hold the lock, in seconds.
PATIENCE = 60.0


def new_id() -> str:
    """128 random bits in hexadecimal: nobody guesses it, and it survives mails and case-blind file systems."""
    return secrets.token_hex(16)


def is_id(text: str) -> bool:
    """Whether ``text`` has the form of an id; nothing else ever becomes part of a path."""
    return _ID.fullmatch(text) is not None


class Store(Protocol):
    """Bundles by id. Ids are checked by the caller. Every method may raise StoreError.

    A bundle appears whole or not at all, and goes in the same way, whenever the process is killed.
    """

    def staging(self) -> AbstractContextManager[Path]:
        """A new folder in which a bundle is prepared; what is still in it at the end is deleted."""

    def lock(self) -> AbstractContextManager[None]:
        """Held while limits are checked and bundles come or go."""

    def add(self, share_id: str, folder: Path) -> None:
        """Makes the content of a staging folder appear as the bundle ``share_id``."""

    def sizes(self) -> Mapping[str, int]:
        """The id of every bundle and its size in bytes."""

    def manifest(self, share_id: str) -> bytes | None:
        """The manifest of a bundle; None where there is no such bundle."""

    def fetch(self, share_id: str, names: Sequence[str], folder: Path) -> bool:
        """Copies files of a bundle into ``folder``; False where one is missing."""

    def remove(self, share_id: str) -> None:
        """Deletes a bundle, if it is there."""

    def sweep(self) -> None:
        """Deletes what killed processes left unfinished."""


@contextlib.contextmanager
def _explained(place: Path) -> Iterator[None]:
    """Turns errors of the file system into a sentence for the host."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or "the file system refused"
        raise StoreError(
            f"Links cannot be kept in '{place}' ({reason}); set DEMOIRE_SHARES to a folder with room."
        ) from error


class FolderStore:
    """Bundles as folders below one folder; whoever can read that folder can open its links."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextlib.contextmanager
    def staging(self) -> Iterator[Path]:
        """A hidden folder beside the bundles, so that a rename suffices to make it one."""
        part = self._root / f".part-{secrets.token_hex(8)}"
        with _explained(self._root):
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            part.mkdir()
        try:
            yield part
        finally:
            shutil.rmtree(part, ignore_errors=True)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """One process at a time; a killed one holds nothing."""
        try:
            with _explained(self._root):
                self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
                lock = FileLock(self._root / ".lock", timeout=PATIENCE)
                lock.acquire()
        except Timeout as error:
            raise StoreError("The folder of links has been busy for a minute; try again.") from error
        try:
            yield
        finally:
            lock.release()

    def add(self, share_id: str, folder: Path) -> None:
        """Brings the files to the disk, then renames their folder."""
        with _explained(self._root):
            for path in folder.iterdir():
                with path.open("rb+") as file:
                    os.fsync(file.fileno())
            folder.rename(self._root / share_id)

    def sizes(self) -> Mapping[str, int]:
        """Sizes of all folders whose names are ids."""
        with _explained(self._root):
            if not self._root.is_dir():
                return {}
            return {path.name: _size(path) for path in self._root.iterdir() if is_id(path.name)}

    def manifest(self, share_id: str) -> bytes | None:
        """The manifest, read at most a little beyond what one may have."""
        with _explained(self._root):
            try:
                with (self._root / share_id / MANIFEST).open("rb") as file:
                    return file.read(MANIFEST_BYTES + 1)
            except (FileNotFoundError, NotADirectoryError):
                return None

    def fetch(self, share_id: str, names: Sequence[str], folder: Path) -> bool:
        """Copies the files."""
        with _explained(self._root):
            try:
                for name in names:
                    shutil.copyfile(self._root / share_id / name, folder / name)
            except (FileNotFoundError, NotADirectoryError):
                return False
        return True

    def remove(self, share_id: str) -> None:
        """Hides the folder under another name at once, then deletes it."""
        gone = self._root / f".gone-{secrets.token_hex(8)}"
        with _explained(self._root), contextlib.suppress(FileNotFoundError):
            (self._root / share_id).rename(gone)
            shutil.rmtree(gone)

    def sweep(self) -> None:
        """Deletes old staging folders, and folders whose deletion was cut short."""
        with _explained(self._root):
            for path in self._root.iterdir() if self._root.is_dir() else ():
                if path.name.startswith(".gone-") or (path.name.startswith(".part-") and _is_old(path)):
                    shutil.rmtree(path, ignore_errors=True)


def _size(folder: Path) -> int:
    """Bytes of the files in a folder; one that is just being deleted counts for what is left."""
    size = 0
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            size += path.lstat().st_size
    return size


def _is_old(path: Path) -> bool:
    with contextlib.suppress(OSError):
        return time.time() - path.stat().st_mtime > LEFTOVER_AGE
    return False
