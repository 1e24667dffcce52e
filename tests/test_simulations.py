"""The simulator behind the page: panes, figures against the known target, one visitor's run after another."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from demoire.catalog import load_catalog
from demoire.comparison import Comparison
from demoire.errors import PictureError
from demoire.evaluate import score_pair
from demoire.picture import Picture
from demoire.simulate.settings import ShotSettings
from demoire.ui.jobs import Desk, Settings, Started, Waiting
from demoire.ui.simulations import LONGEST, Studio, shoot
from tests.pictures import screen

SETTINGS = ShotSettings(scale=1.5, noise=0, jpeg=100, seed=2)


@pytest.fixture
def desk(weights: Path, tmp_path: Path) -> Desk:
    torch.set_num_threads(1)
    return Desk(Settings(folder=tmp_path, weights=weights))


@pytest.fixture
def studio(desk: Desk, tmp_path: Path) -> Studio:
    Image.fromarray(screen(60, 80)).save(tmp_path / "clean.png")
    return Studio(desk, tmp_path / "clean.png")


def pixels(desk: Desk, comparison: Comparison, key: str) -> np.ndarray:
    (pane,) = [pane for pane in comparison.panes if pane.key == key]
    token = pane.source.base.split("/")[-1]
    return np.asarray(desk.views._views[token].level(0))


def test_panes_come_one_by_one_and_are_scored(desk: Desk, studio: Studio, weights: Path) -> None:
    models = [load_catalog(weights)[name] for name in ("identity", "tiny")]
    events = list(studio.run(SETTINGS, models, "1"))
    assert events[0] == Started()
    shots = [event for event in events if isinstance(event, Comparison)]
    assert [len(shot.panes) for shot in shots] == [3, 4, 5]
    last = shots[-1]
    assert [pane.key for pane in last.panes] == ["capture", "result-identity", "result-tiny", "target", "mask"]
    assert len({shot.key for shot in shots}) == 1 and last.name == "clean.png"
    shot = shoot(Picture(screen(60, 80)), SETTINGS)
    for key, expected in (("capture", shot.capture), ("target", shot.target), ("mask", shot.mask)):
        assert np.array_equal(pixels(desk, last, key), expected)
    assert np.array_equal(pixels(desk, last, "result-identity"), shot.capture)
    for key in ("capture", "result-identity", "result-tiny"):
        (pane,) = [pane for pane in last.panes if pane.key == key]
        assert pane.figures == pytest.approx(score_pair(pixels(desk, last, key), shot.target), nan_ok=True)
    assert last.panes[2].run and last.panes[2].run.model == "tiny" and not last.panes[3].figures


def test_moire_is_where_the_mask_says() -> None:
    plain = np.full((70, 90, 3), 200, np.uint8)
    strong = shoot(Picture(plain), ShotSettings(scale=1.5, blur=0.2, noise=0, jpeg=100, seed=2))
    faint = shoot(Picture(plain), ShotSettings(scale=1.5, blur=2.0, noise=0, jpeg=100, seed=2))
    wrong = [np.abs(shot.capture.astype(float) - shot.target).mean() for shot in (strong, faint)]
    assert strong.mask.mean() > 200 > 50 > faint.mask.mean() and wrong[0] > 3 * wrong[1]
    assert set(np.unique(strong.mask)) <= {0, 255}


def test_large_deep_and_transparent_pictures() -> None:
    deep = np.full((700, 900, 3), 65535, np.uint16)
    shot = shoot(Picture(deep, alpha=np.zeros((700, 900), np.uint16)), ShotSettings(scale=4, reduction=4, noise=0))
    assert max(shot.capture.shape) <= LONGEST and shot.capture.shape == shot.target.shape == shot.mask.shape
    assert shot.target.mean() > 120  # the white that it lies on, as a camera exposes it


def test_a_new_run_ends_the_one_before(desk: Desk, studio: Studio) -> None:
    ticket = desk.lane.ticket()
    first = studio.run(SETTINGS, [], "1")
    assert next(first) == Waiting(1)
    second = studio.run(SETTINGS, [], "2")
    assert isinstance(next(second), Waiting)
    assert list(first) == []
    ticket.close()
    assert isinstance(list(second)[-1], Comparison)
    assert desk.lane.ticket().wait(0.1) == 0


def test_files_go_when_they_are_replaced_and_at_the_end(desk: Desk, studio: Studio) -> None:
    for run in ("1", "2"):
        assert len(list(studio.run(SETTINGS, [], run))) == 2
    assert len(list(studio.folder.iterdir())) == 3
    studio.close()
    assert not studio.folder.exists() and not desk.views._views


def test_a_picture_that_cannot_be_read_changes_nothing(studio: Studio, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(PictureError):
        studio.open(tmp_path / "broken.png")
    assert studio.name == "clean.png"
