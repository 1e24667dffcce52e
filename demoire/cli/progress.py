"""A progress bar on a terminal; nothing where the output goes elsewhere."""

import sys
from typing import TextIO

from demoire.restore import TileDone

_CELLS = 24


class ProgressBar:
    """One line that is drawn over again for each tile, and wiped at the end."""

    def __init__(self, label: str, stream: TextIO = sys.stderr) -> None:
        self._label = label if len(label) <= 32 else label[:29] + "..."
        self._stream = stream
        self._active = stream.isatty()
        self._width = 0

    def show(self, tile: TileDone) -> None:
        """Draws the state after ``tile``."""
        part = tile.index / tile.total
        cells = "#" * round(part * _CELLS)
        self._draw(
            f"{self._label} [{cells:<{_CELLS}}] {part:4.0%}  tile {tile.index}/{tile.total}  "
            f"{tile.megapixels_per_second:.2f} MP/s  {tile.seconds_left:.0f} s left"
        )

    def wipe(self) -> None:
        """Clears the line."""
        self._draw("")

    def _draw(self, line: str) -> None:
        if self._active:
            self._stream.write("\r" + line.ljust(self._width) + ("" if line else "\r"))
            self._stream.flush()
            self._width = len(line)
