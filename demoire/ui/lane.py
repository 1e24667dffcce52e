"""The one lane to the device: one job at a time, in the order of arrival."""

import threading
import time


class Ticket:
    """A place in the lane; leave it in every case."""

    def __init__(self, lane: "Lane") -> None:
        self._lane = lane

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

    def ticket(self) -> Ticket:
        """Takes the last place."""
        ticket = Ticket(self)
        with self._moved:
            self._queue.append(ticket)
        return ticket

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
