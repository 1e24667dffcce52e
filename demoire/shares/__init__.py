"""Links that last: a comparison as a bundle of files in a store, behind an id that nobody guesses. Imports no torch."""

from demoire.shares.bundle import Bundle, SharedPane
from demoire.shares.draft import Draft, DraftPane
from demoire.shares.library import Entry, Library, Receipt
from demoire.shares.opening import open_library
from demoire.shares.settings import ShareSettings

__all__ = ["Bundle", "Draft", "DraftPane", "Entry", "Library", "Receipt", "ShareSettings", "SharedPane", "open_library"]
