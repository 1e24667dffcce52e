"""Which store a place means: the registry of stores."""

import re
from pathlib import Path

from demoire.errors import StoreError
from demoire.shares.bucket_store import BucketStore
from demoire.shares.library import Library
from demoire.shares.settings import BUCKETS, ShareSettings
from demoire.shares.store import FolderStore, Store

_BUCKET_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def open_library(settings: ShareSettings) -> Library:
    """The links of the place that ``settings`` name; nothing is read or fetched yet.

    Raises:
        StoreError: there is no such kind of place.
    """
    return Library(_store(settings.place), settings)


def _store(place: str) -> Store:
    if place.startswith(BUCKETS):
        bucket = place.removeprefix(BUCKETS).rstrip("/")
        if not _BUCKET_ID.fullmatch(bucket):
            raise StoreError(f"DEMOIRE_SHARES must be a folder or {BUCKETS}owner/name, not '{place}'; correct it.")
        return BucketStore(bucket)
    if "://" in place:
        raise StoreError(f"DEMOIRE_SHARES must be a folder or {BUCKETS}owner/name, not '{place}'; correct it.")
    return FolderStore(Path(place).expanduser())
