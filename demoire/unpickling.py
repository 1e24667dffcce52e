"""Reads the weights of a checkpoint and nothing else: ``python -m demoire.unpickling CHECKPOINT TARGET``.

Unpickling, even of weights only, is done in a process of its own, away from everything else.
"""

import pickle
import sys
from collections.abc import Mapping

import torch
from safetensors.torch import save_file
from torch import Tensor

#: The exit status where the checkpoint is none that holds weights only; the reason is written out.
REFUSED = 3
#: Under which keys checkpoints hold their weights, the averaged ones first.
_WRAPPERS = ("params_ema", "ema", "state_dict", "model_state_dict", "params", "model", "net", "network")
#: What training code puts before the names of the network's own parameters.
_PREFIXES = ("module.", "model.", "net.", "network.", "generator.", "_orig_mod.")


def weights_in(content: object) -> dict[str, Tensor]:
    """The network's own parameters in what ``torch.load`` gave: unwrapped, prefixes removed.

    Raises:
        ValueError: there are none.
    """
    while isinstance(content, Mapping) and not any(isinstance(value, Tensor) for value in content.values()):
        inner = next((content[key] for key in _WRAPPERS if isinstance(content.get(key), Mapping)), None)
        if inner is None:
            break
        content = inner
    if not isinstance(content, Mapping):
        raise ValueError("it holds no dictionary of tensors")
    state = {str(name): value for name, value in content.items() if isinstance(value, Tensor)}
    if not state:
        raise ValueError("it holds no dictionary of tensors")
    while prefix := next((p for p in _PREFIXES if all(name.startswith(p) for name in state)), ""):
        state = {name.removeprefix(prefix): value for name, value in state.items()}
    return {name: value.detach().cpu().contiguous().clone() for name, value in state.items()}


def main(checkpoint: str, target: str) -> int:
    """Reads weights only, writes safetensors; what is wrong is written out, with the status ``REFUSED``."""
    try:
        state = weights_in(torch.load(checkpoint, map_location="cpu", weights_only=True))
    except (pickle.UnpicklingError, RuntimeError, ValueError, EOFError, KeyError, AttributeError) as error:
        sys.stdout.write((str(error).strip() or type(error).__name__).splitlines()[0].rstrip("."))
        return REFUSED
    save_file(state, target)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
