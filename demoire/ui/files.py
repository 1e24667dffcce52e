"""Files that a visitor may download, each at an address of its own that nobody can guess."""

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from demoire.comparison import File


@dataclass
class _Offer:
    name: str
    build: Callable[[], Path]
    path: Path | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class Files:
    """All downloads on offer. Safe to use from several threads."""

    def __init__(self) -> None:
        self._offers: dict[str, _Offer] = {}

    def offer(self, name: str, build: Callable[[], Path]) -> File:
        """Offers what ``build`` writes; it is called once, when somebody asks for the file."""
        token = secrets.token_urlsafe(16)
        self._offers[token] = _Offer(name, build)
        return File(f"files/{token}/{quote(name)}", name)

    def withdraw(self, file: File) -> None:
        """Forgets a file; deleting it is its owner's business."""
        self._offers.pop(file.address.split("/")[1], None)

    def find(self, token: str) -> tuple[Path, str] | None:
        """The file and its name, built if it is not there yet; None where nothing is offered.

        Raises:
            DemoireError: it cannot be built.
        """
        offer = self._offers.get(token)
        if offer is None:
            return None
        with offer.lock:
            if offer.path is None:
                offer.path = offer.build()
        return (offer.path, offer.name) if offer.path.is_file() else None
