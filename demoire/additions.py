"""Models that whoever runs Demoire adds to the shipped ones: repositories on the Hub, and local folders. No torch."""

import hashlib
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock

from demoire.config import ModelConfig
from demoire.entries import (
    CATALOG_FILE,
    CONFIG_FILE,
    MODEL_FILES,
    UNSEEN,
    WEIGHTS_FILE,
    FileEntry,
    ModelEntry,
    check_name,
    check_repo,
    read_catalog,
    write_catalog,
)
from demoire.errors import OutputError, WeightsError
from demoire.strict import read_bytes
from demoire.tensorfile import read_header

#: The licence of a model whose catalogue line is not known.
UNSTATED = "see its card"


@dataclass(frozen=True)
class Wanted:
    """A repository that ``DEMOIRE_MODELS`` names, at a branch, tag or commit."""

    repo: str
    revision: str = "main"

    @property
    def model_id(self) -> str:
        """The repository's own name."""
        return self.repo.rpartition("/")[2]

    def record(self, environment: Mapping[str, str]) -> Path:
        """Where its commit and hashes are kept once it was fetched: a file for each repository and revision."""
        folder = environment.get("DEMOIRE_PINS")
        data = Path(environment.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
        name = f"{self.repo}@{self.revision}".replace("/", "--")
        return (Path(folder) if folder else data / "demoire" / "pins") / f"{name}.json"


def wanted_repositories(text: str) -> list[Wanted]:
    """Reads ``owner/name[@revision],...``; raises WeightsError where it is anything else."""
    found = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        repo, _, revision = part.partition("@")
        check_repo(repo, "DEMOIRE_MODELS")
        wanted = Wanted(repo, revision or "main")
        check_name(wanted.model_id, "DEMOIRE_MODELS")
        if not all(piece and not piece.startswith(".") for piece in wanted.revision.split("/")):
            raise WeightsError(f"In DEMOIRE_MODELS '{wanted.revision}' is not a branch, tag or commit.")
        found.append(wanted)
    return found


def hub_entry(wanted: Wanted, environment: Mapping[str, str] = os.environ) -> ModelEntry:
    """What is known of the repository: all, once it was fetched; before that only its name."""
    record = wanted.record(environment)
    if record.is_file():
        return read_catalog(record)[wanted.model_id]
    return ModelEntry(
        id=wanted.model_id,
        family=UNSEEN,
        architecture="",
        repo=wanted.repo,
        revision=wanted.revision,
        files={},
        licence=UNSTATED,
        parameters=0,
        macs_per_pixel=0,
        summary={
            "en": f"From {wanted.repo} on the Hub; more is known after its first use.",
            "zh-CN": f"来自 Hub 上的 {wanted.repo}，首次使用后可知详情。",
        },
        bundled=False,
    )


def record_first_fetch(
    entry: ModelEntry, revision: str, folder: Path, licence: str | None, environment: Mapping[str, str] = os.environ
) -> ModelEntry:
    """Keeps the commit and the hashes of an unseen repository's files, now in ``folder``; from then on they hold.

    ``licence`` is what its card names. Another process may have been first: then what it kept is what counts.

    Raises:
        WeightsError: the files are not a model's.
        OutputError: the record cannot be written.
    """
    wanted = Wanted(str(entry.repo), str(entry.revision))
    record = wanted.record(environment)
    described = replace(describe_folder(folder, entry.id), repo=entry.repo, revision=revision, folder=None)
    described = replace(described, licence=licence or UNSTATED)
    try:
        record.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{record}.lock"):
            if not record.exists():
                write_catalog(record, [described])
    except OSError as error:
        raise OutputError(f"'{record}' cannot be written ({error.strerror}); set DEMOIRE_PINS.") from error
    return hub_entry(wanted, environment)


def local_models(root: Path) -> Iterator[ModelEntry | WeightsError]:
    """The models in the folders of ``root``, by name; an error in the place of one that is none.

    Raises:
        WeightsError: ``root`` cannot be read.
    """
    try:
        folders = sorted(path for path in root.iterdir() if path.is_dir())
    except OSError as error:
        raise WeightsError(f"The folder '{root}' of DEMOIRE_MODELS_DIR cannot be read ({error.strerror}).") from error
    for folder in folders:
        if any((folder / name).is_file() for name in MODEL_FILES):
            try:
                check_name(folder.name, f"'{root}'")
                yield local_entry(folder)
            except WeightsError as error:
                yield error


def local_entry(folder: Path) -> ModelEntry:
    """The entry of a model's folder: as its own catalog.json says, where it has one, else by what its files say.

    Raises:
        WeightsError: a file is missing or not as agreed.
    """
    line = folder / CATALOG_FILE
    if line.is_file():
        entries = list(read_catalog(line).values())
        if len(entries) != 1:
            raise WeightsError(f"'{line}' must hold the line of one model.")
        return replace(entries[0], id=folder.name, repo=None, revision=None, bundled=False, folder=folder)
    return describe_folder(folder, folder.name, hashed=False)


def describe_folder(folder: Path, model_id: str, hashed: bool = True) -> ModelEntry:
    """An entry made from what lies in ``folder``: configuration, header of the weights, and their hashes if wanted.

    Raises:
        WeightsError: a file is missing or not as agreed.
    """
    contents = {name: read_bytes(folder / name, f"{name} of the model '{model_id}'") for name in MODEL_FILES}
    config = ModelConfig.parse(contents[CONFIG_FILE], f"{CONFIG_FILE} of the model '{model_id}'")
    header = read_header(contents[WEIGHTS_FILE], f"{WEIGHTS_FILE} of the model '{model_id}'")
    return ModelEntry(
        id=model_id,
        family=config.family,
        architecture=config.architecture,
        repo=None,
        revision=None,
        files={
            name: FileEntry(hashlib.sha256(data).hexdigest() if hashed else None, len(data))
            for name, data in contents.items()
        },
        licence=UNSTATED,
        parameters=sum(math.prod(tensor.shape) for tensor in header.values()),
        macs_per_pixel=0,
        summary={
            "en": f"Architecture {config.architecture}; see its card.",
            "zh-CN": f"架构 {config.architecture}，详见模型卡。",
        },
        bundled=False,
        folder=folder,
    )


def merge(shipped: Mapping[str, ModelEntry], added: Iterable[ModelEntry]) -> dict[str, ModelEntry]:
    """Adds entries or replaces them by id; one that replaces a bundled model falls back to it."""
    merged = dict(shipped)
    for entry in added:
        before = merged.get(entry.id)
        older = before and (before if before.bundled else before.older)
        merged[entry.id] = replace(entry, older=older) if older else entry
    return merged


def all_entries(shipped: Mapping[str, ModelEntry], environment: Mapping[str, str]) -> dict[str, ModelEntry]:
    """The shipped models with what the environment adds. A broken local folder does not take the others with it."""
    merged = dict(shipped)
    if file := environment.get("DEMOIRE_CATALOG"):
        merged = merge(merged, read_catalog(Path(file)).values())
    wanted = wanted_repositories(environment.get("DEMOIRE_MODELS", ""))
    merged = merge(merged, (hub_entry(one, environment) for one in wanted))
    if root := environment.get("DEMOIRE_MODELS_DIR"):
        merged = merge(merged, (one for one in local_models(Path(root)) if isinstance(one, ModelEntry)))
    return merged
