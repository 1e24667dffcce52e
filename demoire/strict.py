"""JSON files that are part of a contract: every key known, none missing, every value of its type."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from demoire.errors import UnknownNameError, WeightsError

#: Key -> the type or types that its value may have.
Schema = Mapping[str, type | tuple[type, ...]]


def read_json(data: bytes, what: str) -> dict[str, Any]:
    """Parses ``data``; ``what`` names the file in errors.

    Raises:
        WeightsError: not JSON, or not an object.
    """
    try:
        value = json.loads(data)
    except ValueError as error:
        raise WeightsError(f"{what} is not valid JSON; restore the file from its source.") from error
    return as_object(value, what)


def as_object(value: object, what: str) -> dict[str, Any]:
    """``value`` if it is a JSON object, else WeightsError."""
    if not isinstance(value, dict):
        raise WeightsError(f"{what} must be a JSON object; restore the file from its source.")
    return value


def check(data: Mapping[str, Any], schema: Schema, what: str) -> None:
    """Raises WeightsError where ``data`` has not exactly the keys and types of ``schema``."""
    for key in data:
        if key not in schema:
            raise WeightsError(f"In {what}: {UnknownNameError.nearest('key', key, schema)}")
    for key, kind in schema.items():
        if key not in data:
            raise WeightsError(f"In {what} the key '{key}' is missing; restore the file from its source.")
        value, kinds = data[key], kind if isinstance(kind, tuple) else (kind,)
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            names = " or ".join(known.__name__ for known in kinds)
            raise WeightsError(f"In {what} '{key}' must be of type {names}, not {type(value).__name__}.")


def read_bytes(path: Path, what: str) -> bytes:
    """The content of a file, or WeightsError where there is none to be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise WeightsError(f"{what} is missing or cannot be read at '{path}'; restore it from its source.") from error
