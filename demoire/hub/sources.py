"""The order in which a model's files are looked for: cache, identical bundled copy, Hub, older bundled copy."""

import hashlib
import threading
import time
from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from demoire.additions import Wanted, hub_entry, record_first_fetch
from demoire.catalog import WEIGHTS
from demoire.entries import CARD_FILE, MODEL_FILES, UNSEEN, ModelEntry, is_commit
from demoire.errors import DemoireError, WeightsError
from demoire.hub.fetch import Fetch, Fetched, FetchFailure, Fetching, HubOptions, Order
from demoire.picture import Notice
from demoire.strict import read_bytes


@dataclass(frozen=True)
class Resolved:
    """A model's files at hand: the entry that they belong to, their folder, their origin, and what is to be said of it.

    ``origin`` is "cache", "bundled", "hub" (fetched just now) or "local".
    """

    entry: ModelEntry
    folder: Path
    origin: str
    notice: Notice | None = None


class Sources:
    """Finds models' files. Keeps failures in mind for some minutes. Safe to use from several threads."""

    def __init__(self, weights: Path = WEIGHTS, options: HubOptions | None = None) -> None:
        self.weights = weights
        self.options = options or HubOptions.from_environment()
        self._lock = threading.RLock()
        self._running: dict[str, Fetch] = {}
        self._failures: dict[str, tuple[float, str]] = {}
        self._new: set[str] = set()

    def origin(self, entry: ModelEntry) -> str:
        """Where files would come from: "local", "cache", "bundled", "hub", "missing". Reads none, asks no network."""
        if entry.folder:
            return "local"
        use = self.options.source
        known = _known(entry)
        folder = self._cache_folder(known)
        if use != "bundled" and folder and _has_sizes(known, folder):
            return "cache"
        if use != "hub" and _has_sizes(entry, self.weights / entry.id):
            return "bundled"
        if use != "bundled" and entry.repo and not self.options.offline:
            return "hub"
        older = entry.older
        return "bundled" if use != "hub" and older and _has_sizes(older, self.weights / older.id) else "missing"

    def fetch(self, entry: ModelEntry) -> Generator[Fetching, None, None]:
        """Gets the files from the Hub if they are to come from there; several who ask share one download.

        It tells the progress and ends, well or not; ``resolve`` then says what there is. Closing it cancels.
        """
        with self._lock:
            if not self._wants_hub(entry):
                return
            fetch = self._running.get(_key(entry))
            if fetch is None or not fetch.join():
                fetch = self._running[_key(entry)] = Fetch(self._order(entry), self.options)
                fetch.join()
        try:
            yield from fetch.watch()
        finally:
            self._conclude(entry, fetch)

    def resolve(self, entry: ModelEntry) -> Resolved:
        """Files of ``entry`` that are those of the catalogue, fetched where necessary.

        Raises:
            WeightsError: there are none, and why.
        """
        for _ in self.fetch(entry):
            pass
        if entry.folder:
            return Resolved(entry, entry.folder, "local")
        use = self.options.source
        if use != "bundled" and (found := self._from_cache(_known(entry))):
            with self._lock:
                fresh = _key(found.entry) in self._new
                self._new.discard(_key(found.entry))
            return replace(found, origin="hub") if fresh else found
        if use != "hub":
            for candidate in filter(None, (entry, entry.older)):
                folder = self.weights / candidate.id
                if (candidate.bundled or candidate.repo) and _complaint(candidate, folder) is None:
                    return Resolved(candidate, folder, "bundled", None if candidate is entry else self._note(entry))
        raise WeightsError(self._sentence(entry))

    def _wants_hub(self, entry: ModelEntry) -> bool:
        use = self.options.source
        if entry.folder or not entry.repo or use == "bundled" or self.options.offline or self._remembered(entry):
            return False
        if self._from_cache(_known(entry)):
            return False
        return use == "hub" or _complaint(entry, self.weights / entry.id) is not None

    def _order(self, entry: ModelEntry) -> Order:
        options = self.options
        spare = entry.older is not None and options.source != "hub"
        sizes = {name: file.size for name, file in entry.files.items()}
        unseen = dict.fromkeys((*MODEL_FILES, CARD_FILE), options.largest)
        return Order(
            model=entry.id,
            repo=str(entry.repo),
            revision=str(entry.revision),
            files=sizes or unseen,
            total=entry.size or None,
            answer=options.first_answer if spare else options.only_answer,
            optional=(CARD_FILE,),
        )

    def _conclude(self, entry: ModelEntry, fetch: Fetch) -> None:
        """Once for each download: checks what came, and keeps in mind how it ended."""
        key = _key(entry)
        with self._lock:
            if self._running.get(key) is not fetch or not (fetch.outcome or fetch.abandoned):
                return
            del self._running[key]
            if fetch.abandoned or fetch.outcome is None:
                return
            outcome = fetch.outcome
            failure = self._accept(entry, outcome) if isinstance(outcome, Fetched) else outcome
            if failure is None:
                self._new.add(_key(_known(entry)))
            else:
                until = time.monotonic() + self.options.remembered
                self._failures["" if failure.everywhere else key] = (until, failure.text)

    def _accept(self, entry: ModelEntry, fetched: Fetched) -> FetchFailure | None:
        """Checks what was fetched; what is wrong is thrown away, so that it is not found in the cache ever after."""
        if entry.family == UNSEEN:
            try:
                entry = record_first_fetch(
                    entry, fetched.revision, fetched.folder, _licence(fetched.folder / CARD_FILE)
                )
            except DemoireError as error:
                return FetchFailure(str(error).rstrip("."))
        if _complaint(entry, fetched.folder) is None:
            return None
        _discard(entry, fetched.folder)
        return FetchFailure(_OTHER_BYTES)

    def _remembered(self, entry: ModelEntry) -> str | None:
        """Why the Hub is not asked again for some minutes, if so."""
        with self._lock:
            for key in ("", _key(entry)):
                until, text = self._failures.get(key, (0.0, ""))
                if time.monotonic() < until:
                    return text
        return None

    def _why_not(self, entry: ModelEntry) -> str:
        if self.options.source == "bundled":
            return "DEMOIRE_SOURCE is 'bundled'"
        if self.options.offline:
            return "HF_HUB_OFFLINE is set"
        return self._remembered(entry) or _OTHER_BYTES

    def _note(self, entry: ModelEntry) -> Notice:
        return Notice(
            "older_copy",
            f"The Hub could not be used ({self._why_not(entry)}), so the older bundled copy of the model was used.",
        )

    def _sentence(self, entry: ModelEntry) -> str:
        use = self.options.source
        if entry.repo and use != "bundled":
            return f"The model '{entry.id}' cannot be fetched: {self._why_not(entry)}; or choose another model."
        if not entry.bundled or use == "hub":
            return f"The model '{entry.id}' is not bundled, or names no repository on the Hub; choose another model."
        return str(_complaint(entry, self.weights / entry.id))

    def _cache_folder(self, entry: ModelEntry) -> Path | None:
        """Where the entry's files lie in the cache, if at all; no network."""
        if not entry.repo or not entry.files or not is_commit(entry.revision):
            return None
        from demoire.hub.client import cached_file

        found = [cached_file(entry.repo, str(entry.revision), name, self.options.cache) for name in entry.files]
        return found[0].parent if found[0] and all(found) else None

    def _from_cache(self, entry: ModelEntry) -> Resolved | None:
        folder = self._cache_folder(entry)
        if folder is None:
            return None
        if _complaint(entry, folder) is None:
            return Resolved(entry, folder, "cache")
        _discard(entry, folder)
        return None


