"""From a model id to a network with its weights: safetensors only, strict, checked against the catalogue's hashes first."""

from dataclasses import dataclass
from pathlib import Path

from torch import nn

from demoire.catalog import WEIGHTS, ModelEntry
from demoire.models.base import Needs


@dataclass(frozen=True)
class LoadedModel:
    """A network ready to run (``eval`` mode, float32), what it needs, its catalogue entry, and where the files came from."""

    module: nn.Module
    needs: Needs
    entry: ModelEntry
    origin: str


def load_model(model_id: str, device: str = "cpu", weights: Path = WEIGHTS) -> LoadedModel:
    """Builds the model's network and loads its weights onto ``device``; float16 weights become float32.

    Raises:
        UnknownNameError: no such model, architecture or field.
        WeightsError: a file is missing, differs from the catalogue's hash, or does not fit the network.
        DeviceError: no such device here.
    """
    raise NotImplementedError


class ModelCache:
    """Keeps the last ``size`` models in memory, so that several pictures share one; safe to use from several threads."""

    def __init__(self, size: int = 2, weights: Path = WEIGHTS) -> None:
        raise NotImplementedError

    def get(self, model_id: str) -> LoadedModel:
        """The model on the CPU, loaded at its first use; raises as ``load_model``."""
        raise NotImplementedError
