"""Training state on disk: safetensors shards and one JSON file, written beside the old state and then swapped in."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from demoire.errors import DataError

SHARD_BYTES = 15_000_000


@dataclass(frozen=True)
class Progress:
    """Where a training stands: steps done, seconds spent, the best validation so far (gain in dB)."""

    step: int = 0
    seconds: float = 0.0
    best_gain: float = float("-inf")


def collect(model: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """All tensors of a training by flat names."""
    tensors = {f"model.{k}": v for k, v in model.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in average.state_dict().items()}
    return own_copies(tensors | optimizer_tensors(optimizer, "optimizer."))


def own_copies(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors on the CPU, sharing no memory."""
    return {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}


def optimizer_tensors(optimizer: torch.optim.Optimizer, prefix: str) -> dict[str, Tensor]:
    """The state of an optimiser by flat names."""
    tensors: dict[str, Tensor] = {}
    for index, slots in optimizer.state_dict()["state"].items():
        tensors |= {f"{prefix}{index}.{name}": torch.as_tensor(value) for name, value in slots.items()}
    return tensors


def _shards(tensors: dict[str, Tensor]) -> list[dict[str, Tensor]]:
    shards: list[dict[str, Tensor]] = [{}]
    size = 0
    for name, tensor in tensors.items():
        if shards[-1] and size + tensor.nbytes > SHARD_BYTES:
            shards.append({})
            size = 0
        shards[-1][name] = tensor
        size += tensor.nbytes
    return shards


def save(folder: Path, tensors: dict[str, Tensor], progress: Progress, settings: dict[str, object]) -> None:
    """Writes ``folder``; whatever happens, either the old state or the new one is there whole.

    Raises:
        DataError: the disk is full or not writable; the old state stays.
    """
    part, old = folder.with_name(folder.name + ".part"), folder.with_name(folder.name + ".old")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        for number, shard in enumerate(_shards(tensors)):
            save_file(shard, part / f"state-{number:03}.safetensors")
        (part / "progress.json").write_text(json.dumps({"progress": vars(progress), "settings": settings}, indent=1))
        shutil.rmtree(old, ignore_errors=True)
        if folder.exists():
            folder.replace(old)
        part.replace(folder)
        shutil.rmtree(old, ignore_errors=True)
    except (OSError, SafetensorError) as error:
        raise DataError(
            f"The checkpoint {folder} cannot be written ({error}); the last one stays. Free some disk."
        ) from error


def load(folder: Path) -> tuple[dict[str, Tensor], Progress, dict[str, object]] | None:
    """Reads what ``save`` wrote; None where there is nothing yet.

    Raises:
        DataError: the checkpoint is damaged.
    """
    for candidate in (folder, folder.with_name(folder.name + ".old")):
        if (candidate / "progress.json").exists():
            try:
                tensors: dict[str, Tensor] = {}
                for shard in sorted(candidate.glob("state-*.safetensors")):
                    tensors |= load_file(shard)
                record = json.loads((candidate / "progress.json").read_text())
                return tensors, Progress(**record["progress"]), record["settings"]
            except (OSError, ValueError, SafetensorError, TypeError, KeyError) as error:
                raise DataError(f"The checkpoint {candidate} is damaged ({error}); delete it to begin anew.") from error
    return None


def restore(tensors: dict[str, Tensor], model: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Puts loaded tensors back; strict."""

    model.load_state_dict(under(tensors, "model."))
    average.load_state_dict(under(tensors, "average."))
    restore_optimizer(tensors, optimizer, "optimizer.")


def under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with ``prefix``, without it."""
    return {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}


def restore_optimizer(tensors: dict[str, Tensor], optimizer: torch.optim.Optimizer, prefix: str) -> None:
    """Puts the state of an optimiser back."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in under(tensors, prefix).items():
        index, slot = name.split(".", 1)
        state.setdefault(int(index), {})[slot] = tensor
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})
