"""Pictures in which a network finds nothing to do come back as they are."""

from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from demoire import run as running
from demoire.errors import CancelledError
from demoire.evidence import LOOK, find_evidence, in_doubt
from demoire.loading import ModelCache
from demoire.models.recurrent import Recurrent, RecurrentConfig
from demoire.models.unet import UNet, UNetConfig
from demoire.picture import Picture
from demoire.restore import LookedOver, Restored, RestoreOptions, restore
from demoire.stop import Stop

CPU = torch.device("cpu")
RNG = np.random.default_rng(3)


def picture(height: int = 200, width: int = 300, dtype: type = np.uint8) -> Picture:
    return Picture(RNG.integers(0, np.iinfo(dtype).max + 1, (height, width, 3)).astype(dtype), name="photo.png")


class Seeing:
    """Finds in a square what ``told`` says of it; remembers the squares."""

    def __init__(self, told: Callable[[Tensor], float]) -> None:
        self._told = told
        self.seen: list[tuple[int, ...]] = []

    def evidence(self, x: Tensor) -> Tensor:
        self.seen.append(tuple(x.shape))
        return torch.tensor([self._told(x)])


def look(events: Generator[LookedOver, None, float]) -> tuple[float, list[float]]:
    """What was found, and how much of the picture was looked over each time that was told."""
    told = []
    while True:
        try:
            told.append(next(events).share)
        except StopIteration as end:
            return end.value, told


def doubtful(monkeypatch: pytest.MonkeyPatch, evidence: float) -> None:
    monkeypatch.setattr(UNet, "evidence", lambda self, x: x.new_full((len(x),), evidence))


def restored(source: Picture, weights: Path, sure: bool = False, tile: int | None = None) -> Restored:
    options = RestoreOptions(model="tiny", device="cpu", sure=sure, tile=tile)
    *_, last = restore(source, options, ModelCache(weights=weights))
    assert isinstance(last, Restored)
    return last


def test_one_square_is_enough_where_it_proves_it() -> None:
    network = Seeing(lambda x: 1.0)
    assert look(find_evidence(network, picture(1500, 1100), 32, CPU, Stop())) == (1, [])
    assert network.seen == [(1, 3, LOOK, LOOK)]


def test_all_of_a_picture_is_looked_at_for_the_best_proof() -> None:
    source = picture(1500, 1100)
    source.pixels[...] = 0
    source.pixels[-1, -1] = 128
    network = Seeing(lambda x: float(x.max()))
    found, told = look(find_evidence(network, source, 32, CPU, Stop()))
    assert found == pytest.approx(128 / 255)
    assert told == pytest.approx([done / 9 for done in range(1, 10)])
    assert len(network.seen) == 9  # 3 x 3 squares of 512 px cover it


def test_small_pictures_are_looked_at_whole() -> None:
    network = Seeing(lambda x: 0.0)
    assert look(find_evidence(network, picture(33, 500), 32, CPU, Stop())) == (0, [1])
    assert network.seen == [(1, 3, 64, LOOK)]


def test_looking_can_be_cancelled() -> None:
    asked = iter([False, True])
    with pytest.raises(CancelledError):
        look(
            find_evidence(UNet(UNetConfig(doubt=1)), picture(700, 700), 32, CPU, Stop(None, lambda: next(asked, True)))
        )


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("tile", [None, 140])
def test_without_any_evidence_every_value_stays_and_that_is_said(
    weights: Path, monkeypatch: pytest.MonkeyPatch, dtype: type, tile: int | None
) -> None:
    source = picture(dtype=dtype)
    doubtful(monkeypatch, 0.0)
    last = restored(source, weights, tile=tile)
    assert np.array_equal(last.picture.pixels, source.pixels) and last.picture.pixels.dtype == dtype
    assert [notice.code for notice in last.notices] == ["no_moire"]


def test_who_is_sure_gets_what_the_network_makes_of_it(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = picture()
    undoubted = restored(source, weights)
    assert not np.array_equal(undoubted.picture.pixels, source.pixels) and undoubted.notices == ()
    doubtful(monkeypatch, 0.0)
    sure = restored(source, weights, sure=True)
    assert np.array_equal(sure.picture.pixels, undoubted.picture.pixels) and sure.notices == ()


def test_half_a_proof_makes_half_the_change(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = picture()
    whole = restored(source, weights).picture.pixels.astype(float)
    doubtful(monkeypatch, 0.5)
    half = restored(source, weights)
    changed = (whole > 0) & (whole < 255)  # beyond that the network's own values are not known
    middle = (whole + source.pixels) / 2
    assert np.abs(half.picture.pixels - middle)[changed].max() <= 1 and half.notices == ()


def test_a_network_of_which_nothing_is_wanted_is_not_opened() -> None:
    def refuse() -> Callable[[Tensor], Tensor]:
        raise AssertionError

    image = torch.rand(1, 3, 8, 8)
    assert in_doubt(refuse, 0.0)()(image) is image


def test_a_device_without_memory_leaves_the_question_to_the_cpu(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def find(
        network: object, source: Picture, multiple: int, device: torch.device, stop: Stop
    ) -> Generator[LookedOver, None, float]:
        yield LookedOver(0.5)
        asked.append(device.type)
        if device.type != "cpu":
            raise torch.cuda.OutOfMemoryError
        return 0.25

    monkeypatch.setattr(running, "find_evidence", find)
    monkeypatch.setattr(running, "_on", lambda module, device: module)
    monkeypatch.setattr(running, "release", lambda device: asked.append("released"))
    network = UNet(UNetConfig())
    assert look(running._evidence(network, picture(), 16, torch.device("cuda"), Stop())) == (0.25, [0.5, 0.5])
    assert asked == ["cuda", "released", "cpu"]


def test_networks_without_an_opinion_are_not_asked() -> None:
    assert look(running._evidence(torch.nn.Conv2d(3, 3, 1), picture(), 1, CPU, Stop())) == (1, [])


def test_a_recurrent_network_asks_its_cnn() -> None:
    network = Recurrent(RecurrentConfig(look=UNetConfig(doubt=1)))
    image = torch.rand(2, 3, 64, 64)
    assert torch.equal(network.evidence(image), network.cnn.evidence(image))
    sure = Recurrent(replace(network.config, look=UNetConfig()))
    assert sure.evidence(image).tolist() == [1, 1]
