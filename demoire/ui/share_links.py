"""Links on the page: what a visitor sees becomes a bundle, and a bundle becomes what a visitor sees. No Gradio here."""

import math
import shutil
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, cast

from demoire.catalog import ModelEntry, load_catalog
from demoire.comparison import Comparison, File, Pane, Role, Run, ViewState
from demoire.errors import DataError, LinkGoneError, OutputError, WeightsError
from demoire.images import decode
from demoire.picture import Limits, Picture, Samples
from demoire.shares import Bundle, Draft, DraftPane, Library, Receipt, SharedPane
from demoire.ui.outcomes import Compared, moire_facts
from demoire.ui.views import View, Views
from demoire.ui.visits import Work, facts_of

#: How many opened links, and how many bytes of their views, are kept; the least recently asked for go first.
MOST_OPEN = 24
MOST_BYTES = 4 << 30


@dataclass
class _Opened:
    """A link whose files were fetched: their folder, and the views of its panes once somebody looked at them."""

    bundle: Bundle
    folder: Path
    lock: threading.Lock = field(default_factory=threading.Lock)
    views: tuple[View, ...] = ()

    @property
    def bytes(self) -> int:
        pixels = sum(view.height * view.width for view in self.views)
        return 4 * pixels + sum(file.size for file in self.bundle.files.values())


class Links:
    """All links of this page."""

    def __init__(self, library: Library, views: Views, folder: Path, limits: Limits, weights: Path) -> None:
        self.library = library
        self._views = views
        self._folder = folder
        self._limits = limits
        self._weights = weights
        self._opened: dict[str, _Opened] = {}
        self._lock = threading.Lock()

    def share(self, work: Work, settings: Mapping[str, Any], view: ViewState, *, with_original: bool) -> Receipt:
        """Stores a photo's finished results, and the photo and its reference if ``with_original``.

        Raises:
            OutputError: there is no finished result.
            DemoireError: as ``Library.share``.
        """
        panes = [
            _result(result.key, result.restored.picture, result.run, self._entry(result.run.model), result.figures)
            for result in work.results
            if result.restored
        ]
        if not panes:
            raise OutputError("There is nothing to share yet; restore the photo first.")
        photo, reference = work.photo, work.reference
        if with_original:
            picture = photo.picture
            panes.insert(0, _original(picture, photo.path, work.figures))
            if reference is not None:
                panes.append(_reference(reference.pixels, picture, reference.name))
        settings = {**settings, "models": list(dict.fromkeys(result.run.model for result in work.finished()))}
        return self.library.share(Draft(tuple(panes), settings, view.describe(), photo.name, focus=(view.x, view.y)))

    def share_compared(self, compared: Compared, source: Path, *, with_original: bool) -> Receipt:
        """Stores what a program asked for: results of the photo in the file ``source``; raises as ``share``."""
        panes = []
        for number, outcome in enumerate(compared.outcomes, start=1):
            done = outcome.restored
            said = {"looks_clean": outcome.looks_clean, **facts_of(done), **moire_facts(compared.moire)}
            run = Run(done.model, outcome.model.family, revision=outcome.model.revision, **said)
            panes.append(_result(f"result-{number}", done.picture, run, outcome.model, outcome.figures))
        photo, truth = compared.photo, compared.truth
        if with_original:
            panes.insert(0, _original(photo, source, truth.score(photo.pixels) if truth else {}))
            if truth:
                panes.append(_reference(truth.pixels, photo, ""))
        settings = {"models": [outcome.model.id for outcome in compared.outcomes]}
        return self.library.share(Draft(tuple(panes), settings, ViewState().describe(), photo.name))

    def _entry(self, model: str) -> ModelEntry | None:
        try:
            return load_catalog(self._weights).get(model)
        except WeightsError:
            return None

    def open(self, share_id: str) -> tuple[Bundle, Comparison]:
        """A link as a viewer shows it, at the place where it was shared. Runs no model.

        Raises:
            LinkGoneError: it cannot be opened (any more).
            DemoireError: the store, or a picture in it, cannot be read here.
        """
        opened = self._at(share_id)
        with opened.lock:
            if not opened.views:
                panes = opened.bundle.panes
                paths = [self._file(share_id, opened, pane.file) for pane in panes]
                opened.views = tuple(self._view(*pair, opened) for pair in zip(paths, panes, strict=True))
        self._make_room(share_id)
        return opened.bundle, _comparison(share_id, opened.bundle, opened.views)

    def file(self, share_id: str, name: str) -> Path:
        """A file of a link, its hash checked; raises as ``open``."""
        opened = self._at(share_id)
        with opened.lock:
            return self._file(share_id, opened, name)

    def delete(self, share_id: str, key: str) -> None:
        """Deletes a link; raises as ``Library.delete``."""
        self.library.delete(share_id, key)
        self._forget([share_id])

    def _at(self, share_id: str) -> _Opened:
        """The opened link; that it may be opened is asked of the store each time."""
        try:
            bundle = self.library.look(share_id)
        except LinkGoneError:
            self._forget([share_id])
            raise
        with self._lock:
            opened = self._opened.pop(share_id, None)
            if opened is None:
                opened = _Opened(bundle, Path(tempfile.mkdtemp(prefix="link-", dir=self._folder)))
            self._opened[share_id] = opened  # at the young end
        return opened

    def _file(self, share_id: str, opened: _Opened, name: str) -> Path:
        path = opened.folder / name
        if name not in opened.bundle.files:
            raise LinkGoneError
        if not path.is_file():
            self.library.fetch(share_id, opened.bundle, [name], opened.folder)
        return path

    def _view(self, path: Path, pane: SharedPane, opened: _Opened) -> View:
        return self._views.add(decode(path, pane.name, self._limits), opened.folder)

    def _make_room(self, kept: str) -> None:
        """Lets go of expired links, then of the least recently asked for; not of one that is being opened."""
        count, total, going = 0, 0, []
        with self._lock:
            for share_id, opened in reversed(self._opened.items()):
                count, total = count + 1, total + opened.bytes
                over = self.library.is_over(opened.bundle) or count > MOST_OPEN or total > MOST_BYTES
                if over and share_id != kept and not opened.lock.locked():
                    going.append(share_id)
        self._forget(going)

    def _forget(self, ids: Sequence[str]) -> None:
        with self._lock:
            gone = [opened for share_id in ids if (opened := self._opened.pop(share_id, None))]
        for opened in gone:
            for view in opened.views:
                self._views.remove(view)
            shutil.rmtree(opened.folder, ignore_errors=True)


