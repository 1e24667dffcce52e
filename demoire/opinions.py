"""What the models that restore nothing say of photos and results, where the catalogue has such models."""

from contextlib import suppress
from typing import TYPE_CHECKING

from demoire.catalog import load_catalog
from demoire.detect import DETECTOR, Moire, detect
from demoire.errors import DemoireError
from demoire.judge import DISCRIMINATOR, judge
from demoire.picture import Picture

if TYPE_CHECKING:
    from demoire.loading import ModelCache


#: What a model that fails may raise, memory that runs out included.
FAILURES = (DemoireError, RuntimeError, MemoryError, OSError)


class Opinions:
    """Asks the detector and the discriminator of ``models``. One that fails has no opinion: no result is lost by it."""

    def __init__(self, models: "ModelCache") -> None:
        self._models = models
        self._known = load_catalog(models.weights)

    def moire(self, photo: Picture) -> Moire | None:
        """How much moire the photo has; None where nobody can tell."""
        with suppress(*FAILURES):
            return detect(photo, self._models).moire if DETECTOR in self._known else None
        return None

    def looks_clean(self, restored: Picture, photo: Picture) -> float | None:
        """The probability that the result is a clean photo, rounded to 4 digits; None where nobody can tell."""
        with suppress(*FAILURES):
            return round(judge(restored, photo, self._models).probability, 4) if DISCRIMINATOR in self._known else None
        return None
