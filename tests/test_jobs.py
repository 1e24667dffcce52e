"""Jobs without a browser: what a visitor's photo goes through, and what is left of it afterwards."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pictures import photo, screen
from PIL import Image

from demoire.errors import DeviceError, PictureError
from demoire.images import decode
from demoire.restore import RestoreOptions, TileDone
from demoire.ui.jobs import Desk, Event, Settings, Started, Waiting
from demoire.ui.visits import Result, Visit

RUN = "run"
OPTIONS = RestoreOptions(model="identity", device="cpu", tile=96)


@pytest.fixture
def desk(tmp_path: Path, weights: Path) -> Desk:
    (tmp_path / "visits").mkdir()
    return Desk(Settings(folder=tmp_path / "visits", weights=weights))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a photo.png"
    Image.fromarray(photo(screen(130, 171))).save(path)
    return path


def run(desk: Desk, visit: Visit, options: RestoreOptions = OPTIONS) -> list[Event]:
    assert visit.photo is not None
    return list(desk.restore(visit, visit.photo, options, RUN))


def test_opening_the_page_imports_no_torch() -> None:
    code = "import sys, demoire.ui.page; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0


def test_a_photo_is_restored_and_written(desk: Desk, file: Path) -> None:
    visit = desk.new_visit()
    desk.open_photo(visit, file)
    events = run(desk, visit)
    assert isinstance(events[0], Started) and isinstance(events[-1], Result)
    tiles = [event for event in events if isinstance(event, TileDone)]
    assert len(tiles) == events[-1].restored.tiles > 1
    download = desk.write_download(events[-1], "auto")
    assert download.path.name == "a photo_demoired.png" and download.notices == ()
    assert download.path.is_relative_to(visit.folder)
    np.testing.assert_array_equal(decode(download.path).pixels, decode(file).pixels)


def test_visitors_have_folders_of_their_own_and_leave_nothing(desk: Desk, file: Path) -> None:
    visits = [desk.new_visit(), desk.new_visit()]
    for visit in visits:
        desk.open_photo(visit, file)
        run(desk, visit)
    assert visits[0].folder != visits[1].folder
    tokens = {held.view.token for visit in visits for held in (visit.photo, visit.result) if held}
    assert len(tokens) == 4
    for visit in visits:
        visit.close()
    assert list(desk.settings.folder.iterdir()) == []
    assert all(desk.views.tile(token, 0, 0, 0) is None for token in tokens)


def test_a_bad_file_leaves_the_former_photo_and_its_result(desk: Desk, file: Path, tmp_path: Path) -> None:
    visit = desk.new_visit()
    former = desk.open_photo(visit, file)
    run(desk, visit)
    bad = tmp_path / "bad.png"
    bad.write_bytes(file.read_bytes()[:200])
    with pytest.raises(PictureError):
        desk.open_photo(visit, bad)
    assert visit.photo is former and visit.result is not None
    assert desk.views.tile(former.view.token, 0, 0, 0) is not None


def test_a_new_photo_drops_the_former_and_its_result(desk: Desk, file: Path) -> None:
    visit = desk.new_visit()
    former = desk.open_photo(visit, file)
    run(desk, visit)
    desk.open_photo(visit, file)
    assert visit.result is None
    assert desk.views.tile(former.view.token, 0, 0, 0) is None
    assert len(list(visit.folder.iterdir())) == 1


def test_a_cancelled_run_ends_within_a_tile_and_frees_the_device(desk: Desk, file: Path) -> None:
    first, second = desk.new_visit(), desk.new_visit()
    for visit in (first, second):
        desk.open_photo(visit, file)
    assert first.photo is not None and second.photo is not None
    running = desk.restore(first, first.photo, OPTIONS, RUN)
    assert isinstance(next(running), Started)
    assert isinstance(next(running), TileDone)
    waiting = desk.restore(second, second.photo, OPTIONS, RUN)
    assert isinstance(next(waiting), Waiting)
    first.cancel(RUN)
    assert list(running) == []
    assert first.result is None and not first.running
    assert isinstance(list(waiting)[-1], Result)


def test_a_waiting_run_can_be_cancelled_or_closed(desk: Desk, file: Path) -> None:
    visit = desk.new_visit()
    held = desk.open_photo(visit, file)
    running = desk.restore(visit, held, OPTIONS, "first")
    next(running)
    waiting = desk.restore(visit, held, OPTIONS, RUN)
    assert isinstance(next(waiting), Waiting)
    visit.cancel(RUN)
    assert list(waiting) == []
    running.close()
    assert not visit.running
    assert isinstance(list(desk.restore(visit, held, OPTIONS, "last"))[-1], Result)


def test_another_photo_ends_the_run_of_the_former(desk: Desk, file: Path) -> None:
    visit = desk.new_visit()
    held = desk.open_photo(visit, file)
    running = desk.restore(visit, held, OPTIONS, RUN)
    next(running)
    desk.open_photo(visit, file)
    assert list(running) == []
    assert visit.result is None


def test_an_error_frees_the_device(desk: Desk, file: Path) -> None:
    visit = desk.new_visit()
    desk.open_photo(visit, file)
    with pytest.raises(DeviceError):
        run(desk, visit, RestoreOptions(model="identity", device="cuda:99"))
    assert isinstance(run(desk, visit)[-1], Result)
