"""Where links are stored, how long they live, how much room they have, and the address that they begin with."""

import math
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from demoire.errors import StoreError
from demoire.picture import positive_setting

#: Seconds of a day.
DAY = 86_400
#: What a place on the Hub begins with.
BUCKETS = "hf://buckets/"


@dataclass(frozen=True)
class ShareSettings:
    """What the host decides about links.

    Attributes:
        place: a folder, or ``hf://buckets/owner/name``.
        lifetime: seconds that a link lives.
        max_bytes: room for all links together; one may take a quarter of it.
        max_count: how many links there may be.
        public_url: what links begin with, without a slash at the end; None: the address that the visitor uses.
    """

    place: str
    lifetime: float = 30.0 * DAY
    max_bytes: int = 4 << 30
    max_count: int = 500
    public_url: str | None = None

    @property
    def days(self) -> float:
        """The lifetime in days."""
        return self.lifetime / DAY

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "ShareSettings":
        """Reads ``DEMOIRE_SHARES``, ``_DAYS``, ``_MEGABYTES`` and ``_COUNT`` after it, and ``DEMOIRE_PUBLIC_URL``.

        Raises:
            DemoireError: a value is not as it should be.
        """
        days = positive_setting(environment, "DEMOIRE_SHARES_DAYS", 30.0)
        megabytes = positive_setting(environment, "DEMOIRE_SHARES_MEGABYTES", 4096.0)
        count = positive_setting(environment, "DEMOIRE_SHARES_COUNT", 500.0)
        return cls(
            place=environment.get("DEMOIRE_SHARES") or str(data_folder(environment) / "demoire" / "shares"),
            lifetime=days * DAY,
            max_bytes=round(megabytes * (1 << 20)),
            max_count=math.ceil(count),
            public_url=_public_url(environment),
        )


def data_folder(environment: Mapping[str, str], platform: str = sys.platform) -> Path:
    """Where programs keep a user's data: XDG's, or that of macOS or Windows."""
    home = Path.home()
    if platform == "win32":
        return Path(environment.get("LOCALAPPDATA") or home / "AppData" / "Local")
    if platform == "darwin":
        return home / "Library" / "Application Support"
    return Path(environment.get("XDG_DATA_HOME") or home / ".local" / "share")


def _public_url(environment: Mapping[str, str]) -> str | None:
    """``DEMOIRE_PUBLIC_URL``, else the address of the Space that this runs in, else None."""
    url = environment.get("DEMOIRE_PUBLIC_URL")
    if url:
        if not url.startswith(("https://", "http://")):
            raise StoreError(f"DEMOIRE_PUBLIC_URL must begin with https:// or http://, not '{url}'; correct it.")
        return url.rstrip("/")
    host = environment.get("SPACE_HOST")
    return f"https://{host}" if host else None
