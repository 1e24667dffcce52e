"""Training of the recurrent network on drawn clips: what moves, what stays, resuming."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from demoire.errors import DataError
from demoire.models import build_model
from demoire.models.recurrent import Recurrent
from demoire.simulate.sequence import SequenceConfig
from demoire.training.loop import Precision, TrainOptions
from demoire.training.presets import Preset, find_preset
from demoire.training.sequence_loop import SequenceTrainer
from tests.test_recurrent import SMALL
from tests.tiny import blocks_store


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A content store of small pictures of coloured blocks."""
    return blocks_store(tmp_path_factory.mktemp("content"))


def small_preset() -> Preset:
    preset = replace(find_preset("rnn"), network=SMALL, sequences=SequenceConfig(video_share=0.0), frames=3, crop=32)
    return replace(preset, pool_slots=2, pool_size=48, warmup=2, steps=6, ema=0.9)


def options(content: Path, run: Path) -> TrainOptions:
    torch.manual_seed(4)
    cnn = build_model("unet", **vars(SMALL.look)).state_dict()
    cnn["head.bias"] += 0.02
    chosen = Precision(False, False)
    return TrainOptions(
        content, run, steps=6, renew=None, first_slots=2, validation=1, precision=chosen, init=(cnn,), save_minutes=0
    )


def test_the_mix_is_trained_and_the_cnn_is_not(content: Path, tmp_path: Path) -> None:
    given, preset = options(content, tmp_path), small_preset()
    trainer = SequenceTrainer(preset, given)
    assert isinstance(trainer.model, Recurrent)
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    reports = list(trainer.run())
    after = trainer.model.state_dict()
    assert reports[-1].step == 6 and reports[-1].gain is not None
    assert all(torch.equal(before[f"cnn.{name}"], value) for name, value in given.init[0].items())
    assert not torch.equal(after["head.weight"], before["head.weight"])
    assert torch.equal(after["cnn.head.weight"], before["cnn.head.weight"])
    resumed = SequenceTrainer(preset, given)
    assert resumed.progress.step == 6
    assert all(torch.equal(value, after[name]) for name, value in resumed.model.state_dict().items())


def test_later_weights_replace_the_cnn_alone(content: Path, tmp_path: Path) -> None:
    given = options(content, tmp_path)
    torch.manual_seed(9)
    whole = build_model("recurrent", **vars(SMALL)).state_dict()
    trainer = SequenceTrainer(small_preset(), replace(given, init=(whole, *given.init)))
    own = trainer.model.state_dict()
    assert torch.equal(own["stem.weight"], whole["stem.weight"])
    assert all(torch.equal(own[f"cnn.{name}"], value) for name, value in given.init[0].items())


def test_it_wants_a_cnn_and_clips(content: Path, tmp_path: Path) -> None:
    given = options(content, tmp_path)
    with pytest.raises(DataError, match="--init"):
        SequenceTrainer(small_preset(), replace(given, init=()))
    with pytest.raises(DataError, match="no clips"):
        SequenceTrainer(replace(small_preset(), sequences=None), given)
    with pytest.raises(DataError, match="another network"):
        SequenceTrainer(small_preset(), replace(given, init=(build_model("unet").state_dict(),)))
