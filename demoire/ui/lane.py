"""The one lane to the device: one job at a time, in the order of arrival."""

import threading
import time


class Ticket:
    """A place in the lane; leave it in every case. A ``polite`` one lets all others go first."""

    def __init__(self, lane: "Lane", polite: bool = False) -> None:
        self.polite = polite
        self._lane = lane

    @property
    def awaited(self) -> bool:
        """Whether anybody waits who is not polite."""
        return self._lane.is_awaited(self)

    def wait(self, seconds: float) -> int:
        """Waits so long at most for the device; how many are before this ticket, 0 once the device is its own."""
        return self._lane.wait(self, seconds)

    def close(self) -> None:
        """Leaves the lane, waiting or working."""
        self._lane.leave(self)


class Lane:
    """Who waits for the device, the one who has it first."""

    def __init__(self) -> None:
        self._queue: list[Ticket] = []
        self._moved = threading.Condition()

    def ticket(self, polite: bool = False) -> Ticket:
        """Takes the last place; that before those who are polite and have not begun, unless it is ``polite`` too."""
        ticket = Ticket(self, polite)
        with self._moved:
            place = len(self._queue)
            while not polite and place > 1 and self._queue[place - 1].polite:
                place -= 1
            self._queue.insert(place, ticket)
        return ticket

    def is_awaited(self, ticket: Ticket) -> bool:
        """As ``Ticket.awaited``."""
        with self._moved:
            return any(other is not ticket and not other.polite for other in self._queue)

    def wait(self, ticket: Ticket, seconds: float) -> int:
        """As ``Ticket.wait``."""
        end = time.monotonic() + seconds
        with self._moved:
            while self._queue[0] is not ticket and (left := end - time.monotonic()) > 0:
                self._moved.wait(left)
            return self._queue.index(ticket)

    def leave(self, ticket: Ticket) -> None:
        """As ``Ticket.close``."""
        with self._moved:
            if ticket in self._queue:
                self._queue.remove(ticket)
            self._moved.notify_all()
