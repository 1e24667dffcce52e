"""What detector and discriminator say on the page, without a browser: whose turn it is, what is kept of it."""

import json
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from pictures import photo, screen
from PIL import Image

from demoire.catalog import load_catalog
from demoire.detect import CELL, Detection, detect
from demoire.errors import CancelledError, WeightsError
from demoire.images import decode
from demoire.judge import judge
from demoire.loading import ModelCache
from demoire.restore import RestoreOptions
from demoire.ui import findings
from demoire.ui.findings import Findings
from demoire.ui.handlers import listed
from demoire.ui.job import Task
from demoire.ui.jobs import Desk, Settings
from demoire.ui.lane import Lane, Ticket
from demoire.ui.overlays import MASK, PATCHES, mask_picture, patches_picture
from demoire.ui.parcels import Packer
from demoire.ui.visits import Laid, Visit, Work
from tests.tiny import write_detector, write_discriminator

CLEAN, MOIRE = screen(130, 171), photo(screen(130, 171))


@pytest.fixture
def desk(tmp_path: Path, weights: Path) -> Desk:
    write_detector(weights, CLEAN, MOIRE)
    write_discriminator(weights)
    (tmp_path / "visits").mkdir()
    return Desk(Settings(folder=tmp_path / "visits", weights=weights))


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "moire.png", tmp_path / "clean.png"]
    for path, pixels in zip(paths, (MOIRE, CLEAN), strict=True):
        Image.fromarray(pixels).save(path)
    return paths


def opened(desk: Desk, files: list[Path]) -> tuple[Visit, list[Work]]:
    visit = desk.new_visit()
    desk.open_photos(visit, files)
    return visit, list(visit.works.values())


def restored(desk: Desk, visit: Visit, work: Work, *models: str) -> None:
    catalog = load_catalog(desk.settings.weights)
    task = Task(tuple(catalog[name] for name in models), RestoreOptions(device="cpu"))
    assert list(desk.restore(visit, work, task, "run"))


def shown(laid: Laid) -> NDArray[np.uint8]:
    """What the browser may see of a map at its own pixels."""
    return np.asarray(laid.view.level(0))


def test_each_photo_gets_its_line_and_the_one_with_moire_its_mask(desk: Desk, files: list[Path]) -> None:
    visit, (moire, clean) = opened(desk, files)
    steps = [(moire.looked, clean.looked) for _ in Findings(desk).look(visit)]
    assert steps == [("looking", "no"), ("done", "no"), ("done", "looking"), ("done", "done")]
    found = detect(decode(files[0]), ModelCache(weights=desk.settings.weights))
    assert moire.moire == found.moire and moire.moire.level != "none"
    assert moire.mask is not None and moire.mask.overlay.cell == CELL
    assert np.array_equal(shown(moire.mask)[..., 3] > 0, mask_picture(found.mask).alpha > 0)  # type: ignore[operator]
    assert clean.moire is not None and clean.moire.level == "none" and clean.mask is None
    told = listed(visit)
    assert told is not None
    assert [entry["moire"]["level"] == "none" for entry in told["photos"]] == [False, True]
    assert moire.comparison().describe()["panes"][0]["overlay"]["kind"] == "mask"
    assert list(Findings(desk).look(visit)) == [], "once is enough"


def test_each_whole_result_is_judged_once_beside_its_photo(desk: Desk, files: list[Path]) -> None:
    visit, (work, _) = opened(desk, files)
    restored(desk, visit, work, "identity", "tiny")
    assert len(list(Findings(desk).judge(visit))) == 2
    models = ModelCache(weights=desk.settings.weights)
    for result in work.results:
        assert result.restored is not None and result.patches is not None
        said = judge(result.restored.picture, decode(files[0]), models)
        assert result.run.looks_clean == round(said.probability, 4)
        assert result.pane().overlay == result.patches.overlay
        expected = patches_picture(said.patches)
        assert np.array_equal(shown(result.patches), np.dstack((expected.pixels, expected.alpha)))  # type: ignore[arg-type]
    assert len({result.run.looks_clean for result in work.results}) == 2
    assert list(Findings(desk).judge(visit)) == []


def test_what_is_said_goes_with_results_whatever_came_first(desk: Desk, files: list[Path]) -> None:
    visit, (work, _) = opened(desk, files)
    restored(desk, visit, work, "identity")
    list(Findings(desk).look(visit))
    restored(desk, visit, work, "tiny")
    list(Findings(desk).judge(visit))
    assert work.moire is not None
    assert [result.run.moire() for result in work.results] == [work.moire] * 2
    desk.write_downloads(visit, work, "auto")
    parcels = Packer(desk.files, load_catalog(desk.settings.weights)).offer(visit)
    assert parcels.archive is not None
    found = desk.files.find(parcels.archive.address.split("/")[1])
    assert found is not None
    with zipfile.ZipFile(found[0]) as archive:
        told = json.loads(archive.read("results.json"))
        assert {entry["file"] for entry in told} < set(archive.namelist())
    for entry, result in zip(told, work.results, strict=True):
        assert entry["looks_clean"] == result.run.looks_clean
        assert {name: entry[name] for name in asdict(work.moire)} == asdict(work.moire)


