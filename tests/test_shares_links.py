"""What a visitor sees becomes a link and what a link holds becomes what a visitor sees; nothing is kept too long."""

import hashlib
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from shares import Clock, library, photo, pixels

from demoire.catalog import WEIGHTS, load_catalog
from demoire.comparison import Run, ViewState
from demoire.detect import Moire
from demoire.errors import DemoireError, LinkGoneError, OutputError
from demoire.images import decode
from demoire.picture import Limits, Picture
from demoire.restore import Restored
from demoire.ui import share_links
from demoire.ui.outcomes import Compared, Outcome
from demoire.ui.share_links import Links
from demoire.ui.share_panel import _asked
from demoire.ui.views import Views
from demoire.ui.visits import Photo, Reference, Result, Work

LOOK = ViewState(mode="split", zoom=2.0, x=0.25, y=0.75, a="original", b="result-2", hidden=("difference", "x"))
SETTINGS = {"models": ["rnn"], "tile": "768", "device": "auto", "format": "auto"}


class Place:
    """A page's views and links over a store."""

    def __init__(self, root: Path, name: str, clock: Clock | None = None) -> None:
        self.folder = root / name
        self.folder.mkdir()
        self.views = Views()
        self.clock = clock or Clock()
        self.links = Links(library(root / "store", self.clock), self.views, self.folder, Limits(), WEIGHTS)

    def result(self, key: str, seed: int, model: str = "cnn") -> Result:
        picture = Picture(pixels(seed=seed), name="我的 照片.jpg")
        run = Run(model, "cnn", "bundled", "cpu", "float32", 3, 1.5, box=None, strength=0.5)
        restored = Restored(picture, model, "bundled", "cpu", "float32", 3, 0, 1.5, ())
        return Result(key, run, self.views.add(picture, self.folder), state="done", restored=restored)

    def work(self) -> Work:
        path = photo(self.folder, "我的 照片.jpg", quality=90)
        picture = decode(path)
        work = Work(Photo(path, picture, self.views.add(picture, self.folder)))
        unfinished = replace(self.result("result-1", 5), restored=None, state="cancelled")
        work.results = [unfinished, self.result("result-2", 6), self.result("result-3", 7, "gone-model")]
        work.results[1].figures.update({"raw": 30.5, "bands_left": float("nan")})
        return work


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, "page")


def test_panes_runs_figures_and_place_come_back(place: Place, tmp_path: Path) -> None:
    work = place.work()
    truth = SimpleNamespace(pixels=pixels(seed=9), notices=())
    work.reference = Reference("true.png", truth, place.views.add(Picture(truth.pixels), place.folder))
    receipt = place.links.share(work, SETTINGS, LOOK, with_original=True)
    other = Place(tmp_path, "other")
    bundle, shown = other.links.open(receipt.id)
    assert bundle.settings == {**SETTINGS, "models": ["cnn", "gone-model"]}
    assert (shown.view, shown.name) == (LOOK, work.photo.name)
    assert [(pane.key, pane.role) for pane in shown.panes] == [
        ("original", "original"),
        ("result-2", "result"),
        ("result-3", "result"),
        ("reference", "reference"),
    ]
    wanted = [decode(work.photo.path).pixels, pixels(seed=6), pixels(seed=7), pixels(seed=9)]
    for pane, exact in zip(shown.panes, wanted, strict=True):
        view = other.views._views[pane.source.base.removeprefix("views/")]
        assert np.array_equal(view.level(0), exact)
        assert pane.file is not None and pane.file.address.startswith(f"s/{receipt.id}/pane-")
    assert shown.panes[1].run == work.results[1].run
    assert shown.panes[1].figures == {"raw": 30.5}
    assert shown.describe()["view"]["zoom"] == 2.0


def test_what_detector_and_discriminator_said_comes_back(place: Place, tmp_path: Path) -> None:
    work, moire = place.work(), Moire(0.97, 0.5, 0.34, "strong")
    work.results[1].run = replace(work.results[1].run, looks_clean=0.87, **asdict(moire))
    receipt = place.links.share(work, SETTINGS, replace(LOOK, mask=True), with_original=True)
    _, shown = Place(tmp_path, "other").links.open(receipt.id)
    original, result, unknown = shown.panes
    assert (original.moire, result.moire) == (moire, None)
    assert result.run is not None and (result.run.looks_clean, result.run.moire()) == (0.87, moire)
    assert unknown.run is not None and unknown.run.moire() is None
    assert shown.view is not None and shown.view.mask and not shown.view.patches


def test_what_a_program_shares_has_what_they_said(place: Place, tmp_path: Path) -> None:
    result = place.work().results[1]
    assert result.restored is not None
    source = photo(tmp_path, "a.jpg", quality=90)
    moire = Moire(0.1, 0.0, 0.0, "none")
    outcome = Outcome(load_catalog()["cnn"], result.restored, looks_clean=0.25)
    receipt = place.links.share_compared(Compared(decode(source), [outcome], None, moire), source, with_original=True)
    _, shown = place.links.open(receipt.id)
    assert shown.panes[0].moire == moire
    assert shown.panes[1].run is not None and shown.panes[1].run.looks_clean == 0.25


