"""Links: made within limits, opened after every hash was checked, deleted by key, forgotten when their time is over."""

import hashlib
import hmac
import math
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from demoire import __version__
from demoire.errors import LinkGoneError, StoreError, StoreFullError, WrongKeyError
from demoire.shares.bundle import MANIFEST, BrokenBundleError, Bundle, NewerBundleError, StoredFile, read_bundle
from demoire.shares.draft import Draft, write_draft
from demoire.shares.settings import ShareSettings
from demoire.shares.store import Store, is_id, new_id

#: Expired links are looked for this often, in seconds, even if nobody makes a new one.
TIDY_AFTER = 3600.0
#: The share of the room that one link may take.
LARGEST_SHARE = 4


@dataclass(frozen=True)
class Receipt:
    """A new link: its id, the key that deletes it (told only now) and the time when it expires (seconds since 1970)."""

    id: str
    key: str
    expires: int


@dataclass(frozen=True)
class Entry:
    """One link as its host sees it; ``state`` is "ok", "expired", "damaged" or "newer" (of a later version)."""

    id: str
    size: int
    state: str
    bundle: Bundle | None


class Library:
    """All links of one store."""

    def __init__(self, store: Store, settings: ShareSettings, clock: Callable[[], float] = time.time) -> None:
        self.settings = settings
        self._store = store
        self._clock = clock
        self._tidied = -math.inf

    def share(self, draft: Draft) -> Receipt:
        """Stores a comparison.

        Raises:
            StoreFullError: there is no room, not even after expired links are gone.
            StoreError: the store cannot be written.
            OutputError: a picture cannot be written.
        """
        share_id, key = new_id(), secrets.token_hex(16)
        now = self._clock()
        with self._store.staging() as folder:
            panes = write_draft(draft, folder)
            bundle = Bundle(
                demoire=__version__,
                created=int(now),
                expires=math.ceil(now + self.settings.lifetime),
                key_sha256=_key_hash(key),
                title=draft.title,
                panes=panes,
                settings=draft.settings,
                view=draft.view,
                files={path.name: _stored(path) for path in sorted(folder.iterdir())},
            )
            manifest = bundle.to_json()
            read_bundle(manifest)  # what could not be opened is not stored
            (folder / MANIFEST).write_bytes(manifest)
            with self._store.lock():
                self._make_room(sum(file.size for file in bundle.files.values()) + len(manifest))
                self._store.add(share_id, folder)
        return Receipt(share_id, key, bundle.expires)

    def look(self, share_id: str) -> Bundle:
        """The manifest of a link that may be opened now.

        Raises:
            LinkGoneError: no such link, deleted, expired, damaged, or of a later version: the answer is the same.
            StoreError: the store cannot be read.
        """
        self._tidy()
        bundle = self._read(share_id) if is_id(share_id) else None
        if not isinstance(bundle, Bundle) or self.is_over(bundle):
            raise LinkGoneError
        return bundle

    def fetch(self, share_id: str, bundle: Bundle, names: Sequence[str], folder: Path) -> None:
        """Brings files of a link into ``folder``, each checked against its hash.

        Raises:
            LinkGoneError: a file is missing or damaged; then none is there.
            StoreError: the store cannot be read.
        """
        wanted = {name: bundle.files[name] for name in names if name in bundle.files}
        whole = len(wanted) == len(names) and is_id(share_id) and self._store.fetch(share_id, list(wanted), folder)
        if not whole or any(_stored(folder / name) != file for name, file in wanted.items()):
            for name in wanted:
                (folder / name).unlink(missing_ok=True)
            raise LinkGoneError

    def delete(self, share_id: str, key: str) -> None:
        """Deletes a link for whoever has its key.

        Raises:
            LinkGoneError: as ``look``.
            WrongKeyError: the key is another one's.
            StoreError: the store cannot be written.
        """
        bundle = self.look(share_id)
        if not hmac.compare_digest(_key_hash(key.strip()), bundle.key_sha256):
            raise WrongKeyError("This is not the delete key of this link; give the one that was shown with it.")
        self.discard([share_id])

    def entries(self) -> Iterator[Entry]:
        """All links, for the host alone."""
        for share_id, size in sorted(self._store.sizes().items()):
            found = self._read(share_id)
            if isinstance(found, Bundle):
                yield Entry(share_id, size, "expired" if self.is_over(found) else "ok", found)
            elif found is not None:
                yield Entry(share_id, size, "newer" if isinstance(found, NewerBundleError) else "damaged", None)

    def discard(self, ids: Sequence[str]) -> None:
        """Deletes links without asking for keys."""
        with self._store.lock():
            for share_id in filter(is_id, ids):
                self._store.remove(share_id)

    def purge(self, states: Sequence[str] = ("expired",)) -> list[Entry]:
        """Deletes the links in any of ``states`` (those that expired first come first) and what was left unfinished."""
        with self._store.lock():
            return self._purge(states)

    def _purge(self, states: Sequence[str]) -> list[Entry]:
        self._store.sweep()
        over = [entry for entry in self.entries() if entry.state in states]
        over.sort(key=lambda entry: entry.bundle.expires if entry.bundle else 0)
        for entry in over:
            self._store.remove(entry.id)
        return over

    def _make_room(self, size: int) -> None:
        """Room for ``size`` bytes; links that are not over stay, for that was promised."""
        limits = self.settings
        if size > limits.max_bytes // LARGEST_SHARE:
            raise StoreFullError(
                f"These pictures have {size >> 20} MB and a link may have {limits.max_bytes // LARGEST_SHARE >> 20}; "
                "leave out the original or share fewer results."
            )
        self._purge(("expired",))
        sizes: Mapping[str, int] = self._store.sizes()
        if len(sizes) >= limits.max_count or sum(sizes.values()) + size > limits.max_bytes:
            raise StoreFullError("There is no room for another link until others expire; try again later.")

    def _tidy(self) -> None:
        """Expired links go although nobody asks for them; a store that is out of order is another call's to report."""
        now = time.monotonic()
        if now - self._tidied > TIDY_AFTER:
            self._tidied = now
            with suppress(StoreError):
                self.purge()

    def _read(self, share_id: str) -> Bundle | BrokenBundleError | NewerBundleError | None:
        data = self._store.manifest(share_id)
        try:
            return None if data is None else read_bundle(data)
        except (BrokenBundleError, NewerBundleError) as error:
            return error

    def is_over(self, bundle: Bundle) -> bool:
        """Whether the time of a link is over."""
        return bundle.expires <= self._clock()


def _key_hash(key: str) -> str:
    """Keys have 128 random bits: no salt, no slow hash needed."""
    return hashlib.sha256(key.encode()).hexdigest()


def _stored(path: Path) -> StoredFile:
    with path.open("rb") as file:
        return StoredFile(hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size)
