"""LPIPS on hand-made features with a distance in closed form; the converter against good and hostile pickles."""

import hashlib
import io
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from demoire import perceptual
from demoire.cli import main
from demoire.errors import DataError, OutputError, UnknownNameError, WeightsError
from demoire.perceptual import FeatureStack, Layer, Lpips
from demoire.perceptual_convert import ArrayUnpickler, Checkpoint, convert, read_arrays

TINY = (Layer(2, kernel=1, padding=0, tap=True), Layer(3, pool=2, tap=True))


def hand_made() -> Lpips:
    """The first features are the red and the green channel as they come; the second ones are always zero."""
    network = Lpips(TINY)
    state = {name: torch.zeros_like(tensor) for name, tensor in network.state_dict().items()}
    for channel in range(2):
        state["features.convs.0.weight"][channel, channel] = perceptual.DEVIATION[channel]
        state["features.convs.0.bias"][channel] = perceptual.MEAN[channel]
    state["heads.0"] = torch.tensor([1.0, 10.0])
    state["heads.1"] = torch.ones(3)
    network.load_state_dict(state)
    return network


def plain(*rgb: float) -> torch.Tensor:
    return torch.tensor(rgb).view(1, 3, 1, 1).expand(1, 3, 8, 8)


def test_closed_form():
    """Red and green (.6, .8) and (1, 0), of unit length: the squared differences .16 and .64, weighted 1 and 10."""
    distance = hand_made()(plain(0.3, 0.4, 0.9), plain(0.5, 0.0, 0.1))
    assert distance.tolist() == pytest.approx([0.16 + 6.4], abs=1e-4)


def test_distance_ignores_the_length_of_features_and_is_averaged_over_the_picture():
    network = hand_made()
    assert network(plain(0.3, 0.4, 0), plain(0.6, 0.8, 0)).item() == pytest.approx(0, abs=1e-5)
    half = plain(0.3, 0.4, 0).clone()
    half[..., 4:] = plain(0.5, 0.0, 0)[..., 4:]
    assert network(half, plain(0.3, 0.4, 0)).item() == pytest.approx((0.16 + 6.4) / 2, abs=1e-4)


@pytest.mark.parametrize("name", perceptual.STACKS)
def test_identical_pictures_have_distance_zero_and_others_do_not(name):
    torch.manual_seed(0)
    network = Lpips(perceptual.STACKS[name])
    for head in network.heads:
        torch.nn.init.constant_(head, 1.0)
    first, second = torch.rand(2, 2, 3, 64, 64).unbind()
    assert network(first, first).tolist() == [0, 0]
    assert (network(first, second) > 1e-4).all()


def test_feature_sizes_are_those_of_the_published_networks():
    with torch.inference_mode():
        alex = FeatureStack(perceptual.STACKS["alexnet"])(torch.zeros(1, 3, 64, 96))
        vgg = FeatureStack(perceptual.STACKS["vgg16"])(torch.zeros(1, 3, 32, 48))
    assert [tuple(x.shape[1:]) for x in alex] == [(64, 15, 23), (192, 7, 11), (384, 3, 5), (256, 3, 5), (256, 3, 5)]
    assert [tuple(x.shape[1:]) for x in vgg] == [(64, 32, 48), (128, 16, 24), (256, 8, 12), (512, 4, 6), (512, 2, 3)]


def test_as_a_loss_it_trains_the_picture_alone():
    loss = Lpips(perceptual.STACKS["vgg16"]).requires_grad_(False)
    for head in loss.heads:
        head.fill_(1.0)
    restored, clean = torch.rand(1, 3, 32, 32, requires_grad=True), torch.rand(1, 3, 32, 32)
    loss(restored, clean).mean().backward()
    assert restored.grad is not None and restored.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in loss.parameters())
    assert loss(clean, clean).item() == 0


