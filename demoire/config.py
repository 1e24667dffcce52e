"""``config.json`` of a model: which network its weights belong to and what that needs. Imports no torch."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from demoire.entries import FAMILIES, check_name
from demoire.errors import UnknownNameError, WeightsError
from demoire.strict import Schema, as_object, check, read_json

FORMAT = 1
#: No width, depth or side in a configuration is larger: the file may come from anybody.
LARGEST = 4096
_LARGEST_RADIUS = 1 << 16
_CONFIG: Schema = {"format": int, "id": str, "family": str, "architecture": str, "fields": dict, "needs": dict}
_NEEDS: Schema = {
    "size_multiple": int,
    "receptive_field": int,
    "halo": int,
    "tiling": bool,
    "frames": int,
    "dtype": str,
}
_DTYPES = ("float32", "bfloat16", "float16")


@dataclass(frozen=True)
class ModelConfig:
    """The content of ``config.json``.

    Attributes:
        id, family, architecture: as in the catalogue.
        fields: the architecture's configuration as it was written; ``build_model`` checks the names.
        needs: the fields of ``demoire.models.Needs``.
    """

    id: str
    family: str
    architecture: str
    fields: Mapping[str, Any]
    needs: Mapping[str, Any]

    @classmethod
    def parse(cls, data: bytes, what: str) -> "ModelConfig":
        """Reads the file's content strictly; ``what`` names it in errors.

        Raises:
            WeightsError: not as agreed.
        """
        config = read_json(data, what)
        check(config, _CONFIG, what)
        if config.pop("format") != FORMAT:
            raise WeightsError(f"In {what} 'format' is not {FORMAT}; install the version of Demoire that wrote it.")
        check_name(config["id"], what)
        if config["family"] not in FAMILIES:
            raise WeightsError(f"In {what}: {UnknownNameError.nearest('family', config['family'], FAMILIES)}")
        _check_needs(config["needs"], what)
        _check_numbers(config["fields"], what)
        return cls(**config)

    def to_bytes(self) -> bytes:
        """The file's content."""
        return (json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n").encode()


def _check_needs(needs: dict[str, Any], what: str) -> None:
    check(as_object(needs, what), _NEEDS, f"{what}, needs,")
    fits = 1 <= needs["size_multiple"] <= LARGEST and 1 <= needs["frames"] <= LARGEST
    if not (fits and 0 <= needs["halo"] <= needs["receptive_field"] <= _LARGEST_RADIUS):
        raise WeightsError(f"In {what} the sizes in 'needs' do not fit together; export the model again.")
    if needs["dtype"] not in _DTYPES:
        raise WeightsError(f"In {what}: {UnknownNameError.nearest('dtype', needs['dtype'], _DTYPES)}")


def _check_numbers(value: object, what: str) -> None:
    """A network of absurd size must not even be described: its modules alone would fill the memory."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        if len(value) > LARGEST:
            raise WeightsError(f"In {what} a list in 'fields' has more than {LARGEST} items.")
        for item in value:
            _check_numbers(item, what)
    elif isinstance(value, (int, float)) and not abs(value) <= LARGEST:
        raise WeightsError(f"In {what} the number {value} in 'fields' is larger than {LARGEST}.")
