"""The header of a safetensors file, checked before any memory is taken for what it promises.

Format: 8 bytes with the header's length (little-endian), the header (JSON: name -> dtype, shape, data_offsets), data.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from demoire.errors import WeightsError

_LENGTH = 8
_LARGEST_HEADER = 4 << 20
_BYTES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}


@dataclass(frozen=True)
class TensorInfo:
    """What the header says of one tensor."""

    dtype: str
    shape: tuple[int, ...]


def read_header(data: bytes, what: str) -> Mapping[str, TensorInfo]:
    """Name -> type and shape of each tensor in ``data``, the content of the file that ``what`` names.

    Raises:
        WeightsError: not a safetensors file, or its header does not describe the very bytes that follow it.
    """
    length = int.from_bytes(data[:_LENGTH], "little")
    if len(data) < _LENGTH or not 2 <= length <= min(_LARGEST_HEADER, len(data) - _LENGTH):
        raise WeightsError(f"{what} is not a safetensors file (its header does not fit); export it again.")
    try:
        header = json.loads(data[_LENGTH : _LENGTH + length])
        header.pop("__metadata__", None)
        places = sorted((*_span(value), name, _info(value)) for name, value in header.items())
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise WeightsError(f"{what} is not a safetensors file (its header cannot be read); export it again.") from error
    end = 0
    for start, stop, name, info in places:
        if start != end or stop - start != math.prod(info.shape) * _BYTES[info.dtype]:
            raise WeightsError(
                f"{what} is not a safetensors file ('{name}' is not where it should be); export it again."
            )
        end = stop
    if end != len(data) - _LENGTH - length:
        raise WeightsError(f"{what} is not a safetensors file (it is longer or shorter than it says); export it again.")
    return {name: info for _, _, name, info in places}


def _span(value: Mapping[str, Any]) -> tuple[int, int]:
    start, stop = value["data_offsets"]
    if type(start) is not int or type(stop) is not int:
        raise ValueError("offsets are whole numbers")
    return start, stop


def _info(value: Mapping[str, Any]) -> TensorInfo:
    shape = tuple(value["shape"])
    if value["dtype"] not in _BYTES or not all(type(side) is int and side >= 0 for side in shape):
        raise ValueError("no known dtype, or no shape")
    return TensorInfo(value["dtype"], shape)
