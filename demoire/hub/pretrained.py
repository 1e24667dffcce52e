"""Models as the ecosystem knows them: from_pretrained, save_pretrained, push_to_hub; strict and without pickle."""

import tempfile
from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Self

from safetensors.torch import save
from torch import Tensor, nn

from demoire.additions import describe_folder, local_entry
from demoire.config import ModelConfig
from demoire.entries import CARD_FILE, CONFIG_FILE, MODEL_FILES, WEIGHTS_FILE, check_repo
from demoire.errors import OutputError, WeightsError
from demoire.hub.fetch import Fetch, Fetched, FetchFailure, HubOptions, Order
from demoire.hub.publishing import Published, check_folder, plain_card, publish
from demoire.hub.sources import Resolved, read_verified
from demoire.loading import open_model
from demoire.models import Needs
from demoire.strict import read_bytes


class DemoireModel(nn.Module):
    """A network with the configuration and the card that it is kept with.

    Attributes:
        network: the network itself; ``forward`` hands on to it.
        config: what ``config.json`` holds.
        card: the text of README.md.
    """

    def __init__(self, network: nn.Module, config: ModelConfig, card: str) -> None:
        super().__init__()
        self.network = network
        self.config = config
        self.card = card

    @property
    def needs(self) -> Needs:
        """What the network asks of whoever runs it."""
        return Needs(**self.config.needs)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) sRGB in [0, 1], sides multiples of ``needs.size_multiple``, to the same shape, not clipped."""
        result: Tensor = self.network(x)
        return result

    @classmethod
    def from_pretrained(
        cls, repo_or_dir: str | Path, *, revision: str | None = None, options: HubOptions | None = None
    ) -> Self:
        """Opens a folder, or ``owner/name`` on the Hub at ``revision`` (a commit, tag or branch; default: main).

        Every tensor must be there and fit, nothing else may be; on the CPU, float32, ``eval``.

        Raises:
            WeightsError: it cannot be had, is not as agreed, or does not fit.
        """
        folder = Path(repo_or_dir)
        if not folder.is_dir():
            folder = _download(str(repo_or_dir), revision or "main", options or HubOptions.from_environment())
            entry = describe_folder(folder, str(repo_or_dir).rpartition("/")[2])
        else:
            entry = local_entry(folder)
        resolved = Resolved(entry, folder, "local")
        config = ModelConfig.parse(read_verified(resolved, CONFIG_FILE), f"{CONFIG_FILE} in '{folder}'")
        card = folder / CARD_FILE
        text = read_bytes(card, CARD_FILE).decode("utf-8", "replace") if card.is_file() else ""
        return cls(open_model(resolved).module, config, text).eval()

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes config.json, model.safetensors and README.md.

        Raises:
            OutputError: the folder cannot be written.
        """
        folder = Path(folder)
        state = {name: tensor.detach().cpu().contiguous() for name, tensor in self.network.state_dict().items()}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / CONFIG_FILE).write_bytes(self.config.to_bytes())
            (folder / WEIGHTS_FILE).write_bytes(save(state))
            entry = replace(describe_folder(folder, self.config.id), licence="unknown")
            card = self.card or plain_card(entry, [], "Fill in what it is for, its data and its licence.")
            (folder / CARD_FILE).write_text(card, encoding="utf-8")
        except OSError as error:
            raise OutputError(f"'{folder}' cannot be written ({error.strerror}); choose another folder.") from error

    def push_to_hub(self, repo_id: str, *, private: bool = False, token: str | None = None) -> Published:
        """Publishes the model as ``owner/name``; the result tells the commit.

        Raises:
            WeightsError: the card is not complete, or the model does not pass its checks.
            OutputError: the Hub does not take it, and why.
        """
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place, self.config.id)
            self.save_pretrained(folder)
            return publish(check_folder(folder), repo_id, private=private, token=token)


def _download(repo: str, revision: str, options: HubOptions) -> Path:
    check_repo(repo, "from_pretrained")
    files = dict.fromkeys((*MODEL_FILES, CARD_FILE), options.largest)
    fetch = Fetch(Order(repo, repo, revision, files, None, options.only_answer, optional=(CARD_FILE,)), options)
    fetch.join()
    deque(fetch.watch(), maxlen=0)
    match fetch.outcome:
        case Fetched(_, folder):
            return folder
        case FetchFailure(text):
            raise WeightsError(f"The model {repo} cannot be fetched: {text}.")
    raise WeightsError(f"The model {repo} cannot be fetched; try again.")
