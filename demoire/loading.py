"""From a model id to a network with its weights: safetensors only, strict, after checking the catalogue's hashes."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import Tensor, nn

from demoire.catalog import WEIGHTS, ModelEntry, find_model
from demoire.devices import choose_device
from demoire.errors import UnknownNameError, WeightsError
from demoire.hub import read_verified, resolve
from demoire.models import Needs, build_model
from demoire.strict import Schema, check, read_json

CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"
_FORMAT = 1
_CONFIG: Schema = {"format": int, "id": str, "family": str, "architecture": str, "fields": dict, "needs": dict}
_NEEDS: Schema = {
    "size_multiple": int,
    "receptive_field": int,
    "halo": int,
    "tiling": bool,
    "frames": int,
    "dtype": str,
}


@dataclass(frozen=True)
class LoadedModel:
    """A network ready to run (``eval``, float32), what it needs, its catalogue entry, where the files came from."""

    module: nn.Module
    needs: Needs
    entry: ModelEntry
    origin: str


def load_model(model_id: str, device: str = "cpu", weights: Path = WEIGHTS) -> LoadedModel:
    """Builds the model's network and loads its weights onto ``device``; float16 weights become float32.

    Raises:
        UnknownNameError: no such model.
        WeightsError: a file is missing, differs from the catalogue's hash, or does not fit the network.
        DeviceError: no such device here.
    """
    entry = find_model(model_id, weights)
    target = choose_device(device)
    resolved = resolve(entry, weights)
    config, needs = _read_config(read_verified(resolved, entry, CONFIG_FILE), entry)
    state = _read_weights(read_verified(resolved, entry, WEIGHTS_FILE), entry.id)
    module = _build(config, entry.id)
    try:
        module.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise WeightsError(
            f"The weights of the model '{entry.id}' do not fit its architecture '{entry.architecture}'; "
            "export the model again."
        ) from error
    module.eval().requires_grad_(False)
    return LoadedModel(module.to(target), needs, entry, resolved.origin)


def _read_config(data: bytes, entry: ModelEntry) -> tuple[dict[str, Any], Needs]:
    what = f"{CONFIG_FILE} of the model '{entry.id}'"
    config = read_json(data, what)
    check(config, _CONFIG, what)
    check(config["needs"], _NEEDS, f"{what}, needs,")
    expected = {"format": _FORMAT, "id": entry.id, "family": entry.family, "architecture": entry.architecture}
    for key, value in expected.items():
        if config[key] != value:
            raise WeightsError(
                f"In {what} '{key}' is '{config[key]}' where the catalogue has '{value}'; export it again."
            )
    needs = Needs(**config["needs"])
    if needs.size_multiple < 1 or needs.halo < 0 or needs.receptive_field < needs.halo or needs.frames < 1:
        raise WeightsError(f"In {what} the sizes in 'needs' do not fit together; export the model again.")
    return config, needs


def _build(config: dict[str, Any], model_id: str) -> nn.Module:
    try:
        return build_model(config["architecture"], **config["fields"])
    except (UnknownNameError, TypeError, ValueError) as error:
        raise WeightsError(f"The configuration of the model '{model_id}' does not fit: {error}") from error


def _read_weights(data: bytes, model_id: str) -> dict[str, Tensor]:
    try:
        state = load_safetensors(data)
    except (SafetensorError, ValueError, RuntimeError) as error:
        raise WeightsError(
            f"The weights of the model '{model_id}' are not a safetensors file; export it again."
        ) from error
    for name, tensor in state.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise WeightsError(f"The weights '{name}' of the model '{model_id}' are not finite; export it again.")
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in state.items()}


class ModelCache:
    """Keeps the last ``size`` models in memory, so that pictures share one; safe to use from several threads."""

    def __init__(self, size: int = 2, weights: Path = WEIGHTS) -> None:
        self.weights = weights
        self._size = size
        self._models: OrderedDict[str, LoadedModel] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, model_id: str) -> LoadedModel:
        """The model on the CPU, loaded at its first use; raises as ``load_model``."""
        with self._lock:
            if model_id not in self._models:
                self._models[model_id] = load_model(model_id, weights=self.weights)
            self._models.move_to_end(model_id)
            while len(self._models) > self._size:
                self._models.popitem(last=False)
            return self._models[model_id]

    def __reduce__(self) -> tuple[type["ModelCache"], tuple[int, Path]]:
        """Travels to another process without the models."""
        return ModelCache, (self._size, self.weights)
