"""Which models exist, and what is known of them before any is loaded: ``weights/catalog.json``. Imports no torch."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demoire.errors import UnknownNameError, WeightsError
from demoire.strict import Schema, as_object, check, read_bytes, read_json

#: What a visitor picks from (the first three), and what serves other ends.
FAMILIES = ("cnn", "rnn", "gan", "detector", "discriminator")
#: The folder of the bundled models.
WEIGHTS = Path(__file__).resolve().parent.parent / "weights"


@dataclass(frozen=True)
class FileEntry:
    """One file of a model: its SHA-256 in hexadecimal and its size in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True)
class ModelEntry:
    """One model of the catalogue.

    Attributes:
        id: the model id, also its folder's name.
        family: one of ``FAMILIES``.
        architecture: the network's class in the registry.
        repo: ``owner/name`` on the Hub, or None where the model is bundled only.
        revision: the pinned commit there (40 hexadecimal digits), or None.
        files: file name -> hash and size.
        licence: of the weights.
        parameters: how many the network has.
        macs_per_pixel: multiply-accumulates per input pixel.
        summary: language ("en", "zh-CN") -> one line.
        bundled: whether the files lie in the weights folder.
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


def load_catalog(folder: Path = WEIGHTS) -> Mapping[str, ModelEntry]:
    """Reads ``folder/catalog.json`` strictly: model id -> entry, in the order of the file.

    Raises:
        WeightsError: the catalogue is missing or not as agreed (an unknown key is named with the nearest known one).
    """
    what = "the catalogue of models"
    data = read_json(read_bytes(folder / "catalog.json", what), what)
    check(data, {"models": dict}, what)
    return {name: _entry(name, as_object(value, f"{what} '{name}'")) for name, value in data["models"].items()}


def find_model(model_id: str, folder: Path = WEIGHTS) -> ModelEntry:
    """The entry of ``model_id``.

    Raises:
        UnknownNameError: there is none; the nearest is named.
        WeightsError: as ``load_catalog``.
    """
    catalog = load_catalog(folder)
    if model_id not in catalog:
        raise UnknownNameError.nearest("model", model_id, catalog)
    return catalog[model_id]


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


def _entry(name: str, data: dict[str, Any]) -> ModelEntry:
    what = f"the catalogue's model '{name}'"
    check(data, _ENTRY, what)
    _check_name(name, what)
    check(data["summary"], {"en": str, "zh-CN": str}, f"{what}, summary,")
    files = {}
    for file, value in data["files"].items():
        _check_name(file, what)
        check(as_object(value, f"{what}, file '{file}',"), _FILE, f"{what}, file '{file}',")
        files[file] = FileEntry(value["sha256"], value["size"])
    if data["family"] not in FAMILIES:
        raise WeightsError(f"In {what}: {UnknownNameError.nearest('family', data['family'], FAMILIES)}")
    return ModelEntry(
        id=name,
        family=data["family"],
        architecture=data["architecture"],
        repo=data["repo"],
        revision=data["revision"],
        files=files,
        licence=data["licence"],
        parameters=data["parameters"],
        macs_per_pixel=data["macs_per_pixel"],
        summary=data["summary"],
        bundled=data["bundled"],
    )


def _check_name(name: str, what: str) -> None:
    """Ids and file names become parts of paths: no separators, nothing hidden, nothing above."""
    if not _PLAIN_NAME.fullmatch(name):
        raise WeightsError(f"In {what} the name '{name}' is not allowed; use letters, digits, '.', '_' and '-'.")
