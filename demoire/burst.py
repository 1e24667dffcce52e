"""Several photos of one screen into one better photo: a burst in, an event per tile out, the result at the end."""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from demoire.errors import DemoireError
from demoire.picture import Notice, Picture
from demoire.restore import Event, RestoreOptions, fetched

if TYPE_CHECKING:
    from demoire.loading import ModelCache

#: How many photos a burst may have, the chosen one included.
FEWEST_PHOTOS, MOST_PHOTOS = 2, 10

LEFT_OUT = Notice(
    "burst_left_out",
    "Photos that show something else than the chosen one, or differ from it in size or colour profile, were left out.",
)
ALONE = Notice(
    "burst_alone",
    "None of the other photos shows what the chosen one shows, in the same size and colour profile: the result is of "
    "one photo alone.",
)


@dataclass(frozen=True)
class Burst:
    """Photos of one screen.

    Attributes:
        chosen: the photo that becomes better; size, profile, depth and everything else of the result are its own.
        others: each opens another photo when its turn comes, in the order in which they are looked at.
    """

    chosen: Picture
    others: tuple[Callable[[], Picture], ...]

    def __post_init__(self) -> None:
        if not FEWEST_PHOTOS <= self.photos <= MOST_PHOTOS:
            raise DemoireError(
                f"A burst has {FEWEST_PHOTOS} to {MOST_PHOTOS} photos, not {self.photos}; leave some out, or add some."
            )

    @property
    def photos(self) -> int:
        """How many there are."""
        return 1 + len(self.others)


def restore_burst(
    burst: Burst,
    options: RestoreOptions,
    models: "ModelCache | None" = None,
    cancelled: Callable[[], bool] | None = None,
) -> Generator[Event, None, None]:
    """Restores the chosen photo with what the others add to it; events as of ``demoire.restore.restore``.

    The tiles of the chosen photo come twice: as the model restores it alone, and at the end. Those of the other photos
    have an empty box. Photos that do not belong to the chosen one leave no trace in the result; a notice tells of them,
    and ``Restored.photos`` says how many it is made of.

    Raises:
        WeightsError: the model sees one photo at a time.
        PictureError: one of the others cannot be opened.
        As ``restore``.
    """
    from demoire.clips.merging import merge
    from demoire.loading import ModelCache
    from demoire.stop import Stop

    models = models or ModelCache()
    stop = Stop(options.deadline, cancelled)
    yield from fetched(models, options.model, stop)
    yield from merge(burst, options, models, stop)
