"""A progress bar on a terminal; nothing where the output goes elsewhere."""

import sys
from collections.abc import Generator, Iterable
from contextlib import closing
from typing import TextIO

from demoire.errors import DemoireError
from demoire.hub import Fetching
from demoire.restore import Event, LookedOver, Restored, TileDone

_CELLS = 24


class ProgressBar:
    """One line that is drawn over again for each step, and wiped at the end."""

    def __init__(self, label: str, stream: TextIO | None = None) -> None:
        self._label = label if len(label) <= 32 else label[:29] + "..."
        self._stream = stream or sys.stderr  # as it is now, not as it was when this module was imported
        self._active = self._stream.isatty()
        self._width = 0

    def show(self, done: float, total: float, text: str) -> None:
        """Draws how much of the whole is done, and ``text`` behind it."""
        cells = "#" * round(done / total * _CELLS)
        self._draw(f"{self._label} [{cells:<{_CELLS}}] {done / total:4.0%}  {text}")

    def show_tile(self, tile: TileDone) -> None:
        """Draws the state after ``tile``."""
        rate, left = tile.megapixels_per_second, tile.seconds_left
        self.show(tile.index, tile.total, f"tile {tile.index}/{tile.total}  {rate:.2f} MP/s  {left:.0f} s left")

    def show_fetching(self, events: Iterable[Fetching]) -> None:
        """Draws how a model's files come from the Hub, until they are there."""
        try:
            for event in events:
                if event.total:
                    self.show(event.done, event.total, f"{event.done / 1e6:.1f} MB from the Hub")
        finally:
            self.wipe()

    def follow(self, events: Generator[Event, None, None]) -> Restored:
        """Draws the tiles of ``demoire.restore.restore`` and returns its result."""
        try:
            with closing(events):
                for event in events:
                    if isinstance(event, TileDone):
                        self.show_tile(event)
                    elif isinstance(event, LookedOver):
                        self.show(event.share, 1, "looking for moire")
                    elif isinstance(event, Restored):
                        return event
        finally:
            self.wipe()
        raise DemoireError("The model ended without a result; try again.")

    def wipe(self) -> None:
        """Clears the line."""
        self._draw("")

    def _draw(self, line: str) -> None:
        if self._active:
            self._stream.write("\r" + line.ljust(self._width) + ("" if line else "\r"))
            self._stream.flush()
            self._width = len(line)
