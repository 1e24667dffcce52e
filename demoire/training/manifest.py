"""Where every clean picture comes from: reading, writing and checking a manifest.

A manifest is tab-separated text with a header line. Columns are found by name: ``file`` (path below the content folder,
with ``/``), ``licence``, ``source`` and, where known, ``author`` and ``sha256``.
"""

import csv
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from demoire.errors import DataError, OutputError

FOLDER_MANIFEST = "MANIFEST.tsv"
COLUMNS = ("file", "licence", "author", "source", "sha256")
PICTURE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm"})
_REQUIRED = ("file", "licence", "source")


@dataclass(frozen=True)
class Source:
    """One picture of a content folder: path below it, licence, author or "", origin, sha256 in hex or ""."""

    file: str
    licence: str
    author: str = ""
    source: str = ""
    sha256: str = ""


def repository_manifest() -> Path:
    """The manifest that comes with the project: what the bundled weights were trained on."""
    return Path(__file__).with_name("manifest.tsv")


def file_sha256(path: Path) -> str:
    """SHA-256 of a file in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def held_out_folder() -> Path:
    """The pictures that come with the project to evaluate on clips; no network has been trained on them."""
    return Path(__file__).parents[1] / "held_out"


@cache
def _held_out() -> tuple[frozenset[int], frozenset[str]]:
    """Sizes in bytes and SHA-256 of those pictures."""
    rows = read_manifest(held_out_folder() / FOLDER_MANIFEST)
    sizes = frozenset((held_out_folder() / file).stat().st_size for file in rows)
    return sizes, frozenset(row.sha256 for row in rows.values())


def is_held_out(path: Path) -> bool:
    """Whether a file is one of those pictures, whatever its name, and so must not be trained on."""
    sizes, hashes = _held_out()
    return path.is_file() and path.stat().st_size in sizes and file_sha256(path) in hashes


def read_manifest(path: Path) -> dict[str, Source]:
    """Reads a manifest into rows by file name.

    Raises:
        DataError: the file is missing, a column is missing, a row is short, or a file is named twice.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            lines = list(csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"The manifest {path} cannot be read ({error}); write one with `prepare --manifest`."
        ) from error
    header = lines[0] if lines else []
    missing = [name for name in _REQUIRED if name not in header]
    if missing:
        raise DataError(
            f"The manifest {path} has no column '{missing[0]}'; its first line must name file, licence, source."
        )
    rows: dict[str, Source] = {}
    for number, line in enumerate(lines[1:], start=2):
        if len(line) != len(header):
            raise DataError(
                f"Line {number} of {path} has {len(line)} fields instead of {len(header)}; separate them by tabs."
            )
        cells = dict(zip(header, line, strict=True))
        row = Source(**{name: cells.get(name, "") for name in COLUMNS})
        if row.file in rows:
            raise DataError(f"Line {number} of {path} names {row.file} a second time; keep one row per file.")
        rows[row.file] = row
    return rows


def write_manifest(rows: Iterable[Source], path: Path) -> None:
    """Writes rows sorted by file, atomically.

    Raises:
        OutputError: the file cannot be written.
    """
    part = path.with_name(path.name + ".part")
    try:
        with part.open("w", encoding="utf-8", newline="") as stream:
            stream.write("\t".join(COLUMNS) + "\n")
            for row in sorted(rows, key=lambda row: row.file):
                cells = (row.file, row.licence, row.author, row.source, row.sha256)
                stream.write("\t".join(" ".join(cell.split()) for cell in cells) + "\n")
        part.replace(path)
    except OSError as error:
        raise OutputError(f"The manifest {path} cannot be written ({error.strerror}); choose another place.") from error


def picture_files(folder: Path) -> list[str]:
    """Paths of all pictures below ``folder``, with ``/``, sorted.

    Raises:
        DataError: the folder is missing or holds no picture.
    """
    if not folder.is_dir():
        raise DataError(f"There is no content folder {folder}; name a folder of clean pictures.")
    found = (path for path in folder.rglob("*") if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file())
    files = sorted(path.relative_to(folder).as_posix() for path in found)
    if not files:
        raise DataError(
            f"The content folder {folder} holds no picture; put {', '.join(sorted(PICTURE_SUFFIXES))} files there."
        )
    return files


def find_sources(folder: Path, licence: str | None = None, known: Mapping[str, Source] | None = None) -> list[Source]:
    """Says for every picture below ``folder`` where it comes from, from the folder's manifest and the project's.

    Args:
        folder: the content folder.
        licence: the licence of pictures that no manifest names; None makes such a picture an error.
        known: rows of the project's manifest; they bring author and sha256 where the folder's own has none.

    Raises:
        DataError: no picture; a picture that is in no manifest and no ``licence`` given; a listed file that is missing.
    """
    files = picture_files(folder)
    known = known or {}
    own = read_manifest(folder / FOLDER_MANIFEST) if (folder / FOLDER_MANIFEST).is_file() else {}
    absent = sorted(set(own) - set(files))
    if absent:
        raise DataError(
            f"{len(absent)} pictures listed in {folder / FOLDER_MANIFEST} are missing, e.g. {absent[0]}; "
            "get them or remove their lines."
        )
    sources = [
        _merge(own.get(file), known.get(file)) or Source(file, licence or "", source=folder.name) for file in files
    ]
    unnamed = [row.file for row in sources if not row.licence]
    if unnamed:
        raise DataError(
            f"{len(unnamed)} pictures of {folder} have no licence in a manifest, e.g. {unnamed[0]}; list them in "
            f"{FOLDER_MANIFEST} (file, licence, source) or give one for all with --licence."
        )
    return sources


def _merge(own: Source | None, known: Source | None) -> Source | None:
    """The folder's row, completed from the project's; either alone where the other is missing."""
    if own is None or known is None:
        return own or known
    return replace(own, author=own.author or known.author, sha256=own.sha256 or known.sha256)


def check_sha256(path: Path, source: Source) -> str:
    """SHA-256 of the file, checked against the manifest where that states one.

    Raises:
        DataError: the file is missing or its contents are not those that the manifest names.
    """
    try:
        digest = file_sha256(path)
    except OSError as error:
        raise DataError(
            f"The picture {path} cannot be read ({error.strerror}); restore it or remove it from the manifest."
        ) from error
    if source.sha256 and digest != source.sha256:
        raise DataError(
            f"The picture {path} is not the one that the manifest names (sha256 {digest[:12]} instead of "
            f"{source.sha256[:12]}); fetch it again or write a new manifest."
        )
    return digest


def describe_author(source: Source) -> str:
    """The author named in the row or, for a repository, its contributors."""
    repository = source.source.split(" : ")[0]
    return source.author or (f"{repository} contributors" if "/" in repository and " " not in repository else "")


def complete_manifest(folder: Path, sources: Sequence[Source]) -> list[Source]:
    """The rows with author and sha256 of the files as they are."""
    return [replace(row, author=describe_author(row), sha256=file_sha256(folder / row.file)) for row in sources]
