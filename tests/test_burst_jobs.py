"""Bursts on the page, without a browser: which photos help, what a pane says, parts, links, archives."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from test_burst import HEIGHT, WIDTH, other_screen, shot
from test_jobs import RUN, pixels, run

from demoire.burst import ALONE, MOST_PHOTOS
from demoire.catalog import load_catalog
from demoire.comparison import Box, ViewState
from demoire.images import decode
from demoire.restore import RestoreOptions
from demoire.shares import ShareSettings
from demoire.sheet import result_entry
from demoire.ui.handlers import Ask, Handlers, or_nothing
from demoire.ui.job import Progress, Task
from demoire.ui.jobs import Desk, Settings
from demoire.ui.parcels import Packer
from demoire.ui.texts import TEXTS
from demoire.ui.visits import Visit, Work
from tests.tiny import write_recurrent


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def desk(tmp_path: Path, weights: Path) -> Desk:
    write_recurrent(weights)
    (tmp_path / "visits").mkdir()
    return Desk(Settings(tmp_path / "visits", weights, shares=ShareSettings(str(tmp_path / "shares"))))


@pytest.fixture
def visit(desk: Desk, tmp_path: Path) -> Visit:
    """With three photos of one screen, one of another, and one of another size; the first is at hand."""
    pictures = [*(shot(number, 6) for number in range(3)), other_screen(), shot(4)[:-1]]
    paths = [tmp_path / f"{number}.png" for number in range(len(pictures))]
    for path, picture in zip(paths, pictures, strict=True):
        Image.fromarray(picture).save(path)
    visit = desk.new_visit()
    desk.open_photos(visit, paths)
    return visit


def task(desk: Desk, visit: Visit, work: Work, *models: str, burst: bool = True, box: Box | None = None) -> Task:
    catalog = load_catalog(desk.settings.weights)
    others = visit.burst(work) if burst else ()
    return Task(tuple(catalog[name] for name in models), RestoreOptions(device="cpu"), box, others)


def at_hand(visit: Visit) -> Work:
    assert visit.work is not None
    return visit.work


def test_photos_of_the_same_size_help_where_a_model_remembers(desk: Desk, visit: Visit) -> None:
    work = at_hand(visit)
    assert [picture.name for picture in visit.burst(work)] == ["1.png", "2.png", "3.png"]
    assert visit.burst(list(visit.works.values())[4]) == ()
    run(desk, visit, work, task(desk, visit, work, "identity", "rnn"))
    still, merged = work.results
    assert (still.run.photos, merged.run.photos) == (None, 3)
    assert merged.restored is not None and [notice.code for notice in merged.restored.notices] == ["burst_left_out"]
    clean = shot(0)[16:-16, 16:-16].astype(float)
    errors = [np.abs(pixels(desk, result)[16:-16, 16:-16] - clean).mean() for result in (still, merged)]
    assert errors[1] < 0.75 * errors[0]
    assert np.array_equal(pixels(desk, still), decode(work.photo.path).pixels)


def test_alone_and_as_a_burst_stand_side_by_side(desk: Desk, visit: Visit) -> None:
    work = at_hand(visit)
    for burst in (False, True, True):
        run(desk, visit, work, task(desk, visit, work, "rnn", burst=burst))
    assert [result.run.photos for result in work.results] == [1, 3]
    assert [pane.run.photos for pane in work.comparison().panes if pane.run] == [1, 3]


def test_a_photo_that_nothing_belongs_to_is_restored_alone(desk: Desk, visit: Visit) -> None:
    work = list(visit.works.values())[3]
    run(desk, visit, work, task(desk, visit, work, "rnn"))
    (result,) = work.results
    assert result.run.photos == 1 and result.restored is not None and result.restored.notices == (ALONE,)


def test_a_part_is_tried_with_the_same_part_of_the_others(desk: Desk, visit: Visit) -> None:
    work = at_hand(visit)
    box = (40, 50, 90, 120)
    for part in (None, box):
        run(desk, visit, work, task(desk, visit, work, "rnn", box=part))
    whole, tried = work.results
    assert tried.run.box == box and tried.run.photos == 3 and tried.state == "done"
    inside = np.index_exp[40:90, 50:120]
    assert np.abs(pixels(desk, tried)[inside].astype(int) - pixels(desk, whole)[inside]).max() <= 1


def test_a_cancelled_burst_shows_the_photo_alone_and_says_that_it_is_not_finished(desk: Desk, visit: Visit) -> None:
    work = at_hand(visit)
    events = desk.restore(visit, work, task(desk, visit, work, "rnn"), RUN)
    assert any(isinstance(event, Progress) for event in events)
    visit.cancel(RUN)
    assert list(events) == []
    (result,) = work.results
    assert result.state == "cancelled" and result.arrived == [(0, 0, HEIGHT, WIDTH)]
    assert np.array_equal(pixels(desk, result), decode(work.photo.path).pixels)


def test_links_sheets_and_archives_say_of_how_many_photos(desk: Desk, visit: Visit) -> None:
    work = at_hand(visit)
    run(desk, visit, work, task(desk, visit, work, "identity", "rnn"))
    desk.write_downloads(visit, work, "auto")
    receipt = desk.links.share(work, {}, ViewState(), with_original=False)
    _, comparison = desk.links.open(receipt.id)
    assert [pane.run.photos for pane in comparison.panes if pane.run] == [None, 3]
    parcels = Packer(desk.files, load_catalog(desk.settings.weights)).offer(visit)
    assert parcels.archive is not None
    found = desk.files.find(parcels.archive.address.split("/")[1])
    assert found is not None
    with zipfile.ZipFile(found[0]) as archive:
        assert [facts["photos"] for facts in json.loads(archive.read("results.json"))] == [None, 3]
    entries = load_catalog(desk.settings.weights)
    for result, words in zip(work.results, (0, 1), strict=True):
        assert result.restored is not None
        entry = result_entry(entries[result.run.model], result.restored, {}, lambda key: TEXTS[key].en)
        assert entry.facts.count("of 3 photos") == words


def ask(desk: Desk, visit: Visit, *models: str, burst: bool) -> list[dict[str, object]]:
    """What the status line is told of a run."""
    handlers = Handlers(desk, load_catalog(desk.settings.weights))
    text = json.dumps({"run": RUN, "burst": burst})
    told = [status for status, _ in handlers.restore(text, "auto", "cpu", visit, list(models))]
    return [status for status in told if "phase" in status]


def test_the_browser_asks_for_it(desk: Desk, visit: Visit) -> None:
    assert Ask.read('{"burst": true}') == replace(Ask.read(""), burst=True) and not Ask.read('{"burst": 1}').burst
    for burst, photos in ((False, 1), (True, 3)):
        ask(desk, visit, "rnn", burst=burst)
        assert at_hand(visit).results[-1].run.photos == photos


def test_what_is_said_last_says_everything(desk: Desk, visit: Visit) -> None:
    """The browser applies differences in place: a skip after an update would take back what nobody has shown yet."""
    handlers = Handlers(desk, load_catalog(desk.settings.weights))
    run = json.dumps({"run": RUN})
    status, panes = list(handlers.restore(run, "auto", "cpu", visit, ["identity"]))[-1]
    assert status["phase"] == "done" and status["encoding"] and len(panes["panes"]) == 2
    status, panes, parcels = list(handlers.write_fresh("auto", visit))[-1]
    assert status["runs"][0]["file"]["name"] and not status["encoding"]
    assert panes["panes"] and parcels["sheets"]
    nothing = list(handlers.write_fresh("auto", visit))
    assert [[answer.get("__type__") for answer in answers] for answers in nothing] == [["update"] * 3]
    assert [list(or_nothing(said, 0)) for said in ([], [1], [1, 2])] == [[0], [1], [1, 2]]


def test_too_many_photos_are_refused_only_where_they_would_be_a_burst(desk: Desk, tmp_path: Path) -> None:
    Image.fromarray(shot(0)[:40, :40]).save(tmp_path / "small.png")
    visit = desk.new_visit()
    desk.open_photos(visit, [tmp_path / "small.png"] * (MOST_PHOTOS + 1))
    (refusal,) = ask(desk, visit, "rnn", "identity", burst=True)
    assert (refusal["key"], refusal["places"]) == ("error.many_burst", {"most": 10}) and "error.many_burst" in TEXTS
    assert at_hand(visit).results == []
    for models, burst in ((("identity",), True), (("rnn",), False)):
        assert ask(desk, visit, *models, burst=burst)[-1]["phase"] != "failed"
    assert len(at_hand(visit).results) == 2
