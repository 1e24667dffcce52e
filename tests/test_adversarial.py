"""Generator against discriminator: the games' closed forms, what is shown as fake, phases, resuming."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from demoire.errors import DataError
from demoire.models import build_model
from demoire.models.discriminator import Discriminator, DiscriminatorConfig, probability
from demoire.models.unet import UNetConfig
from demoire.perceptual import STACKS, Lpips
from demoire.training.adversarial import GAMES, Adversarial, Opponent
from demoire.training.adversarial_loop import AdversarialTrainer
from demoire.training.fakes import NOISE, disguise
from demoire.training.loop import Precision, Trainer, TrainOptions
from demoire.training.presets import find_preset
from demoire.training.tasks import Judging
from tests.tiny import blocks_store

SMALL = DiscriminatorConfig(channels=(4, 6, 8), hidden=5)
NETWORK = UNetConfig(channels=(4, 8), encoder_blocks=(0, 1), decoder_blocks=(1,), context_blocks=1)


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with VGG16 features of random values, near zero."""
    folder = tmp_path_factory.mktemp("perceptual")
    torch.manual_seed(2)
    network = Lpips(STACKS["vgg16"])
    for head in network.heads:
        torch.nn.init.uniform_(head)
    save_file({name: value * 0.5 for name, value in network.state_dict().items()}, folder / "vgg16.safetensors")
    return folder


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A content store of small pictures of coloured blocks."""
    return blocks_store(tmp_path_factory.mktemp("content"))


def small_preset(**changes: object):
    settings = replace(Adversarial(discriminator=SMALL, penalty_every=2), **changes)
    preset = replace(find_preset("gan"), network=NETWORK, adversarial=settings, crop=32, batch=4, pool_slots=4)
    return replace(preset, pool_size=48, warmup=2, steps=10, ema=0.9)


def options(content: Path, run: Path, features: Path | None) -> TrainOptions:
    return TrainOptions(
        content,
        run,
        steps=10,
        renew=None,
        first_slots=4,
        validation=2,
        precision=Precision(False, False),
        perceptual=features,
    )


def test_games_are_balanced_where_both_look_alike() -> None:
    zero = torch.zeros(3, 1, 2, 2)
    for name, expected in {"hinge": 2.0, "relativistic": math.log(2), "plain": 2 * math.log(2)}.items():
        assert GAMES[name](zero, zero)[0].mean().item() == pytest.approx(expected)


@pytest.mark.parametrize("name", GAMES)
def test_games_pull_in_opposite_directions(name: str) -> None:
    real, fake = torch.full((1, 1, 1, 1), 0.3, requires_grad=True), torch.full((1, 1, 1, 1), -0.2, requires_grad=True)
    discriminator, generator = GAMES[name](real, fake)
    of_real, of_fake = torch.autograd.grad(discriminator.sum(), (real, fake))
    assert of_real < 0 < of_fake
    assert torch.autograd.grad(generator.sum(), fake)[0] < 0


def test_discriminator_judges_patches() -> None:
    model = build_model("discriminator", channels=(4, 6, 8), hidden=5)
    assert isinstance(model, Discriminator)
    picture = torch.rand(2, 3, 64, 48)
    logits = model(picture, picture)
    assert logits.shape == (2, 1, 8, 6)
    assert ((probability(logits) > 0) & (probability(logits) < 1)).all()
    radius = model.needs.receptive_field
    far = picture.clone()
    far[..., radius + 8 :] = 0
    assert torch.equal(model(far, far)[..., 0], logits[..., 0])
    assert not torch.equal(model(far, far)[..., -1], logits[..., -1])


def test_a_discriminator_learns_to_tell_and_keeps_its_word_on_equal_pictures(features: Path) -> None:
    torch.manual_seed(0)
    settings = Adversarial(discriminator=SMALL, gradient_penalty=0.1)
    opponent = Opponent(settings, build_model("unet", **vars(NETWORK)), features, 3e-3, torch.device("cpu"))
    clean = torch.rand(4, 3, 1, 1).expand(4, 3, 32, 32) * 0.6 + 0.2
    moire = clean + (torch.arange(32) % 4 < 2).float() * 0.1 - 0.05
    for step in range(60):
        opponent.learn(moire, moire, clean, step, 3e-3)
    with torch.no_grad():
        assert (probability(opponent.network(clean, moire)) > probability(opponent.network(moire, moire))).all()


@pytest.mark.parametrize("settings", [Adversarial(SMALL, gradient_penalty=0.0), Adversarial(SMALL, penalty_every=1)])
def test_nothing_is_learnt_of_pictures_without_moire(settings: Adversarial, features: Path) -> None:
    opponent = Opponent(settings, build_model("unet", **vars(NETWORK)), features, 1e-3, torch.device("cpu"))
    opponent.optimizer.param_groups[0]["weight_decay"] = 0.0
    clean = torch.rand(4, 3, 32, 32)
    before = [p.detach().clone() for p in opponent.network.parameters()]
    opponent.learn(clean, clean, clean, 1, 1e-3)
    assert opponent.loss == 0
    if settings.penalty_every > 1:  # not penalised at this step
        assert all(torch.equal(a, b) for a, b in zip(before, opponent.network.parameters(), strict=True))


def test_fakes_are_of_several_kinds(features: Path) -> None:
    first, average = (build_model("unet", **vars(NETWORK)) for _ in range(2))
    with torch.no_grad():
        average.head.bias.fill_(0.2)
        average.gate.bias.fill_(9.0)
    opponent = Opponent(Adversarial(discriminator=SMALL), first, features, 1e-3, torch.device("cpu"))
    moire, clean, restored = torch.full((4, 3, 32, 32), 0.3), torch.rand(4, 3, 32, 32), torch.full((4, 3, 32, 32), 0.9)
    seen = torch.cat([opponent.fakes(restored, average, moire, clean, step) for step in range(60)])
    means = [round(float(fake.mean()), 2) for fake in seen]
    # Of the present, the averaged and the first generator (which changes nothing), or the photo itself.
    assert {0.9, 0.5, 0.3} <= set(means)
    assert any(0.55 < mean < 0.85 for mean in means)  # between photo and result
    blurred = [fake for fake in seen if 0.01 < float(fake.std()) < 0.7 * float(clean.std())]
    assert 0.03 < len(blurred) / len(seen) < 0.2


def test_real_and_fake_are_disguised_alike() -> None:
    real, fake = torch.rand(6, 3, 48, 48) * 0.8 + 0.1, torch.full((6, 3, 48, 48), 0.5)
    own, other = disguise(real, fake, torch.Generator().manual_seed(5))
    for picture in (own, other):
        assert torch.equal((picture * 255).round() / 255, picture)
    noise = torch.stack([(own - real).std((1, 2, 3)), (other - fake).std((1, 2, 3))])
    assert torch.allclose(noise[0], noise[1], rtol=0.1, atol=4e-4)
    assert float(noise.max()) <= NOISE * 1.1
    assert float(noise[0].max() / noise[0].min()) > 2
    again = disguise(real, fake, torch.Generator().manual_seed(5))
    assert torch.equal(own, again[0])
    assert torch.equal(other, again[1])


def test_the_generator_begins_without_its_opponent(content: Path, features: Path, tmp_path: Path) -> None:
    trainer = AdversarialTrainer(small_preset(warm_up=0.5, weight=1.0), options(content, tmp_path, features))
    opposed = []
    measured = trainer._opponent.generator_loss

    def generator_loss(restored: torch.Tensor, moire: torch.Tensor, clean: torch.Tensor, asked: bool) -> torch.Tensor:
        opposed.append(asked)
        return measured(restored, moire, clean, asked)

    trainer._opponent.generator_loss = generator_loss
    networks = (trainer.model, trainer._opponent.network)
    before = [[p.detach().clone() for p in network.parameters()] for network in networks]
    for step in range(10):
        trainer.step()
        trainer.progress = replace(trainer.progress, step=step + 1)
    assert opposed == [False] * 5 + [True] * 5
    for network, earlier in zip(networks, before, strict=True):
        assert any(not torch.equal(a, b) for a, b in zip(network.parameters(), earlier, strict=True))


def test_features_are_taken_of_pictures_with_moire_alone(features: Path) -> None:
    opponent = Opponent(
        Adversarial(discriminator=SMALL, perceptual_weight=1.0, perceptual_pictures=1),
        build_model("unet", **vars(NETWORK)),
        features,
        1e-3,
        torch.device("cpu"),
    )
    torch.manual_seed(3)
    clean = torch.rand(4, 3, 32, 32)
    restored = (clean + 0.1).clamp(0, 1)
    assert opponent.generator_loss(restored, clean, clean, opposed=False) == 0
    one, all_ = clean.clone(), clean + 0.05
    one[2] += 0.05
    of_one, of_all = (opponent.generator_loss(restored, moire, clean, opposed=False) for moire in (one, all_))
    # Each picture counts alike, however many are looked at.
    assert of_one == pytest.approx(float(of_all) / 4, rel=0.3)
    assert of_one > 0


def test_interrupted_training_ends_at_the_same_weights(content: Path, features: Path, tmp_path: Path) -> None:
    whole = AdversarialTrainer(small_preset(), options(content, tmp_path / "a", features))
    list(whole.run())
    part = AdversarialTrainer(small_preset(), options(content, tmp_path / "b", features))
    for _ in range(5):
        part.step()
        part.progress = replace(part.progress, step=part.progress.step + 1)
    part.save()
    resumed = AdversarialTrainer(small_preset(), options(content, tmp_path / "b", features))
    assert resumed.progress.step == 5
    list(resumed.run())
    first, second = whole._tensors(), resumed._tensors()
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


def test_what_is_missing_is_said(content: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="lpips-weights"):
        AdversarialTrainer(small_preset(), options(content, tmp_path, None))
    with pytest.raises(DataError, match="no discriminator"):
        AdversarialTrainer(find_preset("cnn"), options(content, tmp_path, None))


def test_judging_prefers_what_is_told_to_be_clean() -> None:
    class Same(Discriminator):
        def forward(self, candidate: torch.Tensor, moire: torch.Tensor) -> torch.Tensor:
            return (candidate - moire).abs().mean((1, 2, 3))[:, None, None, None]

    from demoire.simulate.capture import Captures

    captures = [Captures(torch.zeros(1, 3, 8, 8), torch.ones(1, 3, 8, 8), torch.zeros(1, 1, 8, 8))] * 3
    assert Judging().score(Same(SMALL), captures) == 1


def test_collapse_is_told_and_the_last_sound_state_kept(content: Path, features: Path, tmp_path: Path) -> None:
    trainer = AdversarialTrainer(small_preset(warm_up=0.0), options(content, tmp_path, features))
    trainer.step()
    sound = trainer.validate()
    trainer.progress = replace(trainer.progress, step=1, best_gain=sound)
    kept = {name: value.clone() for name, value in trainer.average.state_dict().items()}
    with torch.no_grad():
        trainer.average.head.bias.add_(0.5)
        trainer.average.gate.bias.add_(9.0)
    with pytest.raises(DataError, match="collapsed by step 1: validation fell"):
        trainer.validate()
    assert all(torch.equal(value, trainer.average.state_dict()[name]) for name, value in kept.items())
    trainer._loss = 0.001
    with pytest.raises(DataError, match="tells every result"):
        trainer.validate()


def test_a_discriminator_is_trained_against_the_bundled_generators(content: Path, tmp_path: Path) -> None:
    preset = replace(find_preset("discriminator"), network=SMALL, crop=32, batch=4, pool_slots=4, pool_size=48)
    trainer = Trainer(replace(preset, warmup=2, learning_rate=1e-3), options(content, tmp_path, None))
    before = [p.detach().clone() for p in trainer.average.parameters()]
    reports = list(trainer.run())
    assert reports[-1].step == 10
    assert reports[-1].gain is not None
    assert any(not torch.equal(a, b) for a, b in zip(trainer.average.parameters(), before, strict=True))


def test_judging_learns_to_tell_bands_from_none() -> None:
    torch.manual_seed(0)
    model = Discriminator(SMALL)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    clean = torch.rand(4, 3, 1, 1).expand(4, 3, 32, 32) * 0.6 + 0.2
    moire = clean + (torch.arange(32) % 4 < 2).float() * 0.1 - 0.05
    assert Judging().loss(model, clean, clean) == 0
    for _ in range(80):
        optimizer.zero_grad()
        Judging().loss(model, moire, clean).backward()
        optimizer.step()
    with torch.no_grad():
        assert (probability(model(clean, moire)) > probability(model(moire, moire))).all()
