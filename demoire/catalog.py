"""Which models exist, and what is known of them before any is loaded. Reads ``weights/catalog.json``; imports no torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

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
        family: "cnn", "rnn", "gan", "detector" or "discriminator".
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
    macs_per_pixel: int
    summary: Mapping[str, str]
    bundled: bool


def load_catalog(folder: Path = WEIGHTS) -> Mapping[str, ModelEntry]:
    """Reads ``folder/catalog.json`` strictly: model id -> entry, in the order of the file.

    Raises:
        WeightsError: the catalogue is missing or not as agreed (an unknown key is named with the nearest known one).
    """
    raise NotImplementedError


def find_model(model_id: str, folder: Path = WEIGHTS) -> ModelEntry:
    """The entry of ``model_id``.

    Raises:
        UnknownNameError: there is none; the nearest is named.
        WeightsError: as ``load_catalog``.
    """
    raise NotImplementedError
