"""Fetching a model's files in a process of its own: with a deadline, progress, and one download for all who ask."""

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from demoire.hub.probe import Probe

#: How often those who wait look at a download, in seconds.
_LOOK = 0.2
_IMPORTING = 60.0
_TRUE = {"1", "ON", "YES", "TRUE"}
_QUIET = {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "0", "PYTHONUNBUFFERED": "1"}


@dataclass(frozen=True)
class Fetching:
    """A model's files are coming: bytes so far, and all bytes (None: not known yet)."""

    model: str
    done: int
    total: int | None


@dataclass(frozen=True)
class HubOptions:
    """How the Hub is used.

    Attributes:
        source: "auto", or what alone may be used: "hub" (and its cache), "bundled".
        offline: ask no network.
        cache: the cache's folder; None: the Hub client's own.
        first_answer: seconds until the Hub must have answered, where an older copy is at hand; the start of its client
            does not count.
        only_answer: the same, where there is no other copy.
        silence: seconds that a download may stand still.
        whole: seconds that it may take.
        remembered: seconds for which a failure is not tried again.
        largest: bytes that a file may have whose size is not known beforehand.
    """

    source: str = "auto"
    offline: bool = False
    cache: Path | None = None
    first_answer: float = 1.5
    only_answer: float = 15.0
    silence: float = 10.0
    whole: float = 600.0
    remembered: float = 300.0
    largest: int = 2 << 30

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "HubOptions":
        """``DEMOIRE_SOURCE`` (auto, hub, bundled) and the Hub client's ``HF_HUB_OFFLINE`` and ``HF_HUB_CACHE``.

        Raises:
            UnknownNameError: ``DEMOIRE_SOURCE`` is something else.
        """
        from demoire.errors import UnknownNameError

        source = environment.get("DEMOIRE_SOURCE") or "auto"
        if source not in SOURCES:
            raise UnknownNameError.nearest("DEMOIRE_SOURCE", source, SOURCES)
        cache = environment.get("HF_HUB_CACHE")
        offline = environment.get("HF_HUB_OFFLINE", "").upper() in _TRUE
        return cls(source=source, offline=offline, cache=Path(cache) if cache else None)


SOURCES = ("auto", "hub", "bundled")


@dataclass(frozen=True)
class Order:
    """What to fetch: the files of ``repo`` at ``revision``, each with the most bytes that it may have.

    ``total`` is the size of all, if known; ``answer`` the seconds until the Hub must answer; ``optional`` may lack.
    """

    model: str
    repo: str
    revision: str
    files: Mapping[str, int]
    total: int | None
    answer: float
    optional: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fetched:
    """The files are in the cache: the commit, and the folder."""

    revision: str
    folder: Path


@dataclass(frozen=True)
class FetchFailure:
    """Why there are no files: ``text`` completes a sentence; ``everywhere``: other models will fare no better."""

    text: str
    everywhere: bool = False


@dataclass
class _State:
    answered: bool = False
    done: dict[str, int] = field(default_factory=dict)
    folder: Path | None = None