def _original(picture: Picture, source: Path, figures: Mapping[str, float]) -> DraftPane:
    return DraftPane("original", "original", picture, source, picture.name, figures=_finite(figures))


def _reference(pixels: Samples, photo: Picture, name: str) -> DraftPane:
    """The true picture, brought to the photo's place and, by that, to its colours."""
    fitted = Picture(pixels, name=name or photo.name, icc=photo.icc)
    return DraftPane("reference", "reference", fitted, label=name)


def _result(key: str, picture: Picture, run: Run, entry: ModelEntry | None, figures: Mapping[str, float]) -> DraftPane:
    """A result; the hash of the weights pins a model that has no revision on the Hub."""
    weights = entry.files.get("model.safetensors") if entry else None
    facts = {**asdict(run), "weights_sha256": weights and weights.sha256}
    return DraftPane(key, "result", picture, run=facts, figures=_finite(figures))


def _finite(figures: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in figures.items() if math.isfinite(value)}


def _comparison(share_id: str, bundle: Bundle, views: Sequence[View]) -> Comparison:
    panes = tuple(_pane(share_id, pane, view) for pane, view in zip(bundle.panes, views, strict=True))
    moire = next((found for pane in panes if pane.run and (found := pane.run.moire())), None)
    panes = tuple(replace(pane, moire=moire) if pane.role == "original" else pane for pane in panes)
    try:
        view = ViewState.read(dict(bundle.view))
    except DataError:  # of an earlier version of the page: the pictures matter more
        view = ViewState()
    return Comparison(f"link-{share_id}", panes, view, bundle.title)


def _pane(share_id: str, pane: SharedPane, view: View) -> Pane:
    return Pane(
        key=pane.key,
        role=cast(Role, pane.role),
        source=view.source(),
        label=pane.label,
        run=None if pane.run is None else _run(pane.run),
        figures={name: float(value) for name, value in (pane.figures or {}).items() if isinstance(value, int | float)},
        file=File(f"s/{share_id}/{pane.file}", pane.name),
    )


def _run(facts: Mapping[str, Any]) -> Run:
    """What an earlier version did not know yet has its default; what a later one knows is left out."""
    unknown: dict[str, Any] = {"tiles": 0, "seconds": 0.0}
    known = {entry.name: facts[entry.name] for entry in fields(Run) if entry.name in facts}
    needed = ("model", "family", "origin", "device", "dtype", *unknown)
    values = {**{name: unknown.get(name, "") for name in needed}, **known}
    if isinstance(values.get("box"), list):
        values["box"] = tuple(values["box"])
    return Run(**values)
