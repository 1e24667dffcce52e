"""What other parts of the page add to the restore tab, in order; each is called inside the row of result actions."""

from collections.abc import Callable

from demoire.ui import share_panel
from demoire.ui.bench import Bench
from demoire.ui.jobs import Desk
from demoire.ui.parts import Kit

PLUGS: tuple[Callable[[Kit, Desk, Bench], None], ...] = (share_panel.build,)
