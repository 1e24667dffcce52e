"""A Hub bucket: files by path, without a history, so that what is deleted is gone. The token is the environment's.

``huggingface_hub`` is imported at the first call: a page without a bucket never loads it for this.
"""

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from demoire.errors import StoreError

if TYPE_CHECKING:
    from huggingface_hub import BucketFile, HfApi


#: After the Hub could not be reached, calls fail at once for so many seconds (the client tries for 30).
REST = 30.0


@dataclass(frozen=True)
class RemoteFile:
    """A file of a bucket: its size in bytes and when it came (seconds since 1970)."""

    size: int
    uploaded: float


@contextlib.contextmanager
def _explained(bucket: str) -> Iterator[None]:
    """Turns the Hub's refusals into a sentence for the host; where it cannot be reached, ConnectionError."""
    import httpx2
    from huggingface_hub.errors import BucketNotFoundError, EntryNotFoundError, HfHubHTTPError

    try:
        yield
    except BucketNotFoundError as error:
        raise StoreError(
            f"There is no bucket '{bucket}', or the token may not see it; create it with "
            f"'hf buckets create {bucket} --private' and set HF_TOKEN."
        ) from error
    except EntryNotFoundError as error:
        raise FileNotFoundError(str(error)) from error
    except HfHubHTTPError as error:
        status = error.response.status_code
        if status >= 500:
            raise ConnectionError(f"status {status}") from error
        hint = "set HF_TOKEN to a token that may write there" if status in (401, 403) else "try again later"
        raise StoreError(f"The Hub refused a call about the bucket '{bucket}' (status {status}); {hint}.") from error
    except httpx2.HTTPError as error:
        raise ConnectionError(str(error)) from error


class HubBucket:
    """The files of one bucket. Every method may raise StoreError.

    ``endpoint`` and ``token`` are those of the environment (``HF_ENDPOINT``, ``HF_TOKEN``) where they are None.
    """

    def __init__(self, bucket: str, endpoint: str | None = None, token: str | None = None) -> None:
        self._bucket = bucket
        self._endpoint, self._token = endpoint, token
        self._client: HfApi | None = None
        self._rests_until = 0.0

    def require_private(self) -> None:
        """Refuses a bucket that everybody could list: its file names are the links."""
        with self._call():
            private = self._api().bucket_info(self._bucket).private
        if not private:
            raise StoreError(
                f"The bucket '{self._bucket}' is public, so everybody could list its links; make it private with "
                f"'hf buckets settings {self._bucket} --private'."
            )

    def upload(self, files: Sequence[tuple[Path, str]]) -> None:
        """Uploads local files to paths of the bucket."""
        with self._call():
            self._api().batch_bucket_files(self._bucket, add=list(files))

    def download(self, files: Sequence[tuple[str, Path]]) -> None:
        """Downloads paths of the bucket to local files.

        Raises:
            FileNotFoundError: one of them is not there.
        """
        with self._call():
            self._api().download_bucket_files(self._bucket, list(files), raise_on_missing_files=True)

    def delete(self, paths: Sequence[str]) -> None:
        """Deletes paths of the bucket."""
        with self._call():
            self._api().batch_bucket_files(self._bucket, delete=list(paths))

    def has(self, path: str) -> bool:
        """Whether there is a file at ``path``."""
        with self._call():
            return any(True for _ in self._api().get_bucket_paths_info(self._bucket, [path]))

    def files(self, folder: str) -> Mapping[str, RemoteFile]:
        """All files below ``folder``, by path."""
        from huggingface_hub import BucketFile

        tree: list[object] = []
        with contextlib.suppress(FileNotFoundError), self._call():  # a folder without files may be unknown to the Hub
            tree = list(self._api().list_bucket_tree(self._bucket, folder, recursive=True))
        return {entry.path: _remote_file(entry) for entry in tree if isinstance(entry, BucketFile)}

    @contextlib.contextmanager
    def _call(self) -> Iterator[None]:
        unreachable = StoreError(
            f"The bucket '{self._bucket}' cannot be reached; check the network, or try again in a minute."
        )
        if time.monotonic() < self._rests_until:
            raise unreachable
        try:
            with _explained(self._bucket):
                yield
        except (OSError, RuntimeError, ValueError) as error:
            if isinstance(error, FileNotFoundError):
                raise
            self._rests_until = time.monotonic() + REST
            raise unreachable from error

    def _api(self) -> "HfApi":
        if self._client is None:
            from huggingface_hub import HfApi
            from huggingface_hub.utils.tqdm import disable_progress_bars

            disable_progress_bars()
            self._client = HfApi(endpoint=self._endpoint, token=self._token)
        return self._client


def _remote_file(entry: "BucketFile") -> RemoteFile:
    came = entry.uploaded_at or entry.mtime or datetime.now(UTC)
    return RemoteFile(entry.size, came.timestamp())
