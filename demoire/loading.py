"""From a model id to a network with its weights: safetensors only, strict, after checking the catalogue's hashes."""

import threading
from collections import OrderedDict
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import Tensor, nn

from demoire.catalog import WEIGHTS, find_model
from demoire.config import ModelConfig
from demoire.devices import choose_device
from demoire.entries import CONFIG_FILE, RESTORING, WEIGHTS_FILE, ModelEntry
from demoire.errors import UnknownNameError, WeightsError
from demoire.hub import Fetching, HubOptions, Resolved, Sources, read_verified
from demoire.models import Needs, build_model
from demoire.models.unet import macs_per_pixel
from demoire.picture import Notice
from demoire.tensorfile import TensorInfo, read_header

#: Bytes of weights that are kept in memory between calls, unless more are in use.
MEMORY = 512 << 20
#: The first try of a network: sides in pixels, rounded up to its multiple.
_TRIAL = (33, 47)
_FLOATS = ("F32", "F16", "BF16")


@dataclass(frozen=True)
class LoadedModel:
    """A network ready to run (``eval``, float32), what it needs, its catalogue entry, where the files came from.

    ``notice`` says why they did not come from where they should, else it is None.
    """

    module: nn.Module
    needs: Needs
    entry: ModelEntry
    origin: str
    notice: Notice | None = None

    @property
    def size(self) -> int:
        """Bytes that its weights take in memory."""
        return sum(tensor.numel() * tensor.element_size() for tensor in self.module.state_dict().values())


def load_model(
    model_id: str, device: str = "cpu", weights: Path = WEIGHTS, sources: Sources | None = None
) -> LoadedModel:
    """Builds the model's network and loads its weights onto ``device``; float16 weights become float32.

    Raises:
        UnknownNameError: no such model.
        WeightsError: a file cannot be had, differs from the catalogue's hash, or does not fit the network.
        DeviceError: no such device here.
    """
    entry = find_model(model_id, weights)
    target = choose_device(device)
    loaded = open_model((sources or Sources(weights)).resolve(entry))
    loaded.module.to(target)
    return loaded


def open_model(resolved: Resolved) -> LoadedModel:
    """Builds the network of a model whose files are at hand, on the CPU, and tries it on a tiny picture.

    Raises:
        WeightsError: the files are not as agreed, do not fit together, or the network gives nonsense.
    """
    entry = resolved.entry
    what = f"{CONFIG_FILE} of the model '{entry.id}'"
    config = ModelConfig.parse(read_verified(resolved, CONFIG_FILE), what)
    _check_same(config, entry, what)
    needs = Needs(**config.needs)
    data = read_verified(resolved, WEIGHTS_FILE)
    module = _build(config, entry.id, needs)
    _check_header(read_header(data, f"{WEIGHTS_FILE} of the model '{entry.id}'"), module, entry)
    module.load_state_dict(_read_weights(data, entry.id), strict=True, assign=True)
    module.eval().requires_grad_(False)
    _try(module, needs, entry)
    if not entry.macs_per_pixel:  # not in the line of a model that was added
        entry = replace(entry, macs_per_pixel=round(macs_per_pixel(module, inputs=needs.frames), 1))
    return LoadedModel(module, needs, entry, resolved.origin, resolved.notice)


def _check_same(config: ModelConfig, entry: ModelEntry, what: str) -> None:
    """The configuration must be that of the catalogue's line; added models may have been given another id."""
    expected = {"family": entry.family, "architecture": entry.architecture}
    if entry.bundled:
        expected["id"] = entry.id
    for key, value in expected.items():
        if getattr(config, key) != value:
            raise WeightsError(
                f"In {what} '{key}' is '{getattr(config, key)}' where the catalogue has '{value}'; export it again."
            )


def _build(config: ModelConfig, model_id: str, needs: Needs) -> nn.Module:
    """The network without memory for its weights, which are put in place later."""
    try:
        with torch.device("meta"):
            module = build_model(config.architecture, **config.fields)
    except (UnknownNameError, TypeError, ValueError, RuntimeError, ArithmeticError) as error:
        raise WeightsError(f"The configuration of the model '{model_id}' does not fit: {error}") from error
    own = module.needs
    if isinstance(own, Needs) and needs.tiling and not own.tiling:
        raise WeightsError(f"The model '{model_id}' claims that tiles give the same as the whole; export it again.")
    return module


