"""The pool of clips: what is drawn fits its homographies; what evaluation keeps for itself is never packed."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

from demoire import homography
from demoire.errors import DataError
from demoire.models.motion import seen_before, warp
from demoire.pairs import list_pictures
from demoire.simulate.sequence import Clip, SequenceConfig
from demoire.training.building import StoreOptions, build_store, plan_store
from demoire.training.clip_pool import ClipPool, ClipPoolConfig, fill_clip_pool, render_clip
from demoire.training.content import ContentStore
from demoire.training.manifest import (
    FOLDER_MANIFEST,
    file_sha256,
    held_out_folder,
    is_held_out,
    read_manifest,
    repository_manifest,
)

CONFIG = ClipPoolConfig(slots=2, frames=4, size=64)


@pytest.fixture(scope="module")
def content(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("content")
    for number in range(10):
        pixels = np.random.default_rng(number).normal(128, 200, (90, 120, 3))
        smooth = gaussian_filter(pixels, (4, 4, 0)).clip(0, 255).astype(np.uint8)
        Image.fromarray(smooth).save(folder / f"{number}.png")
    store = folder / "store"
    list(build_store(StoreOptions((folder,), pages=0, licence="CC0-1.0"), store))
    return store


def moving_clip(seed: int) -> Clip:
    """A texture seen through a window that moves, turns and tilts, moire and clean alike."""
    noise = np.random.default_rng(seed).normal(size=(3, 120, 120))
    smooth = np.stack([gaussian_filter(plane, 3.0) for plane in noise])
    picture = torch.from_numpy(0.5 + smooth / smooth.std() * 0.12).float()[None]
    to_content = []
    for t in range(CONFIG.frames):
        cos, sin = np.cos(0.02 * t), np.sin(0.02 * t)
        to_content.append([[cos, -sin, 28 + 2.5 * t], [sin, cos, 20 + 4.25 * t - t * t], [1e-4 * t, -5e-5 * t, 1]])
    matrices = torch.tensor(to_content, dtype=torch.float64)
    frames = warp(picture.expand(CONFIG.frames, -1, -1, -1), matrices)[..., :64, :64].clamp(0, 1)
    return Clip(frames, frames, matrices, homography.between(matrices))


def test_drawn_frames_lie_on_one_another(tmp_path: Path) -> None:
    pool = ClipPool(tmp_path, CONFIG)
    for number in range(2):
        clip = moving_clip(number)
        pool.write(number, clip, clip.moire / 2)
    rng = np.random.default_rng(0)
    still = []
    for _ in range(24):  # all eight orientations, forwards and backwards
        drawn = pool.draw(1, 3, 48, rng)
        clean, steps = drawn.clean, drawn.to_previous
        assert drawn.moire.shape == clean.shape == (1, 3, 3, 48, 48)
        assert drawn.alone is not None and torch.allclose(drawn.alone, drawn.moire / 2, atol=1 / 255)
        assert steps.shape == (1, 3, 3, 3)
        assert steps.dtype == torch.float32
        assert torch.equal(steps[:, 0], torch.eye(3)[None])
        moved = warp(clean[0, :-1], steps[0, 1:])
        inside = seen_before(steps[0, 1:], 48, 48, clean)
        apart = (moved - clean[0, 1:]).abs() * inside
        assert apart.max() < 6 / 255
        assert apart.mean() < 0.8 / 255
        still.append(float((clean[0, :-1] - clean[0, 1:]).abs().max()))
    assert min(still) > 15 / 255


@pytest.mark.parametrize("which", range(8))
def test_turned_homographies(which: int) -> None:
    """Against the place of one pixel in a turned picture."""
    from demoire.training.pool import turned

    marks = np.zeros((2, 9, 9, 3), np.uint8)
    marks[0, 2, 5] = marks[1, 4, 1] = 255  # frame 0 has it at (5, 2), frame 1 at (1, 4)
    step = torch.tensor([[1.0, 0, 4], [0, 1, -2], [0, 0, 1]])
    new = homography.turned(step, which, 9)
    (before, after) = (np.argwhere(frame[..., 0])[0][::-1].copy() for frame in turned(marks, which))
    there = new @ torch.tensor([*after, 1.0])
    assert there.tolist() == pytest.approx([*before, 1.0])


def test_pool_is_filled_resumed_and_renewed(content: Path, tmp_path: Path) -> None:
    pool = ClipPool(tmp_path, CONFIG)
    with pytest.raises(DataError, match="still empty"):
        pool.draw(1, 2, 32, np.random.default_rng(0))
    config, cnn = SequenceConfig(), torch.nn.Upsample(scale_factor=1)
    for limit in (1, 3):
        fill_clip_pool(tmp_path, CONFIG, content, config, cnn, 0, limit)
        assert ClipPool(tmp_path, CONFIG).rendered == limit
    again = render_clip(ContentStore(content, "train"), config, (CONFIG.seed, 2), 4, 64, torch.device("cpu"))
    pool = ClipPool(tmp_path, CONFIG)
    assert np.array_equal(pool.to_previous[0], again.to_previous.numpy())  # clip 2 took the place of clip 0
    stored = torch.from_numpy(pool.clips[0, :, 0].copy()).permute(0, 3, 1, 2) / 255
    assert torch.allclose(stored, again.moire, atol=0.51 / 255)
    assert np.allclose(pool.alone[0], pool.clips[0, :, 0] / 255, atol=1e-3)
    with pytest.raises(DataError, match="other settings"):
        ClipPool(tmp_path, ClipPoolConfig(slots=2, frames=5, size=64))
    with pytest.raises(DataError, match="clips of 4 frames of 64 pixels, not 5 of 64"):
        pool.draw(1, 5, 64, np.random.default_rng(0))


def test_held_out_pictures_are_known_small_and_were_never_trained_on() -> None:
    folder = held_out_folder()
    rows = read_manifest(folder / FOLDER_MANIFEST)
    paths = [path for path in folder.rglob("*") if path.is_file()]
    files = {path.relative_to(folder).as_posix() for path in paths} - {FOLDER_MANIFEST}
    assert files == set(rows)
    assert len(list_pictures(folder)) == len(list_pictures(folder / "photos")) == 10
    assert sum(path.stat().st_size for path in paths) < 2_000_000
    trained = {row.sha256 for row in read_manifest(repository_manifest()).values()}
    for row in rows.values():
        assert row.licence in ("CC0-1.0", "PD")
        assert row.author
        assert row.sha256 == file_sha256(folder / row.file)
        assert row.sha256 not in trained


def test_held_out_pictures_are_left_out_of_stores(tmp_path: Path) -> None:
    shutil.copy(held_out_folder() / "b_chelsea.jpg", tmp_path / "cat.jpg")
    Image.new("RGB", (40, 30), (9, 99, 200)).save(tmp_path / "mine.png")
    assert is_held_out(tmp_path / "cat.jpg")
    assert not is_held_out(tmp_path / "mine.png")
    assert [task.name for task in plan_store(StoreOptions((tmp_path,), pages=0, licence="CC0-1.0"))] == ["mine.png"]