@pytest.mark.parametrize("broken", ["detector", "discriminator"])
def test_one_that_fails_takes_nothing_with_it(desk: Desk, files: list[Path], broken: str) -> None:
    (desk.settings.weights / broken / "model.safetensors").write_bytes(b"damaged")
    visit, (work, _) = opened(desk, files)
    list(Findings(desk).look(visit))
    restored(desk, visit, work, "identity")
    list(Findings(desk).judge(visit))
    (result,) = work.finished()
    assert work.looked == ("failed" if broken == "detector" else "done")
    assert (result.run.looks_clean is None) == (broken == "discriminator")
    assert desk.lane.ticket().wait(0) == 0, "the device is free"


def test_another_photo_ends_looking_at_the_former(
    desk: Desk, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    visit, (work,) = opened(desk, files[:1])
    before = {folder.name for folder in visit.folder.iterdir()}

    def slow(picture: object, models: object, ends: Callable[[], bool]) -> None:
        desk.open_photos(visit, files[1:])
        assert ends()
        raise CancelledError("It was cancelled; start again.")

    monkeypatch.setattr(findings, "detect", slow)
    list(Findings(desk).look(visit))
    assert work.moire is None and work.mask is None
    assert [other.looked for other in visit.works.values()] == ["no"]
    visit.sweep()
    assert before.isdisjoint(folder.name for folder in visit.folder.iterdir())


def test_it_steps_aside_for_others_and_comes_back(
    desk: Desk, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    visit, (work, _) = opened(desk, files)
    others: list[Ticket] = []
    turns: list[int] = []
    leave = desk.lane.leave
    monkeypatch.setattr(findings, "GRACE", -1.0)

    def leaving(ticket: Ticket) -> None:
        leave(ticket)
        if others and not turns:
            turns.append(others[0].wait(0))
            leave(others[0])

    def interrupted(picture: object, models: ModelCache, ends: Callable[[], bool]) -> Detection:
        if others:
            return detect(decode(files[0]), models, ends)
        assert not ends()
        others.append(desk.lane.ticket())
        assert ends()
        raise CancelledError("It was cancelled; start again.")

    monkeypatch.setattr(desk.lane, "leave", leaving)
    monkeypatch.setattr(findings, "detect", interrupted)
    next(steps := Findings(desk).look(visit))
    next(steps)
    assert turns == [0] and work.looked == "done" and work.moire is not None


def test_views_of_maps_go_with_their_photos(desk: Desk, files: list[Path]) -> None:
    visit, (work, _) = opened(desk, files)
    list(Findings(desk).look(visit))
    restored(desk, visit, work, "identity")
    list(Findings(desk).judge(visit))
    (result,) = work.finished()
    assert work.mask and result.patches
    tokens = [laid.view.token for laid in (work.mask, result.patches)]
    assert all(desk.views.tile(token, 0, 0, 0) for token in tokens)
    visit.close()
    assert not any(desk.views.tile(token, 0, 0, 0) for token in tokens) and not visit.folder.exists()


def test_errors_of_the_detector_are_no_other_ones(
    desk: Desk, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def bug(*_: object) -> None:
        raise KeyError("a mistake of ours is not hidden")

    monkeypatch.setattr(findings, "detect", bug)
    visit, _ = opened(desk, files)
    with pytest.raises(KeyError):
        list(Findings(desk).look(visit))
    assert issubclass(WeightsError, findings.FAILURES)


def test_the_polite_let_others_go_first() -> None:
    lane = Lane()
    first, second = lane.ticket(polite=True), lane.ticket(polite=True)
    other = lane.ticket()
    assert [ticket.wait(0) for ticket in (first, other, second)] == [0, 1, 2]
    assert first.awaited and second.awaited and not other.awaited
    other.close()
    assert not first.awaited
    first.close()
    assert second.wait(0) == 0


def test_a_mask_is_filled_edged_and_rimmed() -> None:
    mask = np.zeros((9, 12), bool)
    mask[2:7, 3:] = True
    picture = mask_picture(mask)
    assert picture.alpha is not None
    colour = tuple(bytes.fromhex(MASK[0][1:]))
    assert (picture.pixels[mask] == colour).all()
    assert picture.alpha[4, 6] < picture.alpha[2, 6] == 255 == picture.alpha[4, 3]
    assert picture.alpha[4, 11] == picture.alpha[4, 6], "no edge where the picture ends"
    rim = (picture.alpha > 0) & ~mask
    assert rim.sum() == 9 + 9 + 5 and (picture.pixels[rim] == 0).all()


def test_patches_have_the_colours_of_the_legend() -> None:
    picture = patches_picture(np.array([[0.0, 0.25, 0.5], [0.75, 1.0, np.nan]], np.float32))
    assert picture.alpha is not None
    colours = ["#" + bytes(pixel).hex() for pixel in picture.pixels.reshape(-1, 3)]
    assert tuple(colours[:5]) == PATCHES
    assert picture.alpha[1, 2] == 0 and len(set(picture.alpha.flat)) == 2
