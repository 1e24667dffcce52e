"""Asks detector and discriminator for a visitor, behind everybody who waits for the device."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Literal, TypeVar

from demoire.comparison import Overlay
from demoire.detect import CELL, detect
from demoire.errors import CancelledError
from demoire.judge import judge
from demoire.opinions import FAILURES
from demoire.picture import Picture
from demoire.ui.jobs import PATIENCE, Desk
from demoire.ui.lane import Ticket
from demoire.ui.overlays import MASK, PATCHES, mask_picture, patches_picture
from demoire.ui.visits import Laid, Result, Visit, Work

#: Seconds that one who waits for the device is made to wait by what looks at pictures; then it steps aside.
GRACE = 2.0

Answer = TypeVar("Answer")


class Findings:
    """What is found out about photos and results. What fails is left out, and nothing else is lost by it."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def look(self, visit: Visit) -> Iterator[None]:
        """Looks for moire in the photos that nobody looked at yet, the one at hand first; after each step once."""
        works = sorted(visit.works.values(), key=lambda work: work is not visit.work)
        for work in works:
            if work.looked != "no" or not visit.holds(work):
                continue
            work.looked = "looking"
            yield
            self._look(visit, work)
            yield

    def judge(self, visit: Visit) -> Iterator[None]:
        """Judges the whole results that were not judged yet; after each one once."""
        for work in list(visit.works.values()):
            for result in work.finished():
                if not result.judged and visit.holds(work):
                    result.judged = True
                    self._judge(visit, work, result)
                    yield

    def _look(self, visit: Visit, work: Work) -> None:
        try:
            found = self._ask(lambda ends: detect(_photo(work), self._desk.loaded(), ends), lambda: visit.holds(work))
            mask = self._laid(visit, mask_picture(found.mask), "mask", CELL, MASK) if found.found else None
            visit.take_moire(work, found.moire, mask)
        except FAILURES:
            work.looked = "failed"

    def _judge(self, visit: Visit, work: Work, result: Result) -> None:
        def wanted() -> bool:
            return visit.holds(work) and result in work.results

        restored = result.restored
        if restored is None:
            return
        try:
            said = self._ask(lambda ends: judge(restored.picture, _photo(work), self._desk.loaded(), ends), wanted)
            patches = self._laid(visit, patches_picture(said.patches), "patches", said.cell, PATCHES)
            visit.take_judgement(work, result, round(said.probability, 4), patches)
        except FAILURES:
            return

    def _ask(self, question: Callable[[Callable[[], bool]], Answer], wanted: Callable[[], bool]) -> Answer:
        """The answer to a question that takes what tells it to end early; asked again where it stepped aside.

        Raises:
            CancelledError: it is not ``wanted`` any more.
        """
        while True:
            with closing(self._desk.lane.ticket(polite=True)) as ticket:
                while ticket.wait(PATIENCE) and wanted():
                    pass
                try:
                    return question(_ends(ticket, wanted))
                except CancelledError:
                    if not wanted():
                        raise

    def _laid(
        self,
        visit: Visit,
        picture: Picture,
        kind: Literal["mask", "patches"],
        cell: int,
        colours: tuple[str, ...],
    ) -> Laid:
        view = self._desk.views.add(picture, visit.folder)
        return Laid(Overlay(kind, view.source(), cell, colours), view)


def _ends(ticket: Ticket, wanted: Callable[[], bool]) -> Callable[[], bool]:
    """Asks whether to end early: nobody wants it, or somebody has waited for long enough."""
    began = time.monotonic()

    def ends() -> bool:
        return not wanted() or (time.monotonic() - began > GRACE and ticket.awaited)

    return ends


def _photo(work: Work) -> Picture:
    """The photo as it is shown: 8 bits a channel."""
    return Picture(work.photo.view.level(0)[..., :3])
