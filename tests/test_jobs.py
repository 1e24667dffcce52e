"""Jobs without a browser: what a visitor's photos go through, and what is left of it afterwards."""

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pictures import photo, screen
from PIL import Image

from demoire.catalog import load_catalog
from demoire.comparison import Box
from demoire.errors import DeviceError, MemoryShortError, PictureError, WeightsError
from demoire.images import decode
from demoire.models.unet import UNet
from demoire.picture import Picture
from demoire.restore import LookedOver, RestoreOptions, restore
from demoire.ui.handlers import Ask
from demoire.ui.job import Finished, Progress, Task, overlap
from demoire.ui.jobs import Desk, Event, Settings, Started, Waiting
from demoire.ui.lane import Lane
from demoire.ui.parcels import NOTHING, Packer
from demoire.ui.status import done, progress
from demoire.ui.visits import MOST_RESULTS, Result, Visit, Work

RUN = "run"
OPTIONS = RestoreOptions(device="cpu", tile=96)


@pytest.fixture
def desk(tmp_path: Path, weights: Path) -> Desk:
    (tmp_path / "visits").mkdir()
    return Desk(Settings(folder=tmp_path / "visits", weights=weights))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a photo.png"
    Image.fromarray(photo(screen(130, 171))).save(path)
    return path


def task(desk: Desk, *models: str, options: RestoreOptions = OPTIONS, box: Box | None = None) -> Task:
    catalog = load_catalog(desk.settings.weights)
    return Task(tuple(catalog[name] for name in models or ("identity",)), options, box)


def opened(desk: Desk, file: Path) -> tuple[Visit, Work]:
    """A visit with one photo."""
    visit = desk.new_visit()
    desk.open_photos(visit, [file])
    assert visit.work is not None
    return visit, visit.work


def run(desk: Desk, visit: Visit, work: Work, wanted: Task | None = None) -> list[Event]:
    return list(desk.restore(visit, work, wanted or task(desk), RUN))


def pixels(desk: Desk, result: Result) -> NDArray[np.uint8]:
    """What the browser may see of a result at its own pixels."""
    return np.asarray(result.view.level(0))


def test_opening_the_page_imports_no_torch() -> None:
    code = "import sys, demoire.ui.page; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0


def test_a_photo_is_restored_and_written(desk: Desk, file: Path) -> None:
    visit, work = opened(desk, file)
    events = run(desk, visit, work)
    assert isinstance(events[0], Started) and isinstance(events[-1], Finished)
    (result,) = events[-1].results
    tiles = [event for event in events if isinstance(event, Progress)]
    assert tiles[-1].done == tiles[-1].total == result.run.tiles > 1
    assert desk.write_downloads(visit, work, "auto") == [result]
    assert result.download is not None and result.download.notices == ()
    assert result.download.file.name == "a photo_demoired.png"
    np.testing.assert_array_equal(decode(result.download.path).pixels, decode(file).pixels)
    token = result.download.file.address.split("/")[1]
    assert desk.files.find(token) == (result.download.path, "a photo_demoired.png")


