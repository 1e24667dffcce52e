"""A model's folder as the ecosystem keeps it (configuration, weights, card): checked, then put on the Hub."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from demoire.additions import UNSTATED, local_entry
from demoire.entries import CARD_FILE, MODEL_FILES, RESTORING, FileEntry, ModelEntry, check_repo
from demoire.errors import WeightsError
from demoire.hub.client import front_matter, read_front_matter, upload
from demoire.hub.sources import Resolved, read_verified
from demoire.loading import open_model
from demoire.strict import read_bytes

LIBRARY = "demoire"
_VAGUE = ("", "unknown", "other", UNSTATED)


@dataclass(frozen=True)
class Checked:
    """A model that may be published: its entry, with licence and cost, and the files that would go up."""

    entry: ModelEntry
    files: Mapping[str, bytes]


@dataclass(frozen=True)
class Published:
    """What was published, and where: ``entry`` is the catalogue's line, pinned to the commit."""

    entry: ModelEntry

    @property
    def address(self) -> str:
        """Repository and commit."""
        return f"{self.entry.repo}@{self.entry.revision}"


def task_of(entry: ModelEntry) -> str:
    """The Hub's name of what the model does."""
    return "image-to-image" if entry.family in RESTORING else "image-classification"


def card_top(entry: ModelEntry, datasets: list[str], results: list[dict[str, Any]] | None = None) -> str:
    """The front matter of a model's card; ``results`` are the fields of ``huggingface_hub.EvalResult``, each."""
    fields = {
        "library_name": LIBRARY,
        "pipeline_tag": task_of(entry),
        "license": entry.licence.lower(),
        "tags": ["demoireing", "image-restoration", entry.family, entry.architecture],
        "datasets": datasets,
    }
    return front_matter(fields, entry.id, results or [])


def plain_card(entry: ModelEntry, datasets: list[str], text: str) -> str:
    """A whole card for a model of which nothing was measured here; ``text`` says what it is and where it is from."""
    return f"""{card_top(entry, datasets)}
# {entry.id}

{text}

Architecture `{entry.architecture}`, {entry.parameters / 1e6:.2f} M parameters. Input and output: (N, 3, H, W) sRGB in
[0, 1]. Not evaluated yet: `python -m demoire evaluate --pairs DIR --model {entry.id}`.

    from demoire.hub import DemoireModel
    model = DemoireModel.from_pretrained("FOLDER_OR_REPOSITORY")
"""


def check_folder(folder: Path, entry: ModelEntry | None = None) -> Checked:
    """Loads the model in ``folder``, tries it, and reads its card.

    Args:
        entry: its line in a catalogue, if there is one: then the files must be those.

    Raises:
        WeightsError: it does not load, or its card lacks something; the sentence says what.
    """
    entry = entry or local_entry(folder)
    resolved = Resolved(entry, folder, "local")
    loaded = open_model(resolved)
    card = read_bytes(folder / CARD_FILE, f"{CARD_FILE} of the model '{entry.id}'")
    licence = _check_card(read_front_matter(card.decode("utf-8", "replace")), entry)
    files = {name: read_verified(resolved, name) for name in MODEL_FILES}
    hashed = {name: FileEntry(hashlib.sha256(data).hexdigest(), len(data)) for name, data in files.items()}
    entry = replace(entry, licence=licence, macs_per_pixel=loaded.entry.macs_per_pixel, files=hashed)
    return Checked(entry, files | {CARD_FILE: card})


def _check_card(top: Mapping[str, Any], entry: ModelEntry) -> str:
    """The licence that the card names.

    Raises:
        WeightsError: something is missing, or contradicts the catalogue.
    """
    for key in ("license", "library_name", "pipeline_tag", "tags", "datasets"):
        if not top.get(key):
            raise WeightsError(f"The top of {CARD_FILE} of the model '{entry.id}' lacks '{key}'; add it.")
    if top["library_name"] != LIBRARY:
        raise WeightsError(f"In {CARD_FILE} of the model '{entry.id}' 'library_name' must be '{LIBRARY}'.")
    licence = str(top["license"])
    if licence.lower() in _VAGUE:
        raise WeightsError(f"In {CARD_FILE} of the model '{entry.id}' 'license' must name a licence, not '{licence}'.")
    if entry.licence == UNSTATED:
        return licence
    if licence.lower() != entry.licence.lower():
        raise WeightsError(
            f"{CARD_FILE} of the model '{entry.id}' names the licence {licence}, the catalogue {entry.licence}; change "
            "one of them."
        )
    return entry.licence


def publish(
    checked: Checked, repo: str, *, private: bool = False, token: str | None = None, message: str | None = None
) -> Published:
    """Puts a checked model on the Hub, in one commit.

    Raises:
        WeightsError: ``repo`` is no name of a repository.
        OutputError: the Hub does not take it, and why.
    """
    check_repo(repo, "--repo")
    entry = checked.entry
    message = message or f"{entry.id}: {entry.architecture}, {entry.parameters / 1e6:.2f} M parameters"
    revision = upload(repo, checked.files, message, private=private, token=token)
    return Published(replace(entry, repo=repo, revision=revision, folder=None, older=None))
