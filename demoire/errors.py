"""Errors whose text is one sentence for who sits at the page or terminal: what was expected, what came, what to do."""

from collections.abc import Iterable
from difflib import get_close_matches


class DemoireError(Exception):
    """Base of all errors that a user can do something about; ``str(error)`` is fit to be shown."""


class PictureError(DemoireError):
    """A file cannot be read as a picture: wrong type, truncated, empty, too large."""


class PictureTooLargeError(PictureError):
    """A picture has more pixels or bytes than are accepted here."""


class ClipError(DemoireError):
    """A file cannot be read as a clip: wrong kind, damaged, without frames."""


class ClipTooLargeError(ClipError):
    """A clip is longer, or its frames or its file are larger, than is accepted here."""


class OutputError(DemoireError):
    """A result cannot be written."""


class UnknownNameError(DemoireError):
    """A model, architecture, preset or configuration key that does not exist."""

    @classmethod
    def nearest(cls, kind: str, name: str, known: Iterable[str]) -> "UnknownNameError":
        """Builds the error that names the nearest of ``known`` and lists them all."""
        names = sorted(known)
        close = get_close_matches(name, names, n=1)
        hint = f"; did you mean '{close[0]}'?" if close else "."
        return cls(f"There is no {kind} called '{name}'{hint} Known: {', '.join(names) or 'none'}.")


class WeightsError(DemoireError):
    """Weights are missing, damaged, or not those that the catalogue names."""


class DeviceError(DemoireError):
    """The device asked for does not exist here, or its memory does not suffice."""


class MemoryShortError(DeviceError):
    """The memory does not suffice, not even for the smallest tile on the CPU."""


class CancelledError(DemoireError):
    """The user cancelled, or the deadline passed."""


class DataError(DemoireError):
    """Training or evaluation data is missing, broken or does not fit together."""


class LinkGoneError(DemoireError):
    """A link that does not exist (any more); one sentence for wrong, deleted, expired and damaged ones alike."""

    def __init__(self, text: str = "This link has expired or was deleted.") -> None:
        super().__init__(text)


class WrongKeyError(DemoireError):
    """The delete key does not belong to the link."""


class StoreError(DemoireError):
    """The store of links is missing, unreadable, or set up wrongly."""


class StoreFullError(StoreError):
    """The store has no room for another link."""


class MismatchError(DemoireError):
    """A reference picture does not belong to the photo, or cannot be brought onto it."""
