"""What lies behind a link: a bundle of files, described by its ``share.json``, whose format has a version.

Format 1 is a JSON object with ``"format": 1`` and the fields of ``Bundle``: times are seconds since 1970 UTC, ``panes``
name their ``file``, ``files`` maps each file of the bundle to its SHA-256 and size. A later format adds a reader here
and keeps the former ones: links outlive upgrades.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from demoire.errors import StoreError, WeightsError
from demoire.strict import Schema, as_object, check, read_json

FORMAT = 1
MANIFEST = "share.json"
#: The picture in previews of the link.
PREVIEW = "preview.jpg"
ROLES = ("original", "result", "reference", "capture", "target", "mask")
#: The largest manifest that is read, in bytes.
MANIFEST_BYTES = 1 << 18

#: Facts for labels, settings or a view: JSON values, at most two levels deep.
Facts = Mapping[str, Any]

_FILE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,40}\.(png|jpg)")
_HASH = re.compile(r"[0-9a-f]{64}")


class BrokenBundleError(StoreError):
    """A bundle is damaged or not as its format demands."""


class NewerBundleError(StoreError):
    """A bundle was written by a later version of this package."""


@dataclass(frozen=True)
class StoredFile:
    """A file of a bundle: its SHA-256 in hexadecimal and its size in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True)
class SharedPane:
    """One picture of a bundle.

    Attributes:
        key: its name in the view.
        role: one of ``ROLES``.
        file: the file that holds it.
        name: what a download of it is called.
        label: a text of its own, or "".
        height, width: in pixels.
        run: of a result: model, revision, device, ...
        figures: how good it is, where a reference was given.
    """

    key: str
    role: str
    file: str
    name: str
    label: str
    height: int
    width: int
    run: Facts | None
    figures: Facts | None


@dataclass(frozen=True)
class Bundle:
    """The content of ``share.json``."""

    demoire: str
    created: int
    expires: int
    key_sha256: str
    title: str
    panes: tuple[SharedPane, ...]
    settings: Facts
    view: Facts
    files: Mapping[str, StoredFile]

    def to_json(self) -> bytes:
        """The manifest in the current format."""
        return json.dumps({"format": FORMAT, **asdict(self)}, ensure_ascii=False, indent=1).encode()


_SCHEMA: Schema = {
    "format": int,
    "demoire": str,
    "created": int,
    "expires": int,
    "key_sha256": str,
    "title": str,
    "panes": list,
    "settings": dict,
    "view": dict,
    "files": dict,
}
_PANE: Schema = {
    "key": str,
    "role": str,
    "file": str,
    "name": str,
    "label": str,
    "height": int,
    "width": int,
    "run": (dict, type(None)),
    "figures": (dict, type(None)),
}
_STORED: Schema = {"sha256": str, "size": int}
_WHAT = "the manifest of a link"


def read_bundle(data: bytes) -> Bundle:
    """Reads a manifest of any format so far.

    Raises:
        NewerBundleError: of a later format.
        BrokenBundleError: not a manifest.
    """
    if len(data) > MANIFEST_BYTES:
        raise BrokenBundleError("The manifest of a link is too large; delete that link.")
    try:
        content = read_json(data, _WHAT)
        number = content.get("format")
        if isinstance(number, int) and number > max(_READERS):
            raise NewerBundleError(f"A link of format {number} needs a later version of Demoire; upgrade it.")
        reader = _READERS.get(number) if isinstance(number, int) else None
        if reader is None:
            raise BrokenBundleError(f"A link's format must be a number up to {FORMAT}, not {number!r}; delete it.")
        return reader(content)
    except (WeightsError, RecursionError) as error:
        raise BrokenBundleError(f"A link is damaged: {error}") from error


def _read_format_1(content: dict[str, Any]) -> Bundle:
    check(content, _SCHEMA, _WHAT)
    files = {name: _stored_file(name, value) for name, value in content["files"].items()}
    panes = tuple(_pane(value, files) for value in content["panes"])
    if not panes or not _HASH.fullmatch(content["key_sha256"]):
        raise BrokenBundleError("A link without pictures or without a key is damaged; delete it.")
    kept = {key: content[key] for key in ("demoire", "created", "expires", "key_sha256", "title")}
    return Bundle(panes=panes, files=files, settings=facts(content["settings"]), view=facts(content["view"]), **kept)


_READERS: Mapping[int, Callable[[dict[str, Any]], Bundle]] = {1: _read_format_1}


def _stored_file(name: str, value: object) -> StoredFile:
    """File names become parts of paths: only such as this package gives."""
    entry = as_object(value, _WHAT)
    check(entry, _STORED, _WHAT)
    if not _FILE_NAME.fullmatch(name) or not _HASH.fullmatch(entry["sha256"]) or entry["size"] < 0:
        raise BrokenBundleError("A link names a file that no link has; delete it.")
    return StoredFile(**entry)


def _pane(value: object, files: Mapping[str, StoredFile]) -> SharedPane:
    entry = as_object(value, _WHAT)
    check(entry, _PANE, _WHAT)
    if entry["role"] not in ROLES or entry["file"] not in files or min(entry["height"], entry["width"]) < 1:
        raise BrokenBundleError("A link names a picture that it does not hold; delete it.")
    for name in ("run", "figures"):
        entry[name] = None if entry[name] is None else facts(entry[name])
    return SharedPane(**entry)


def facts(value: Mapping[str, object]) -> Facts:
    """``value`` if it holds only short JSON values, lists of them, or one more level of such objects.

    Raises:
        BrokenBundleError: anything else; what comes from a browser is not kept unseen.
    """
    if len(json.dumps(value)) > 1 << 14 or not all(_is_fact(entry, deep=True) for entry in value.values()):
        raise BrokenBundleError("The settings or the view of a comparison are not as expected; reload the page.")
    return value


def _is_fact(value: object, deep: bool) -> bool:
    if value is None or isinstance(value, bool | int | float | str):
        return True
    if isinstance(value, Mapping):
        return deep and all(_is_fact(entry, deep=False) for entry in value.values())
    return isinstance(value, Sequence) and all(_is_fact(entry, deep=False) for entry in value)
