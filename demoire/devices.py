"""Which device and floating type to use, how much memory there is, and what running out of it looks like."""

import gc
import os
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TypeVar, cast

import torch

from demoire.errors import DeviceError, UnknownNameError

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_OUT_OF_MEMORY_WORDS = ("out of memory", "can't allocate memory", "not enough memory", "cannot allocate memory")
# More than this makes no CPU faster, but each tile longer to wait for; less, and large pictures are computed twice.
_CPU_BUDGET, _CPU_BUDGET_PER_PIXEL = 1_600_000_000, 11
_SHARE = 0.6
Function = TypeVar("Function", bound=Callable[..., object])


def choose_device(name: str = "auto") -> torch.device:
    """The device called ``name`` ("cpu", "cuda", "cuda:1", "mps"); "auto" is the first of cuda, mps and cpu there.

    Raises:
        DeviceError: there is no such device here.
    """
    cuda, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if name == "auto":
        return torch.device("cuda" if cuda else "mps" if mps else "cpu")
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda", "mps") or (number and not number.isdecimal()):
        raise DeviceError(f"There is no device called '{name}'; use auto, cpu, cuda, cuda:1 or mps.")
    count = {"cpu": 1, "cuda": torch.cuda.device_count() if cuda else 0, "mps": int(mps)}[kind]
    if int(number or 0) >= count:
        raise DeviceError(f"The device '{name}' does not exist on this machine; use auto or cpu.")
    return torch.device(name)


def choose_dtype(name: str, preferred: str, device: torch.device) -> torch.dtype:
    """The floating type called ``name``; "auto" is what the model prefers on CUDA, and float32 elsewhere.

    Raises:
        UnknownNameError: another name.
    """
    if name == "auto":
        fast = device.type == "cuda" and (preferred != "bfloat16" or torch.cuda.is_bf16_supported())
        name = preferred if fast else "float32"
    if name not in DTYPES:
        raise UnknownNameError.nearest("floating type", name, [*DTYPES, "auto"])
    return DTYPES[name]


def memory_budget(device: torch.device, pixels: int = 0, capped: bool = True) -> int:
    """Bytes that a network's activations may take on ``device`` for a picture of ``pixels``: a share of what is free.

    On a CPU at most 1.6 GB and 11 bytes for each pixel: overlaps then cost about the same for pictures of any size.
    Not ``capped``, for networks that are to see the whole picture: the share alone.
    """
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int((free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)) * _SHARE)
    if device.type == "mps":
        return int((torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()) * _SHARE)
    share = int(_free_host_memory() * _SHARE)
    return min(share, _CPU_BUDGET + _CPU_BUDGET_PER_PIXEL * pixels) if capped else share


def _free_host_memory() -> int:
    """Free memory in bytes, within the limit of the control group (a container's) if any; Linux and macOS."""
    free = _CPU_BUDGET
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        values = dict(line.split(":", 1) for line in meminfo.read_text().splitlines() if ":" in line)
        free = int(values.get("MemAvailable", "0 kB").split()[0]) << 10
    elif "SC_AVPHYS_PAGES" in os.sysconf_names:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    group = Path("/sys/fs/cgroup")
    try:
        statistics = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        used = int((group / "memory.current").read_text()) - int(statistics["inactive_file"])
        return max(min(free, int((group / "memory.max").read_text()) - used), 0)
    except (OSError, ValueError, KeyError):
        return free


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` says that memory ran out: CUDA's own class, or the words of the other back ends."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _OUT_OF_MEMORY_WORDS)


def release(device: torch.device) -> None:
    """Gives memory that PyTorch keeps for later back to ``device``; on a CPU it keeps none."""
    if device.type in ("cuda", "mps"):
        gc.collect()
        (torch.cuda if device.type == "cuda" else torch.mps).empty_cache()


def on_zero_gpu(duration: Callable[..., int]) -> Callable[[Function], Function]:
    """Runs a function on a ZeroGPU Space, where there is one, for ``duration(its arguments)`` seconds."""

    def decorate(function: Function) -> Function:
        try:
            spaces = import_module("spaces")
        except ImportError:
            return function
        return cast(Function, spaces.GPU(duration=duration)(function))

    return decorate
