"""What several models made of one photo, with figures against the truth where that is known: for sheets and as JSON."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demoire.detect import Moire
from demoire.entries import ModelEntry
from demoire.fonts import FontBook
from demoire.opinions import Opinions
from demoire.picture import Notice, Picture
from demoire.restore import Restored
from demoire.sheet import Say, Sheet, chinese_missing, original_entry, reference_entry, result_entry, write_sheet
from demoire.ui.texts import LANGUAGES, TEXTS, notice_texts

if TYPE_CHECKING:
    from demoire.reference import Truth


@dataclass(frozen=True)
class Outcome:
    """A model's result; ``figures`` is empty without a reference, ``looks_clean`` None without a discriminator."""

    model: ModelEntry
    restored: Restored
    figures: Mapping[str, float] = field(default_factory=dict)
    looks_clean: float | None = None

    def facts(self) -> dict[str, Any]:
        """Model, revision, hashes, how it was computed and figures, as JSON; a figure that is undefined is None.

        ``looks_clean`` is there where it is known.
        """
        run = {name: getattr(self.restored, name) for name in ("model", "origin", "device", "dtype", "tiles")}
        return {
            **run,
            "seconds": round(self.restored.seconds, 3),
            "family": self.model.family,
            "revision": self.model.revision,
            "sha256": {name: file.sha256 for name, file in self.model.files.items()},
            "notices": [notice.text for notice in self.restored.notices],
            "figures": finite(self.figures),
            **({} if self.restored.photos is None else {"photos": self.restored.photos}),
            **({} if self.looks_clean is None else {"looks_clean": self.looks_clean}),
        }


@dataclass(frozen=True)
class Compared:
    """A photo, what models made of it, the truth or None, and how much moire the photo has, where that is known."""

    photo: Picture
    outcomes: Sequence[Outcome]
    truth: "Truth | None"
    moire: Moire | None = None

    def facts(self) -> dict[str, Any]:
        """Everything but pixels, as JSON."""
        photo, truth = self.photo, self.truth
        facts: dict[str, Any] = {"photo": photo.name, "height": photo.height, "width": photo.width}
        facts |= moire_facts(self.moire)
        if truth:
            facts["unprocessed"] = finite(truth.score(photo.pixels))
            facts["reference"] = {"likeness": truth.likeness, "box": truth.box}
        return {**facts, "results": [outcome.facts() for outcome in self.outcomes]}

    def write_sheets(
        self, paths: Sequence[Path], language: str, places: Sequence[tuple[int, int]] = ()
    ) -> tuple[Notice, ...]:
        """Writes the same sheet to each path, PNG or PDF by its suffix; what is to be said of it.

        Raises:
            OutputError: as ``demoire.sheet.write_sheet``.
        """
        fonts = FontBook.find()
        missing = chinese_missing(fonts) if language != LANGUAGES[0] else None
        spoken = LANGUAGES[0] if missing else language
        notices = (*(self.truth.notices if self.truth else ()), *((missing,) if missing else ()))

        def say(key: str) -> str:
            return TEXTS[key].per_language()[spoken]

        notes = tuple(notice_texts(notice)[spoken] for notice in notices)
        sheet = self._sheet(tuple(places), notes, say)
        for path in paths:
            write_sheet(sheet, path, say, fonts)
        return notices

    def _sheet(self, places: tuple[tuple[int, int], ...], notes: tuple[str, ...], say: Say) -> Sheet:
        photo, truth = self.photo, self.truth
        entries = [original_entry(photo, truth.score(photo.pixels) if truth else {}, say, self.moire)]
        entries += [
            result_entry(done.model, done.restored, done.figures, say, done.looks_clean) for done in self.outcomes
        ]
        if truth:
            entries.append(reference_entry(Picture(truth.pixels, icc=photo.icc), say))
        return Sheet(tuple(entries), places, notes)


def judged(compared: Compared, opinions: Opinions) -> Compared:
    """With what detector and discriminator say, where there are such models."""
    photo = compared.photo
    outcomes = [
        replace(done, looks_clean=opinions.looks_clean(done.restored.picture, photo)) for done in compared.outcomes
    ]
    return replace(compared, outcomes=outcomes, moire=opinions.moire(photo))


def moire_facts(moire: Moire | None) -> dict[str, Any]:
    """What the detector says as JSON: probability, strength, area, level; nothing where it was not asked."""
    return asdict(moire) if moire else {}


def finite(figures: Mapping[str, float]) -> dict[str, float | None]:
    """Figures as JSON knows them: None for what is not defined."""
    return {name: value if math.isfinite(value) else None for name, value in figures.items()}
