"""What is known of a model before it is loaded, and the file that holds such lines. Imports no torch."""

import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from demoire.errors import OutputError, UnknownNameError, WeightsError
from demoire.strict import Schema, as_object, check, read_bytes, read_json

#: What a visitor picks from.
RESTORING = ("cnn", "rnn", "gan")
#: These, and what serves other ends.
FAMILIES = (*RESTORING, "detector", "discriminator")
#: Architectures that remember former frames (they have ``start``, ``align`` and ``fuse``); others see one at a time.
REMEMBERING = ("recurrent",)
#: The family of a repository of which nothing is known before its first use.
UNSEEN = "hub"
CONFIG_FILE, WEIGHTS_FILE, CARD_FILE, CATALOG_FILE = "config.json", "model.safetensors", "README.md", "catalog.json"
MODEL_FILES = (CONFIG_FILE, WEIGHTS_FILE)


@dataclass(frozen=True)
class FileEntry:
    """One file of a model: SHA-256 in hexadecimal (None: not recorded, in local folders only) and size in bytes."""

    sha256: str | None
    size: int


@dataclass(frozen=True)
class ModelEntry:
    """One model of the catalogue.

    Attributes:
        id: the model id, also its folder's name.
        family: one of ``FAMILIES``, or ``UNSEEN``.
        architecture: the network's class in the registry; "" if unseen.
        repo: ``owner/name`` on the Hub, or None where there is none.
        revision: the pinned commit there (40 hexadecimal digits); a branch or tag as long as it is unseen; or None.
        files: file name -> hash and size; empty if unseen.
        licence: of the weights.
        parameters: how many the network has.
        macs_per_pixel: multiply-accumulates per input pixel; 0 where not known.
        summary: language ("en", "zh-CN") -> one line.
        bundled: whether the files lie in the weights folder.
        folder: of a local model, else None.
        older: the bundled copy that this entry took the place of, or None.
    """

    id: str
    family: str
    architecture: str
    repo: str | None
    revision: str | None
    files: Mapping[str, FileEntry]
    licence: str
    parameters: int
    macs_per_pixel: float
    summary: Mapping[str, str]
    bundled: bool
    folder: Path | None = None
    older: "ModelEntry | None" = None

    @property
    def size(self) -> int:
        """Bytes of all files; 0 if unseen."""
        return sum(file.size for file in self.files.values())

    @property
    def remembers(self) -> bool:
        """Whether it makes one better photo of several, and a frame of a clip better by the ones before."""
        return self.architecture in REMEMBERING

    def line(self) -> dict[str, Any]:
        """The entry as it stands in a catalogue file."""
        return {key: value for key, value in asdict(self).items() if key not in ("id", "folder", "older")}


_ENTRY: Schema = {
    "family": str,
    "architecture": str,
    "repo": (str, type(None)),
    "revision": (str, type(None)),
    "files": dict,
    "licence": str,
    "parameters": int,
    "macs_per_pixel": (int, float),
    "summary": dict,
    "bundled": bool,
}
_FILE: Schema = {"sha256": str, "size": int}
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
_REVISION = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_WHAT = "the catalogue of models"


def read_catalog(path: Path) -> dict[str, ModelEntry]:
    """Reads a catalogue file strictly: model id -> entry, in the order of the file.

    Raises:
        WeightsError: it is missing or not as agreed (an unknown key is named with the nearest known one).
    """
    catalog = read_json(read_bytes(path, _WHAT), _WHAT)
    check(catalog, {"models": dict}, _WHAT)
    return {name: _entry(name, as_object(value, f"{_WHAT} '{name}'")) for name, value in catalog["models"].items()}


def write_catalog(path: Path, entries: Iterable[ModelEntry]) -> None:
    """Adds the lines of ``entries`` to the catalogue at ``path``, or replaces them there; all or nothing.

    Raises:
        WeightsError: what lies there is no catalogue.
        OutputError: it cannot be written.
    """
    known = read_catalog(path) if path.exists() else {}
    known.update((entry.id, entry) for entry in entries)
    write_json(path, {"models": {name: entry.line() for name, entry in known.items()}})


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Writes JSON in one step, so that no reader sees half of it; OutputError where that cannot be."""
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise OutputError(f"'{path}' cannot be written ({error.strerror}); choose another place.") from error


def check_name(name: str, what: str) -> None:
    """Ids and file names become parts of paths: no separators, nothing hidden, nothing above."""
    if not _PLAIN_NAME.fullmatch(name):
        raise WeightsError(f"In {what} the name '{name}' is not allowed; use letters, digits, '.', '_' and '-'.")


def check_repo(repo: str, what: str) -> None:
    """Raises WeightsError unless ``repo`` has the form of a repository's name."""
    if not _REPO.fullmatch(repo):
        raise WeightsError(f"In {what} '{repo}' is not the name of a repository; write it as owner/name.")


def is_commit(revision: str | None) -> bool:
    """Whether ``revision`` is a whole commit, which can never come to mean something else."""
    return revision is not None and _REVISION.fullmatch(revision) is not None


def _entry(name: str, data: dict[str, Any]) -> ModelEntry:
    what = f"the catalogue's model '{name}'"
    check(data, _ENTRY, what)
    check_name(name, what)
    check(data["summary"], {"en": str, "zh-CN": str}, f"{what}, summary,")
    if data["family"] not in FAMILIES:
        raise WeightsError(f"In {what}: {UnknownNameError.nearest('family', data['family'], FAMILIES)}")
    if data["repo"] is not None:
        check_repo(data["repo"], what)
        if not is_commit(data["revision"]):
            raise WeightsError(f"In {what} 'revision' must be a commit of 40 hexadecimal digits.")
    files = {file: _file(file, value, what) for file, value in data["files"].items()}
    return ModelEntry(id=name, **{**data, "files": files})


def _file(name: str, value: object, what: str) -> FileEntry:
    check_name(name, what)
    data = as_object(value, f"{what}, file '{name}',")
    check(data, _FILE, f"{what}, file '{name}',")
    if not _SHA256.fullmatch(data["sha256"]):
        raise WeightsError(f"In {what}, file '{name}', 'sha256' must have 64 hexadecimal digits.")
    return FileEntry(**data)
