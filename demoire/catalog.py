"""Which models exist: ``weights/catalog.json``, and what the environment adds to it. Imports no torch.

``DEMOIRE_CATALOG`` is a further catalogue file, ``DEMOIRE_MODELS`` names repositories on the Hub
(``owner/name[@revision],...``), ``DEMOIRE_MODELS_DIR`` is a folder of model folders. Each goes over what is before it.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from demoire.additions import all_entries
from demoire.entries import CATALOG_FILE, FAMILIES, RESTORING, UNSEEN, FileEntry, ModelEntry, read_catalog
from demoire.errors import UnknownNameError

__all__ = ["FAMILIES", "OFFERED", "RESTORING", "WEIGHTS", "FileEntry", "ModelEntry", "find_model", "load_catalog"]

#: What a visitor may pick: what restores, and what is not known before its first use.
OFFERED = (*RESTORING, UNSEEN)
#: The folder of the bundled models.
WEIGHTS = Path(__file__).resolve().parent.parent / "weights"


def load_catalog(folder: Path = WEIGHTS, environment: Mapping[str, str] = os.environ) -> Mapping[str, ModelEntry]:
    """Reads ``folder/catalog.json`` and what ``environment`` adds: model id -> entry. Asks no network.

    Raises:
        WeightsError: a catalogue is missing or not as agreed (an unknown key is named with the nearest known one).
    """
    return all_entries(read_catalog(folder / CATALOG_FILE), environment)


def find_model(model_id: str, folder: Path = WEIGHTS, environment: Mapping[str, str] = os.environ) -> ModelEntry:
    """The entry of ``model_id``.

    Raises:
        UnknownNameError: there is none; the nearest is named.
        WeightsError: as ``load_catalog``.
    """
    catalog = load_catalog(folder, environment)
    if model_id not in catalog:
        raise UnknownNameError.nearest("model", model_id, catalog)
    return catalog[model_id]
