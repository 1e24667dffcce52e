"""Models through ``huggingface_hub``. ``python -m demoire.hub.client`` fetches files, as a process of its own.

A process, because the client's calls neither end at a deadline nor can be cancelled, and retry a dead Hub for long. It
reads an order from its standard input, tells events on its standard output (JSON, one a line), and stops once its
input ends: when it is cancelled, or when who started it is no more.
"""

import _thread
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import httpx2
import huggingface_hub
from filelock import FileLock, Timeout
from huggingface_hub import CommitOperationAdd, EvalResult, HfApi, ModelCard, ModelCardData, constants
from huggingface_hub.errors import (
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import repo_folder_name
from huggingface_hub.utils import tqdm  # type: ignore[attr-defined]

from demoire.errors import OutputError, WeightsError

Tell = Callable[[Mapping[str, Any]], None]
#: How often progress is told, in bytes; the client's own 10 MB would be one step for most models.
_STEP = 1 << 16
#: Seconds until it is interrupted again, if it is still there; cleaning up takes less.
_AGAIN = 3.0


def cached_file(repo: str, revision: str, name: str, cache: Path | None) -> Path | None:
    """Where a file lies in the cache at a whole commit, or None. Asks no network."""
    folder = Path(cache or constants.HF_HUB_CACHE, repo_folder_name(repo_id=repo, repo_type="model"))
    path = folder / "snapshots" / revision / name
    return path if path.is_file() else None


class TooLargeError(Exception):
    """The Hub sends more bytes than the catalogue says, or than are accepted."""


def _reporter(tell: Tell, name: str, largest: int) -> type[tqdm]:
    """A progress bar that shows nothing and tells events instead."""

    class Reporter(tqdm):
        def __init__(self, *args: Any, **options: Any) -> None:
            options.pop("name", None)
            super().__init__(*args, **{**options, "file": _Nowhere()})  # type: ignore[no-untyped-call]
            self._tell()

        def update(self, n: float | None = 1) -> bool | None:
            self.n += n or 0
            self._tell()
            return None

        def _tell(self) -> None:
            if max(self.total or 0, self.n) > largest:
                raise TooLargeError
            tell({"event": "progress", "file": name, "done": self.n, "total": self.total})

    return Reporter


class _Nowhere:
    """A file that swallows what a progress bar draws."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        """Nothing to do."""


def _fetch(order: Mapping[str, Any], tell: Tell) -> None:
    repo, revision, cache = order["repo"], order["revision"], order["cache"] or constants.HF_HUB_CACHE
    lock = FileLock(Path(cache, ".locks", f"demoire--{repo.replace('/', '--')}.lock"))
    Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
    while True:  # one process fetches, the others wait for it and then find the files
        try:
            lock.acquire(timeout=0.5)
            break
        except Timeout:
            tell({"event": "waiting"})
    with lock:
        for name, largest in order["files"].items():
            try:
                path = huggingface_hub.hf_hub_download(
                    repo, name, revision=revision, cache_dir=cache, tqdm_class=_reporter(tell, name, largest)
                )
            except RemoteEntryNotFoundError:
                if name not in order["optional"]:
                    raise
                continue
            revision = Path(path).parent.name  # the other files come from the same commit, whatever happens meanwhile
            tell({"event": "file", "file": name, "path": path})
    tell({"event": "done", "revision": revision})


def _failure(error: BaseException) -> tuple[str, str]:
    """Kind of failure and a detail, for ``demoire.hub.fetch``."""
    if isinstance(error, RevisionNotFoundError):
        return "revision", ""
    if isinstance(error, RemoteEntryNotFoundError):
        return "file", ""
    status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
    if isinstance(error, RepositoryNotFoundError) or status in (401, 403, 404):
        return "access", str(status)
    cause = error.__cause__
    if isinstance(error, LocalEntryNotFoundError) and isinstance(cause, HfHubHTTPError):
        return _failure(cause)
    if status is not None:
        return "status", str(status)
    if isinstance(error, LocalEntryNotFoundError):
        return "unreachable", ""
    if isinstance(error, TooLargeError):
        return "size", ""
    if isinstance(error, OSError) and error.errno is not None:
        return "disk", os.strerror(error.errno)
    return "broken", type(error).__name__


def _stop_with_input() -> None:
    sys.stdin.read()
    main_thread = threading.main_thread().ident
    while True:  # an interruption that comes while an object is destroyed is lost
        if hasattr(signal, "pthread_kill") and main_thread:
            signal.pthread_kill(main_thread, signal.SIGINT)  # also ends a call that waits for the network
        else:
            _thread.interrupt_main()
        time.sleep(_AGAIN)


def main() -> int:
    """Carries out one order."""
    output = sys.stdout

    def tell(event: Mapping[str, Any]) -> None:
        print(json.dumps(event), file=output, flush=True)

    order = json.loads(sys.stdin.readline())
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job would ignore it
    threading.Thread(target=_stop_with_input, daemon=True).start()
    constants.DOWNLOAD_CHUNK_SIZE = _STEP
    tell({"event": "ready"})
    try:
        with redirect_stdout(sys.stderr):
            _fetch(order, tell)
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # noqa: BLE001 - whatever it is, the process that waits must hear of it
        kind, detail = _failure(error)
        tell({"event": "failed", "kind": kind, "detail": detail})
        return 1
    return 0


def front_matter(fields: Mapping[str, Any], model_name: str, results: Sequence[Mapping[str, Any]]) -> str:
    """The YAML between the lines of dashes on top of a model card.

    Args:
        fields: as the Hub knows them (library_name, license, tags, datasets, ...).
        model_name: whose the ``results`` are.
        results: the fields of ``huggingface_hub.EvalResult``, each.
    """
    found = [EvalResult(**result) for result in results] or None
    card = ModelCardData(model_name=model_name if found else None, eval_results=found, **fields)
    return f"---\n{card.to_yaml()}\n---\n"


def read_front_matter(card: str) -> Mapping[str, Any]:
    """What a card's YAML says.

    Raises:
        WeightsError: there is none, or it is not as the Hub wants it.
    """
    try:
        found: Mapping[str, Any] = ModelCard(card).data.to_dict()  # type: ignore[no-untyped-call]
    except Exception as error:
        raise WeightsError("The top of README.md cannot be read; write it as YAML between two '---'.") from error
    return found


def upload(repo: str, files: Mapping[str, bytes], message: str, *, private: bool, token: str | None) -> str:
    """Puts ``files`` into a repository, made where there is none, in one commit; returns that commit.

    Raises:
        OutputError: no token, no rights, name taken, too large, not reachable: a sentence each.
    """
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"), token=token)
    if token is None and huggingface_hub.get_token() is None:
        raise OutputError("There is no token for the Hub; run 'hf auth login' or set HF_TOKEN to one that may write.")
    try:
        api.create_repo(repo, private=private, exist_ok=True)
        others = set(api.list_repo_files(repo)) - {".gitattributes", "README.md"}
        if others and not others >= set(files) - {"README.md"}:
            raise OutputError(
                f"{repo} on the Hub is taken by something else than a model of Demoire; choose another name."
            )
        additions = [CommitOperationAdd(name, data) for name, data in files.items()]
        return str(api.create_commit(repo, additions, commit_message=message).oid)
    except HfHubHTTPError as error:
        raise OutputError(_refusal(repo, error.response.status_code)) from error
    except (httpx2.HTTPError, OSError, ValueError, RuntimeError) as error:
        raise OutputError(f"The Hub cannot be reached for {repo} ({type(error).__name__}); try again later.") from error


def _refusal(repo: str, status: int) -> str:
    known = {
        401: "The Hub does not know the token; run 'hf auth login' or set HF_TOKEN to one that may write.",
        403: f"The token has no right to write to {repo}; use one that may write there, or another --repo.",
        404: f"The Hub has no place for {repo}; is the name of the owner right?",
        409: f"{repo} on the Hub is taken; choose another name.",
        413: f"The files are too large for {repo}; the Hub refuses them.",
        429: "The Hub asks for patience; try again in some minutes.",
    }
    return known.get(status, f"The Hub answered {repo} with status {status}; try again later.")


if __name__ == "__main__":
    sys.exit(main())