def test_looking_for_moire_is_told_until_the_first_tile(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(UNet, "evidence", lambda self, x: x.new_zeros(len(x)))
    path = tmp_path / "clean.png"
    Image.fromarray(screen(700, 1000)).save(path)
    visit, work = opened(desk, path)
    events = [event for event in run(desk, visit, work, task(desk, "tiny")) if not isinstance(event, Started)]
    looked = [event.share for event in events if isinstance(event, LookedOver)]
    assert looked == [0.25, 0.5, 0.75, 1]
    assert [type(event) for event in events[:4]] == [LookedOver] * 4 and isinstance(events[4], Progress)
    assert progress(LookedOver(0.25)).items() >= {"phase": "working", "looked": 0.25}.items()


def test_several_models_run_one_after_the_other_what_is_looked_at_first(desk: Desk, file: Path) -> None:
    visit, work = opened(desk, file)
    looked_at = (96, 130, 130, 171)
    steps = desk.restore(visit, work, task(desk, "identity", "tiny", options=replace(OPTIONS, first=looked_at)), RUN)
    for _ in steps:
        begun = [result for result in work.results if result.arrived]
        if len(begun) == 2:
            break
    assert [result.state for result in work.results] == ["working", "working"]
    for result in work.results:
        assert overlap(result.arrived[0], looked_at)
    last = list(steps)[-1]
    assert isinstance(last, Finished)
    assert [result.run.model for result in last.results] == ["identity", "tiny"]
    assert all(result.run.seconds > 0 for result in last.results)
    np.testing.assert_array_equal(pixels(desk, last.results[0]), decode(file).pixels)
    desk.write_downloads(visit, work, "png")
    names = [result.download.file.name for result in work.results if result.download]
    assert names == ["a photo_demoired_identity.png", "a photo_demoired_tiny.png"]


def test_a_part_is_tried_as_it_would_become_in_the_whole(desk: Desk, file: Path) -> None:
    visit, work = opened(desk, file)
    box = (20, 30, 70, 90)
    run(desk, visit, work, task(desk, "tiny"))
    run(desk, visit, work, task(desk, "tiny", box=box))
    whole, part = work.results
    assert part.restored is None and part.run.box == box and part.state == "done"
    inside = np.index_exp[20:70, 30:90]
    np.testing.assert_array_equal(pixels(desk, part)[inside], pixels(desk, whole)[inside])
    outside = pixels(desk, part).copy()
    outside[inside] = 0
    assert not outside.any()
    assert part.pane().arrived and whole.pane().arrived is None
    assert work.finished() == [whole]


def test_another_setting_keeps_the_former_result_the_same_one_replaces_it(desk: Desk, file: Path) -> None:
    visit, work = opened(desk, file)
    run(desk, visit, work)
    (former,) = work.results
    run(desk, visit, work, task(desk, options=replace(OPTIONS, tile=112)))
    assert [result.run.tile for result in work.results] == [96, 112]
    run(desk, visit, work)
    assert [result.run.tile for result in work.results] == [112, 96]
    assert former not in work.results
    assert desk.views.tile(former.view.token, 0, 0, 0) is not None  # until the browser knows
    run(desk, visit, work)
    assert desk.views.tile(former.view.token, 0, 0, 0) is None


def test_only_the_last_results_are_kept(desk: Desk, file: Path) -> None:
    visit, work = opened(desk, file)
    for left in range(MOST_RESULTS + 2):
        run(desk, visit, work, task(desk, box=(0, left, 30, left + 30)))
    assert len(work.results) == MOST_RESULTS
    assert work.results[0].run.box == (0, 2, 30, 32)
    assert len({pane.key for pane in work.comparison().panes}) == MOST_RESULTS + 1


def test_visitors_have_folders_of_their_own_and_leave_nothing(desk: Desk, file: Path) -> None:
    visits = [opened(desk, file) for _ in range(2)]
    for visit, work in visits:
        run(desk, visit, work)
        desk.write_downloads(visit, work, "auto")
    assert visits[0][0].folder != visits[1][0].folder
    tokens = {pane.source.base.split("/")[1] for _, work in visits for pane in work.comparison().panes}
    files = [pane.file.address.split("/")[1] for _, work in visits for pane in work.comparison().panes if pane.file]
    assert len(tokens) == 4 and len(set(files)) == 2
    for visit, _ in visits:
        visit.close()
    assert list(desk.settings.folder.iterdir()) == []
    assert all(desk.views.tile(token, 0, 0, 0) is None for token in tokens)
    assert all(desk.files.find(token) is None for token in files)


def test_a_bad_file_leaves_the_former_photo_and_its_result(desk: Desk, file: Path, tmp_path: Path) -> None:
    visit, work = opened(desk, file)
    run(desk, visit, work)
    bad = tmp_path / "bad.png"
    bad.write_bytes(file.read_bytes()[:200])
    with pytest.raises(PictureError):
        desk.open_photos(visit, [file, bad])
    assert visit.work is work and len(work.results) == 1
    assert desk.views.tile(work.photo.view.token, 0, 0, 0) is not None
    assert len(list(visit.folder.iterdir())) == 2


def test_new_photos_drop_the_former_and_their_results(desk: Desk, file: Path) -> None:
    visit, former = opened(desk, file)
    run(desk, visit, former)
    desk.open_photos(visit, [file, file])
    assert len(visit.works) == 2 and visit.work is next(iter(visit.works.values()))
    visit.sweep()
    assert desk.views.tile(former.photo.view.token, 0, 0, 0) is None
    assert len(list(visit.folder.iterdir())) == 2


def test_a_cancelled_run_ends_within_a_tile_keeps_what_is_done_and_frees_the_device(desk: Desk, file: Path) -> None:
    (first, one), (second, other) = opened(desk, file), opened(desk, file)
    running = desk.restore(first, one, task(desk), RUN)
    assert isinstance(next(running), Started)
    assert isinstance(next(running), Progress)
    waiting = desk.restore(second, other, task(desk), RUN)
    assert next(waiting) == Waiting(1)
    first.cancel(RUN)
    assert list(running) == []
    (kept,) = one.results
    assert kept.state == "cancelled" and len(kept.arrived) == 1 and kept.restored is None and not first.running
    top, left, bottom, right = kept.arrived[0]
    np.testing.assert_array_equal(
        pixels(desk, kept)[top:bottom, left:right], decode(file).pixels[top:bottom, left:right]
    )
    assert isinstance(list(waiting)[-1], Finished)


def test_a_waiting_run_can_be_cancelled_or_closed(desk: Desk, file: Path) -> None:
    visit, work = opened(desk, file)
    running = desk.restore(visit, work, task(desk), "first")
    next(running)
    waiting = desk.restore(visit, work, task(desk), RUN)
    assert isinstance(next(waiting), Waiting)
    visit.cancel(RUN)
    assert list(waiting) == []
    running.close()
    assert not visit.running and work.results == []
    assert isinstance(list(desk.restore(visit, work, task(desk), "last"))[-1], Finished)


def test_another_photo_ends_the_run_of_the_former(desk: Desk, file: Path) -> None:
    visit, work = opened(desk, file)
    running = desk.restore(visit, work, task(desk), RUN)
    next(running)
    desk.open_photos(visit, [file])
    assert [event for event in running if isinstance(event, Finished)] == []


def test_an_error_frees_the_device_and_leaves_no_empty_result(desk: Desk, file: Path) -> None:
    visit, work = opened(desk, file)
    with pytest.raises(DeviceError):
        run(desk, visit, work, task(desk, options=RestoreOptions(device="cuda:99")))
    assert work.results == []
    assert isinstance(run(desk, visit, work)[-1], Finished)


def test_a_model_that_cannot_be_read_leaves_its_sentence_and_the_others_go_on(desk: Desk, file: Path) -> None:
    wanted = task(desk, "tiny", "identity")
    (desk.settings.weights / "tiny" / "model.safetensors").write_bytes(b"damaged")
    visit, work = opened(desk, file)
    events = run(desk, visit, work, wanted)
    assert isinstance(events[-1], Finished)
    failed, restored = work.results
    assert (failed.state, restored.state) == ("failed", "done")
    assert isinstance(failed.error, WeightsError) and failed.arrived == []
    pane = failed.pane()
    assert (pane.state, pane.arrived) == ("failed", ()) and set(pane.problem) == {"en", "zh-CN"}
    assert desk.write_downloads(visit, work, "auto") == [restored]
    told = done(work.results)["runs"]
    assert told[0]["problem"] == pane.problem and told[1]["problem"] is None
    run(desk, visit, work, wanted)
    assert [result.state for result in work.results] == ["failed", "done"] and failed not in work.results


def test_a_model_that_fails_on_the_way_keeps_what_is_done(
    desk: Desk, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(picture: Picture, options: RestoreOptions, *rest: Any) -> Iterator[Any]:
        steps = restore(picture, options, *rest)
        yield next(steps)
        if options.model == "tiny":
            steps.close()
            raise MemoryShortError("There is no memory left.")
        yield from steps

    monkeypatch.setattr("demoire.ui.job.restore", failing)
    visit, work = opened(desk, file)
    tiles = [event for event in run(desk, visit, work, task(desk, "tiny", "identity")) if isinstance(event, Progress)]
    failed, restored = work.results
    assert (failed.state, len(failed.arrived), restored.state) == ("failed", 1, "done")
    assert tiles[-1].done == tiles[-1].total == restored.run.tiles and tiles[-1].left == 0
    run(desk, visit, work, task(desk, "tiny"))  # the only one: what it did stays, too
    assert [result.state for result in work.results] == ["done", "failed"]


def test_where_all_models_fail_for_one_reason_it_is_said_once(desk: Desk, file: Path) -> None:
    visit, work = opened(desk, file)
    with pytest.raises(DeviceError):
        run(desk, visit, work, task(desk, "tiny", "identity", options=RestoreOptions(device="cuda:99")))
    assert work.results == []


def test_photos_of_one_name_get_two_in_the_archive_which_ends_with_its_results(
    desk: Desk, file: Path, tmp_path: Path
) -> None:
    same = tmp_path / "elsewhere" / file.name
    same.parent.mkdir()
    same.write_bytes(file.read_bytes())
    visit = desk.new_visit()
    desk.open_photos(visit, [file, same])
    packer = Packer(desk.files, load_catalog(desk.settings.weights))
    assert packer.offer(visit) == NOTHING
    for work in visit.works.values():
        run(desk, visit, work)
        desk.write_downloads(visit, work, "auto")
    parcels = packer.offer(visit)
    assert parcels.archive is not None and parcels.sheets is not None
    found = desk.files.find(parcels.archive.address.split("/")[1])
    assert found is not None
    with zipfile.ZipFile(found[0]) as archive:
        assert archive.namelist() == ["a photo_demoired.png", "a photo_demoired_2.png"]
        assert all(entry.compress_type == zipfile.ZIP_STORED for entry in archive.infolist())
    assert {language: set(kinds) for language, kinds in parcels.sheets.items()} == {
        "en": {"png", "pdf"},
        "zh-CN": {"png", "pdf"},
    }
    desk.open_photos(visit, [file])
    assert all(desk.files.find(parcel.address.split("/")[1]) is None for parcel in parcels.files())


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("", Ask("")),
        ("[1]", Ask("")),
        ('{"run": "7", "every": 1, "model": ["x"], "first": "all"}', Ask("7")),
        ('{"run": "7", "first": [0, 1, 2, 3], "box": [5, 0, 5, 9]}', Ask("7", first=(0, 1, 2, 3))),
        ('{"run": "7", "first": [0, -1, 2, 3], "box": [0, 0, 1.5, 9]}', Ask("7")),
        ('{"run": "7", "every": true, "model": "gan"}', Ask("7", model="gan", every=True)),
    ],
)
def test_what_a_browser_asks_is_read_with_care(text: str, asked: Ask) -> None:
    assert Ask.read(text) == asked


def test_the_lane_serves_in_the_order_of_arrival() -> None:
    lane = Lane()
    tickets = [lane.ticket() for _ in range(3)]
    assert [ticket.wait(0) for ticket in tickets] == [0, 1, 2]
    tickets[1].close()
    assert tickets[2].wait(0) == 1
    tickets[0].close()
    tickets[0].close()  # twice does no harm
    assert tickets[2].wait(0) == 0
