"""Whether anybody answers at the Hub's address: asked without the Hub's client, whose start alone takes a second."""

import os
import ssl
import threading
import time
import urllib.request
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError

_HUB = "https://huggingface.co"


class Probe:
    """One question, in a thread of its own, since looking up a name knows no time limit.

    Args:
        repo: whose page is asked for.
        patience: seconds to wait for the answer, whatever it is.
    """

    def __init__(self, repo: str, patience: float) -> None:
        self._until = time.monotonic() + patience
        self._failure: tuple[str, str] | None = None
        endpoint = (os.environ.get("HF_ENDPOINT") or _HUB).rstrip("/")
        arguments = (f"{endpoint}/api/models/{repo}", patience)
        self._thread = threading.Thread(target=self._ask, args=arguments, name=f"probe {repo}", daemon=True)
        self._thread.start()

    def failure(self) -> tuple[str, str] | None:
        """Kind of failure and a detail, as the client's process tells them; None while, or if, there is none."""
        if self._thread.is_alive():
            return ("silent", "") if time.monotonic() > self._until else None
        return self._failure

    def _ask(self, address: str, patience: float) -> None:
        request = urllib.request.Request(address, method="HEAD")
        try:
            urllib.request.build_opener(_Stay).open(request, timeout=patience).close()
        except HTTPError as answer:  # somebody is there; whether the files are, the client finds out
            if answer.code == 429 or answer.code >= 500:
                self._failure = ("status", str(answer.code))
        except URLError as error:
            if not isinstance(error.reason, ssl.SSLError):  # the client has certificates of its own
                self._failure = ("silent" if isinstance(error.reason, TimeoutError) else "unreachable", "")
        except (TimeoutError, HTTPException, OSError, ValueError) as error:
            self._failure = ("silent" if isinstance(error, TimeoutError) else "unreachable", "")


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows nowhere: a redirect is an answer, too."""

    def redirect_request(self, *_: Any) -> None:
        """Makes none."""