def test_loading_is_strict(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(perceptual, "STACKS", {"alexnet": TINY})
    with pytest.raises(WeightsError, match="lpips-weights"):
        perceptual.load_lpips(tmp_path)
    (tmp_path / "alexnet.safetensors").write_bytes(b"no header")
    with pytest.raises(WeightsError, match="cannot be read"):
        perceptual.load_lpips(tmp_path)
    state = hand_made().state_dict()
    save_file({name: tensor for name, tensor in state.items() if name != "heads.1"}, tmp_path / "alexnet.safetensors")
    with pytest.raises(WeightsError, match=r"heads\.1"):
        perceptual.load_lpips(tmp_path)
    save_file(state, tmp_path / "alexnet.safetensors")
    assert perceptual.load_lpips(tmp_path)(plain(0.3, 0.4, 0.9), plain(0.5, 0, 0)).item() == pytest.approx(
        6.56, abs=1e-3
    )
    with pytest.raises(UnknownNameError, match="did you mean 'alexnet'"):
        perceptual.load_lpips(tmp_path, "alexnett")


def test_the_folder_is_an_option_or_a_setting(monkeypatch):
    monkeypatch.delenv("DEMOIRE_PERCEPTUAL", raising=False)
    assert perceptual.find_folder() is None
    monkeypatch.setenv("DEMOIRE_PERCEPTUAL", "somewhere")
    assert perceptual.find_folder() == Path("somewhere")
    assert perceptual.find_folder(Path("else")) == Path("else")


def source_tree() -> dict:
    """As the source package nests it: kernels (h, w, in, out)."""
    random = np.random.default_rng(0)
    draw = lambda *shape: random.normal(size=shape).astype(np.float32)  # noqa: E731
    heads = {f"NetLinLayer_{i}": {"Conv_0": {"kernel": draw(1, 1, 2, 1)}} for i in range(5)}
    return {"Net_0": {"Conv_0": {"kernel": draw(5, 3, 3, 2), "bias": draw(2)}}, **heads}


def known(path: Path) -> dict[str, Checkpoint]:
    return {hashlib.sha256(path.read_bytes()).hexdigest(): Checkpoint("tiny", "Net_0", 1)}


@pytest.mark.parametrize("protocol", [3, 4])
def test_conversion_keeps_every_number(tmp_path: Path, protocol: int):
    source, tree = tmp_path / "tiny.ckpt", source_tree()
    source.write_bytes(pickle.dumps(tree, protocol))
    stored = load_file(convert(source, tmp_path / "made" / "here", known(source)))
    kernel = tree["Net_0"]["Conv_0"]["kernel"]
    assert stored["features.convs.0.weight"].shape == (2, 3, 5, 3)
    assert stored["features.convs.0.weight"][1, 2, 4, 0] == kernel[4, 0, 2, 1]
    assert stored["features.convs.0.bias"].tolist() == tree["Net_0"]["Conv_0"]["bias"].tolist()
    assert stored["heads.3"].tolist() == tree["NetLinLayer_3"]["Conv_0"]["kernel"].ravel().tolist()


def test_a_file_of_another_hash_is_not_opened(tmp_path: Path, capsys):
    source = tmp_path / "alexnet.ckpt"
    source.write_bytes(pickle.dumps(source_tree()))
    assert main(["lpips-weights", str(source), "-o", str(tmp_path / "out")]) == 1
    assert "not opened" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert main(["lpips-weights", str(tmp_path / "none.ckpt"), "-o", str(tmp_path)]) == 1
    assert "Cannot read" in capsys.readouterr().err


class Touch:
    """A pickle of this creates a file when it is opened."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


class Evaluate:
    def __reduce__(self):
        return eval, ("1 + 1",)


def test_a_hostile_pickle_is_refused_and_runs_nothing(tmp_path: Path):
    trap = tmp_path / "trap"
    hostile = pickle.dumps({"Net_0": Touch(trap)})
    with pytest.raises(DataError, match="not a plain pickle"):
        read_arrays(hostile)
    assert not trap.exists()
    pickle.loads(hostile)
    assert trap.exists(), "the trap works where nothing stops it"


@pytest.mark.parametrize(
    "content",
    [
        pickle.dumps(Evaluate()),
        b"cos\nsystem\n(S'true'\ntR.",
        b"cnumpy\nload\n(S'x.npy'\ntR.",
        b"cnumpy\nndarray\n((I1000000\nI1000000\nI1000000\nttR.",
        pickle.dumps(np.array([object], dtype=object)),
        pickle.dumps(np.zeros(3, np.float64), 3),
        pickle.dumps(source_tree(), 3)[:-50],
        b"",
        b"\x80\x03Q.",
        b"not a pickle",
    ],
)
def test_anything_but_arrays_of_float32_is_refused(content: bytes):
    with pytest.raises(DataError, match="not a plain pickle"):
        read_arrays(content)


def test_persistent_references_are_refused():
    with pytest.raises(pickle.UnpicklingError, match="outside"):
        ArrayUnpickler(io.BytesIO(b"\x80\x03X\x01\x00\x00\x00aQ.")).load()


def test_missing_arrays_and_unwritable_folders_are_said(tmp_path: Path):
    source, tree = tmp_path / "tiny.ckpt", source_tree()
    source.write_bytes(pickle.dumps(tree, 3))
    with pytest.raises(OutputError, match="Cannot write"):
        convert(source, source / "below a file", known(source))
    del tree["NetLinLayer_4"]
    source.write_bytes(pickle.dumps(tree, 3))
    with pytest.raises(DataError, match="NetLinLayer_4"):
        convert(source, tmp_path, known(source))
