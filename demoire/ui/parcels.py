"""What is taken home of several results: all files in one, and a sheet to mail. Built when somebody asks for it."""

import json
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from demoire.catalog import ModelEntry
from demoire.comparison import File
from demoire.errors import OutputError
from demoire.fonts import FontBook
from demoire.picture import Picture
from demoire.sheet import (
    MOST_ENTRIES,
    Entry,
    Say,
    Sheet,
    chinese_missing,
    original_entry,
    reference_entry,
    result_entry,
    write_sheet,
)
from demoire.ui.files import Files
from demoire.ui.outcomes import finite
from demoire.ui.texts import LANGUAGES, TEXTS, notice_texts
from demoire.ui.visits import Result, Visit, Work


@dataclass(frozen=True)
class Parcels:
    """What is on offer; None where there is nothing to put in.

    Attributes:
        archive: all results of all photos.
        sheets: language -> kind ("png", "pdf") -> the sheet of the photo at hand.
    """

    archive: File | None
    sheets: Mapping[str, Mapping[str, File]] | None

    def describe(self) -> dict[str, Any]:
        """As JSON for the browser."""
        return asdict(self)

    def files(self) -> list[File]:
        """All of them."""
        sheets = [file for kinds in (self.sheets or {}).values() for file in kinds.values()]
        return [*([self.archive] if self.archive else []), *sheets]


NOTHING = Parcels(None, None)


class Packer:
    """Offers parcels in place of those that no longer fit the results."""

    def __init__(self, files: Files, models: Mapping[str, ModelEntry]) -> None:
        self._files = files
        self._models = models

    def offer(self, visit: Visit) -> Parcels:
        """What can be packed now."""
        for file in visit.parcels:
            self._files.withdraw(file)
        shutil.rmtree(visit.folder / "parcels", ignore_errors=True)
        work = visit.work
        archive = sheets = None
        if len(_named(visit)) > 1:
            archive = self._files.offer("demoire.zip", lambda: _archive(visit))
        if work is not None and work.finished():
            sheets = {language: self._sheets(visit, work, language) for language in LANGUAGES}
        parcels = Parcels(archive, sheets)
        visit.parcels = parcels.files()
        return parcels

    def _sheets(self, visit: Visit, work: Work, language: str) -> dict[str, File]:
        name = f"{Path(work.photo.name).stem}_demoired_sheet"

        def build(kind: str) -> Path:
            return self._sheet(visit, work, language, f"{name}.{kind}")

        return {
            "png": self._files.offer(f"{name}.png", lambda: build("png")),
            "pdf": self._files.offer(f"{name}.pdf", lambda: build("pdf")),
        }

    def _sheet(self, visit: Visit, work: Work, language: str, name: str) -> Path:
        fonts = FontBook.find()
        missing = chinese_missing(fonts) if language != LANGUAGES[0] else None
        spoken = LANGUAGES[0] if missing else language

        def say(key: str) -> str:
            return TEXTS[key].per_language()[spoken]

        reference = work.reference
        notices = [*(reference.notices if reference else ()), *([missing] if missing else [])]
        photo = work.photo.picture
        entries = [original_entry(photo, work.figures, say, work.moire)]
        room = MOST_ENTRIES - 1 - (reference is not None)
        entries += [entry for result in work.finished()[-room:] if (entry := self._entry(result, say))]
        if reference is not None:
            entries.append(reference_entry(Picture(reference.pixels, icc=photo.icc), say))
        path = _place(visit) / name
        write_sheet(
            Sheet(tuple(entries), (), tuple(notice_texts(notice)[spoken] for notice in notices)), path, say, fonts
        )
        return path

    def _entry(self, result: Result, say: Say) -> Entry | None:
        model = self._models.get(result.run.model)
        if model is None or result.restored is None:
            return None
        return result_entry(model, result.restored, result.figures, say, result.run.looks_clean)


def _place(visit: Visit) -> Path:
    """A folder of its own for each parcel."""
    folder = visit.folder / "parcels"
    folder.mkdir(exist_ok=True)
    return Path(tempfile.mkdtemp(dir=folder))


def _named(visit: Visit) -> dict[str, Result]:
    """The written results by names that differ."""
    found: dict[str, Result] = {}
    for work in visit.works.values():
        for result in work.finished():
            if result.download is None:
                continue
            name, count = result.download.file.name, 2
            while name in found:
                name = f"{Path(result.download.file.name).stem}_{count}{result.download.path.suffix}"
                count += 1
            found[name] = result
    return found


def _archive(visit: Visit) -> Path:
    """The results as they are, not compressed once more, and how they came about if there is more to say of them."""
    path = _place(visit) / "demoire.zip"
    named = _named(visit)
    try:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            for name, result in named.items():
                if result.download is not None:
                    archive.write(result.download.path, name)
            if any(result.run.moire() or result.judged or result.run.photos for result in named.values()):
                archive.writestr("results.json", json.dumps(_facts(named), ensure_ascii=False, indent=1))
    except OSError as error:
        raise OutputError(f"The archive cannot be written ({error.strerror}); please try again.") from error
    return path


def _facts(named: Mapping[str, Result]) -> list[dict[str, Any]]:
    """Of each file its name, its run with what detector and discriminator say, its figures."""
    return [{"file": name, **asdict(result.run), "figures": finite(result.figures)} for name, result in named.items()]