_OTHER_BYTES = "its files on the Hub are not those that the catalogue names"


def _licence(card: Path) -> str | None:
    """The licence that a model card names, if there is one."""
    from demoire.hub.client import read_front_matter

    if not card.is_file():
        return None
    licence = read_front_matter(read_bytes(card, CARD_FILE).decode("utf-8", "replace")).get("license")
    return str(licence) if licence else None


def _key(entry: ModelEntry) -> str:
    return f"{entry.repo}@{entry.revision}"


def _known(entry: ModelEntry) -> ModelEntry:
    """The entry as it is known by now: an unseen one may have been fetched since."""
    if entry.family != UNSEEN:
        return entry
    return replace(hub_entry(Wanted(str(entry.repo), str(entry.revision))), older=entry.older)


def _has_sizes(entry: ModelEntry, folder: Path) -> bool:
    try:
        return bool(entry.files) and all((folder / n).stat().st_size == f.size for n, f in entry.files.items())
    except OSError:
        return False


def _complaint(entry: ModelEntry, folder: Path) -> str | None:
    """What is wrong with the entry's files in ``folder``, if anything: a sentence."""
    if not entry.files:
        return f"Nothing is known yet of the files of the model '{entry.id}'."
    resolved = Resolved(entry, folder, "")
    try:
        for name in entry.files:
            read_verified(resolved, name)
    except WeightsError as error:
        return str(error)
    return None


def _discard(entry: ModelEntry, folder: Path) -> None:
    """Removes the entry's files from the cache: the links of the snapshot and what they lead to."""
    for name in entry.files:
        with suppress(OSError):
            path = folder / name
            blob = path.resolve()
            path.unlink(missing_ok=True)
            if blob.parent == folder.parents[1] / "blobs":
                blob.unlink(missing_ok=True)


def read_verified(resolved: Resolved, name: str) -> bytes:
    """The content of a model's file, checked against the catalogue before anything looks into it.

    Raises:
        WeightsError: not in the catalogue, not readable, or other bytes than the catalogue's.
    """
    entry, path = resolved.entry, resolved.folder / name
    what = f"The file {name} of the model '{entry.id}'"
    expected = entry.files.get(name)
    if expected is None:
        raise WeightsError(f"{what} is not in the catalogue; export the model again.")
    if path.is_file() and path.stat().st_size == expected.size:
        data = read_bytes(path, what)
        if expected.sha256 in (None, hashlib.sha256(data).hexdigest()):
            return data
    elif not path.exists():
        raise WeightsError(
            f"The model '{entry.id}' lacks {name} in '{resolved.folder}'; restore the folder from its source."
        )
    raise WeightsError(f"{what} is damaged or not the one that the catalogue names; restore it from its source.")