def _check_header(header: Mapping[str, TensorInfo], module: nn.Module, entry: ModelEntry) -> None:
    """The file must hold exactly the network's tensors; compared before any of them is read."""
    expected = {name: (tuple(t.shape), t.is_floating_point()) for name, t in module.state_dict().items()}
    for name in sorted(set(expected) ^ set(header)):
        has = "lack" if name in expected else "have"
        raise WeightsError(
            f"The weights of the model '{entry.id}' do not fit its architecture '{entry.architecture}': they {has} "
            f"'{name}'; export the model again."
        )
    for name, found in header.items():
        shape, floating = expected[name]
        if found.shape != shape or (found.dtype in _FLOATS) != floating:
            raise WeightsError(
                f"The weights of the model '{entry.id}' do not fit its architecture '{entry.architecture}': '{name}' "
                f"is {found.dtype} {list(found.shape)} where it should be {list(shape)}; export the model again."
            )


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


@torch.inference_mode()
def _try(module: nn.Module, needs: Needs, entry: ModelEntry) -> None:
    """A first forward: a network that fails, or gives values that are no numbers, is better found now."""
    height, width = (-(-side // needs.size_multiple) * needs.size_multiple for side in _TRIAL)
    picture = torch.linspace(0, 1, 3 * height * width).reshape(1, 3, height, width)
    try:
        output = module(*[picture] * needs.frames)
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        raise WeightsError(f"The model '{entry.id}' fails on a small picture; choose another model.") from error
    if entry.family not in RESTORING:
        return
    if not isinstance(output, Tensor) or output.shape != picture.shape or not torch.isfinite(output).all():
        raise WeightsError(
            f"The model '{entry.id}' does not give a picture of the same size with finite values; choose another model."
        )


@dataclass
class _Place:
    """A model's place in memory: its lock, the model once it is loaded, and how many use it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    model: LoadedModel | None = None
    users: int = 0


class ModelCache:
    """Keeps models in memory, so that pictures share one; safe to use from several threads.

    What was used longest ago goes first once all take more than ``budget`` bytes, but never what is in use.
    """

    def __init__(self, weights: Path = WEIGHTS, budget: int = MEMORY, options: HubOptions | None = None) -> None:
        self.weights = weights
        self.sources = Sources(weights, options)
        self._budget = budget
        self._places: OrderedDict[str, _Place] = OrderedDict()
        self._lock = threading.Lock()

    def fetch(self, model_id: str) -> Generator[Fetching, None, None]:
        """Gets the model's files from the Hub if they are to come from there; closing it cancels. Loads nothing.

        Raises:
            UnknownNameError, WeightsError: as ``find_model``.
        """
        with self._lock:
            place = self._places.get(model_id)
        if place is None or place.model is None:
            yield from self.sources.fetch(find_model(model_id, self.weights))

    @contextmanager
    def using(self, model_id: str) -> Iterator[LoadedModel]:
        """The model on the CPU, loaded at its first use, once for all who ask; it stays while it is used.

        Raises:
            As ``load_model``.
        """
        with self._lock:
            place = self._places.setdefault(model_id, _Place())
            self._places.move_to_end(model_id)
            place.users += 1
        try:
            with place.lock:
                if place.model is None:
                    place.model = load_model(model_id, weights=self.weights, sources=self.sources)
            self._shrink()
            yield place.model
        finally:
            with self._lock:
                place.users -= 1
            self._shrink()

    def get(self, model_id: str) -> LoadedModel:
        """As ``using``, for a moment."""
        with self.using(model_id) as model:
            return model

    def _shrink(self) -> None:
        with self._lock:
            sizes = {name: place.model.size if place.model else 0 for name, place in self._places.items()}
            over = sum(sizes.values()) - self._budget
            for name, size in sizes.items():
                place = self._places[name]
                if not place.users and (over > 0 or place.model is None):
                    del self._places[name]
                    over -= size

    def __reduce__(self) -> tuple[type["ModelCache"], tuple[Path, int, HubOptions]]:
        """Travels to another process without the models."""
        return ModelCache, (self.weights, self._budget, self.sources.options)