@pytest.mark.parametrize("change", [{"level": "huge"}, {"area": "34 %"}, {"strength": None}])
def test_what_is_no_such_statement_is_left_out(change: dict[str, object]) -> None:
    run = Run("cnn", "cnn", "bundled", "cpu", "float32", 3, 1.5, **asdict(Moire(0.97, 0.5, 0.34, "strong")))
    assert run.moire() is not None and replace(run, **change).moire() is None  # type: ignore[arg-type]


def test_models_are_pinned_by_revision_or_by_their_weights(place: Place) -> None:
    receipt = place.links.share(place.work(), SETTINGS, LOOK, with_original=False)
    known, unknown = (pane.run for pane in place.links.library.look(receipt.id).panes)
    weights = (WEIGHTS / "cnn" / "model.safetensors").read_bytes()
    assert known is not None and known["weights_sha256"] == hashlib.sha256(weights).hexdigest()
    assert unknown is not None and unknown["weights_sha256"] is None


def test_what_the_visitor_gave_is_shared_only_if_they_say_so(place: Place) -> None:
    receipt = place.links.share(place.work(), SETTINGS, LOOK, with_original=False)
    _, shown = place.links.open(receipt.id)
    assert [pane.key for pane in shown.panes] == ["result-2", "result-3"]


def test_without_a_finished_result_there_is_nothing_to_share(place: Place) -> None:
    work = place.work()
    work.results = work.results[:1]
    with pytest.raises(OutputError, match="restore the photo first"):
        place.links.share(work, SETTINGS, LOOK, with_original=True)


def test_an_opened_link_is_opened_once_and_checked_each_time(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    receipt = place.links.share(place.work(), SETTINGS, LOOK, with_original=True)
    first = place.links.open(receipt.id)
    monkeypatch.setattr(share_links, "decode", lambda *_: pytest.fail("decoded again"))
    assert place.links.open(receipt.id) == first
    count = len(place.views._views)
    place.links.delete(receipt.id, receipt.key)
    with pytest.raises(LinkGoneError):
        place.links.open(receipt.id)
    assert len(place.views._views) == count - 3
    assert list(place.folder.glob("link-*")) == []


def test_what_expired_or_was_deleted_elsewhere_is_let_go(tmp_path: Path) -> None:
    one = Place(tmp_path, "one")
    other = Place(tmp_path, "other", one.clock)
    receipt = one.links.share(one.work(), SETTINGS, LOOK, with_original=False)
    other.links.open(receipt.id)
    assert other.views._views
    one.clock.now = receipt.expires
    with pytest.raises(LinkGoneError):
        other.links.file(receipt.id, "pane-0.png")
    assert not other.views._views and list(other.folder.glob("link-*")) == []


@pytest.mark.parametrize("limit", ["MOST_OPEN", "MOST_BYTES"])
def test_the_least_recently_opened_go_first(limit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(tmp_path, "page")
    work = place.work()
    receipts = [place.links.share(work, SETTINGS, LOOK, with_original=False) for _ in range(3)]
    viewer = Place(tmp_path, "viewer", place.clock)
    one = viewer.links.open(receipts[0].id)
    size = viewer.links._opened[receipts[0].id].bytes
    monkeypatch.setattr(share_links, limit, 2 if limit == "MOST_OPEN" else 2 * size + size // 2)
    viewer.links.open(receipts[1].id)
    viewer.links.open(receipts[0].id)
    viewer.links.open(receipts[2].id)
    assert set(viewer.links._opened) == {receipts[0].id, receipts[2].id}
    assert viewer.links.open(receipts[0].id) == one
    assert len(list(viewer.folder.glob("link-*"))) == 2
    assert viewer.links.open(receipts[1].id)[0].title == "我的 照片.jpg"


@pytest.mark.parametrize("name", ["share.json", "../store", "pane-9.png", "", "pane-0.png/.."])
def test_only_files_of_the_bundle_are_handed_out(name: str, place: Place) -> None:
    receipt = place.links.share(place.work(), SETTINGS, LOOK, with_original=False)
    with pytest.raises(LinkGoneError):
        place.links.file(receipt.id, name)
    assert place.links.file(receipt.id, "pane-0.png").read_bytes().startswith(b"\x89PNG")


def test_a_link_that_is_too_large_for_this_page_gets_a_sentence(place: Place, tmp_path: Path) -> None:
    receipt = place.links.share(place.work(), SETTINGS, LOOK, with_original=False)
    small = Links(library(tmp_path / "store"), Views(), place.folder, Limits(max_pixels=100), WEIGHTS)
    with pytest.raises(DemoireError, match="megapixels"):
        small.open(receipt.id)


def test_views_of_earlier_versions_fall_back(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    receipt = place.links.share(place.work(), SETTINGS, LOOK, with_original=False)
    bundle = place.links.library.look(receipt.id)
    old = replace(bundle, view={"mode": "of another age"}, panes=(replace(bundle.panes[0], run={"model": "cnn"}),))
    monkeypatch.setattr(place.links.library, "look", lambda _: old)
    _, shown = place.links.open(receipt.id)
    assert shown.view == ViewState()
    assert shown.panes[0].run == Run("cnn", "", "", "", "", 0, 0.0)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"view": null, "original": true}', '{"view": {"zoom": "x"}}', "\0"])
def test_what_a_browser_says_is_read_with_care(text: str) -> None:
    """What is not as agreed shares less, not more."""
    assert _asked(text) == (ViewState(), False)
    assert _asked('{"view": {"zoom": 2}, "original": true}') == (ViewState(zoom=2), True)
