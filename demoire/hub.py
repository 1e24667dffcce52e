"""Where a model's files come from. For now: the folder of bundled weights."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from demoire.catalog import WEIGHTS, ModelEntry
from demoire.errors import WeightsError
from demoire.strict import read_bytes


@dataclass(frozen=True)
class Resolved:
    """A model's files at hand: their ``folder``, and their ``origin`` ("bundled")."""

    folder: Path
    origin: str


def resolve(entry: ModelEntry, weights: Path = WEIGHTS) -> Resolved:
    """Finds the files of ``entry``.

    Raises:
        WeightsError: they are not there.
    """
    if not entry.bundled:
        raise WeightsError(f"The model '{entry.id}' is not bundled and cannot be fetched yet; choose another model.")
    folder = weights / entry.id
    missing = [name for name in entry.files if not (folder / name).is_file()]
    if missing:
        raise WeightsError(
            f"The model '{entry.id}' lacks {' and '.join(missing)} in '{folder}'; restore the folder from its source."
        )
    return Resolved(folder, "bundled")


def read_verified(resolved: Resolved, entry: ModelEntry, name: str) -> bytes:
    """The content of a model's file, checked against the catalogue before anything looks into it.

    Raises:
        WeightsError: not in the catalogue, not readable, or other bytes than the catalogue's.
    """
    expected = entry.files.get(name)
    what = f"The file {name} of the model '{entry.id}'"
    if expected is None:
        raise WeightsError(f"{what} is not in the catalogue; export the model again.")
    data = read_bytes(resolved.folder / name, what)
    if len(data) != expected.size or hashlib.sha256(data).hexdigest() != expected.sha256:
        raise WeightsError(f"{what} is damaged or not the one that the catalogue names; restore it from its source.")
    return data