class Fetch:
    """One running download, shared by all who want it; it ends when the last of them leaves."""

    def __init__(self, order: Order, options: HubOptions) -> None:
        self.outcome: Fetched | FetchFailure | None = None
        self._order = order
        self._options = options
        self._state = _State()
        self._probe = Probe(order.repo, order.answer)
        self._watchers = 0
        self._lock = threading.Lock()
        self._left = threading.Event()
        self._finished = threading.Event()
        threading.Thread(target=self._run, name=f"fetch {order.repo}", daemon=True).start()

    @property
    def abandoned(self) -> bool:
        """Whether all who wanted it left before its end."""
        return self._left.is_set()

    def join(self) -> bool:
        """Counts in one who waits; False if the download was already cancelled."""
        with self._lock:
            if self._left.is_set():
                return False
            self._watchers += 1
            return True

    def watch(self) -> Generator[Fetching, None, None]:
        """Tells the progress until the end, to one who has joined; closing it leaves, and the last one cancels."""
        try:
            while not self._finished.wait(_LOOK):
                yield Fetching(self._order.model, sum(self._state.done.values()), self._order.total)
        finally:
            with self._lock:
                self._watchers -= 1
                if not self._watchers and not self._finished.is_set():
                    self._left.set()

    def _run(self) -> None:
        try:
            with _Client(self._order, self._options.cache) as client:
                try:
                    self.outcome = self._follow(client.lines)
                finally:
                    self._finished.set()  # whoever waits need not wait until the process has gone
        except OSError as error:
            self.outcome = FetchFailure(f"no process can be started to fetch it ({error.strerror})", everywhere=True)
        finally:
            self._finished.set()

    def _follow(self, lines: "queue.SimpleQueue[str | None]") -> Fetched | FetchFailure:
        """Hears the events until the last one, or until patience ends."""
        end = time.monotonic() + self._options.whole
        patience = time.monotonic() + _IMPORTING
        while True:
            now = time.monotonic()
            if self._left.is_set():
                return FetchFailure("it was cancelled")
            if now > end:
                return FetchFailure(f"it took longer than {self._options.whole:g} s")
            if now > patience:
                return self._impatient()
            if not self._state.answered and (failure := self._probe.failure()):
                return _explain(*failure, self._order)
            try:
                line = lines.get(timeout=max(min(patience, end, now + _LOOK) - now, 0))
            except queue.Empty:
                continue
            event = {"event": "failed", "kind": "broken", "detail": "no answer"} if line is None else json.loads(line)
            outcome = self._hear(event)
            if outcome:
                return outcome
            answered = self._state.answered
            patience = time.monotonic() + (self._options.silence if answered else self._order.answer)

    def _impatient(self) -> FetchFailure:
        if self._state.answered:
            return FetchFailure(f"the Hub sent nothing for {self._options.silence:g} s")
        return _explain("silent", "", self._order)

    def _hear(self, event: Mapping[str, Any]) -> Fetched | FetchFailure | None:
        state = self._state
        match event["event"]:
            case "progress":
                state.done = {**state.done, event["file"]: event["done"]}
            case "file":
                state.folder = Path(event["path"]).parent
                if self._order.total is not None:
                    state.done = {**state.done, event["file"]: self._order.files[event["file"]]}
            case "done" if state.folder:
                return Fetched(event["revision"], state.folder)
            case "failed":
                return _explain(event["kind"], event["detail"], self._order)
        state.answered = state.answered or event["event"] != "ready"
        return None


class _Client:
    """The process that fetches; ``lines`` are its events, None at its end."""

    def __init__(self, order: Order, cache: Path | None) -> None:
        self.lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        paths = (str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH"))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "demoire.hub.client"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **_QUIET, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        told = {"repo": order.repo, "revision": order.revision, "files": dict(order.files), "optional": order.optional}
        self._tell(json.dumps({**told, "cache": str(cache) if cache else None}) + "\n")

    def _tell(self, text: str) -> None:
        if self._process.stdin:
            self._process.stdin.write(text)
            self._process.stdin.flush()

    def _listen(self) -> None:
        for line in self._process.stdout or ():
            self.lines.put(line)
        self.lines.put(None)

    def __enter__(self) -> "_Client":
        return self

    def __exit__(self, *error: object) -> None:
        """Closes the process's input, by which it cleans up and ends; one that does not is killed."""
        try:
            if self._process.stdin:
                self._process.stdin.close()
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listener.join()
        if self._process.stdout:
            self._process.stdout.close()


def _explain(kind: str, detail: str, order: Order) -> FetchFailure:
    """What a failure of the client process means for the user."""
    match kind:
        case "access":
            return FetchFailure(
                f"{order.repo} does not exist on the Hub or may not be read; check the name, or set HF_TOKEN to a "
                "token that may read it"
            )
        case "revision":
            return FetchFailure(f"{order.repo} on the Hub has no revision '{order.revision}'")
        case "file":
            return FetchFailure(f"{order.repo} on the Hub lacks one of {' and '.join(order.files)}")
        case "status":
            return FetchFailure(f"the Hub answered with status {detail}", everywhere=detail == "429" or detail >= "500")
        case "silent":
            return FetchFailure(f"the Hub gave no answer within {order.answer:g} s", everywhere=True)
        case "unreachable":
            return FetchFailure("the Hub cannot be reached", everywhere=True)
        case "size":
            return FetchFailure("the Hub sends more bytes than the catalogue says")
        case "disk":
            return FetchFailure(
                f"the cache cannot take its files ({detail}); free space, or set HF_HUB_CACHE to a folder that can be "
                "written"
            )
    return FetchFailure(f"the download broke off ({detail})")
