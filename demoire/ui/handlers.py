"""What each event of the restore tab does: runs a job and says what status line, viewer and downloads become."""

import json
import re
import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import gradio as gr
from gradio.utils import get_upload_folder

from demoire.burst import MOST_PHOTOS as MOST_BURST
from demoire.catalog import ModelEntry
from demoire.comparison import Box
from demoire.errors import DemoireError
from demoire.restore import LookedOver, RestoreOptions
from demoire.ui.findings import Findings
from demoire.ui.job import Finished, Progress, Task
from demoire.ui.jobs import Desk
from demoire.ui.parcels import NOTHING, Packer
from demoire.ui.routes import EXAMPLES
from demoire.ui.status import Status, done, failed, progress, refused, status
from demoire.ui.visits import MOST_PHOTOS, Visit, Work

#: How many models run side by side.
MOST_MODELS = 4
#: Smallest time between two messages about tiles, in seconds.
PACE = 0.1

Said = TypeVar("Said")
#: What the viewer and the list of photos are told.
Shown = dict[str, Any] | None


def uploaded_file(path: object) -> Path | None:
    """The file that an upload left in Gradio's folder, where each lies in a folder named by the hash of its content.

    ``path`` comes from the browser: only the hash and the bare name are taken, so no other place can be reached.
    """
    parts = PurePosixPath(path).parts[-2:] if isinstance(path, str) else ()
    if len(parts) != 2 or not re.fullmatch("[0-9a-f]{64}", parts[0]) or parts[1] == ".." or "\0" in parts[1]:
        return None
    file = Path(get_upload_folder(), *parts)
    return file if file.is_file() else None


@dataclass(frozen=True)
class Ask:
    """What the browser asks for beside the settings.

    Attributes:
        run: the name by which it may cancel.
        first: the part of the photo that it shows.
        box: the part that it wants to try; None: the whole photo.
        model: instead of the ticked ones.
        every: all photos, not only the one at hand.
        burst: the other photos of the same size help, where a model remembers.
    """

    run: str
    first: Box | None = None
    box: Box | None = None
    model: str | None = None
    every: bool = False
    burst: bool = False

    @classmethod
    def read(cls, text: str) -> "Ask":
        """Reads what the browser sent; what is not as agreed counts as not said."""
        try:
            data = json.loads(text)
        except ValueError:
            data = None
        data = data if isinstance(data, dict) else {}
        model = data.get("model")
        return cls(
            run=str(data.get("run", "")),
            first=_box(data.get("first")),
            box=_box(data.get("box")),
            model=model if isinstance(model, str) else None,
            every=data.get("every") is True,
            burst=data.get("burst") is True,
        )


def _box(value: object) -> Box | None:
    if not isinstance(value, list) or len(value) != 4 or not all(type(edge) is int and edge >= 0 for edge in value):
        return None
    top, left, bottom, right = value
    return (top, left, bottom, right) if top < bottom and left < right else None


def _within(box: Box | None, work: Work) -> Box | None:
    """The box cut to the photo; None where nothing is left."""
    view = work.photo.view
    return box and _box([box[0], box[1], min(box[2], view.height), min(box[3], view.width)])


def shown(visit: Visit) -> Shown:
    """The viewer's value."""
    stamp = time.time_ns()
    return {**visit.work.comparison().describe(), "stamp": stamp} if visit.work else None


def listed(visit: Visit) -> Shown:
    """The value of the list of photos."""
    stamp = time.time_ns()
    works = list(visit.works.values())
    photos = [
        {
            "key": work.photo.view.token,
            "name": work.photo.name,
            "kind": work.photo.picture.kind.upper(),
            "height": work.photo.view.height,
            "width": work.photo.view.width,
            "preview": f"views/{work.photo.view.token}/{work.photo.view.levels - 1}/0/0",
            "looked": work.looked,
            "moire": work.moire and asdict(work.moire),
        }
        for work in works
    ]
    at_hand = visit.work
    reference = at_hand.reference.name if at_hand and at_hand.reference else None
    at = at_hand.photo.view.token if at_hand else None
    return {"photos": photos, "at": at, "reference": reference, "stamp": stamp}


def or_nothing(said: Iterable[Said], nothing: Said) -> Generator[Said, None, None]:
    """What is said to the page, or ``nothing``, where Gradio would make Nones of a generator that says nothing.

    Never one after the other, and what is said last must say everything: differences to what came before are applied in
    place in the browser, so of two that come at once the first becomes what the second makes of it. An update that is
    followed by none would be lost.
    """
    silent = True
    for value in said:
        silent = False
        yield value
    if silent:
        yield nothing


def _resting(work: Work) -> Status:
    """The status while nothing runs."""
    return done(work.results, work.reference) if work.results else status("ready")


class Handlers:
    """The events of the tab, for all visitors; what belongs to one visitor comes in as their visit."""

    def __init__(self, desk: Desk, models: Mapping[str, ModelEntry]) -> None:
        self._desk = desk
        self._models = models
        self._findings = Findings(desk)
        self._packer = Packer(desk.files, models)

    def open_upload(self, visit: Visit | None, event: gr.EventData) -> tuple[Any, ...]:
        """Opens what the visitor's browser uploaded."""
        paths = getattr(event, "paths", None)
        return self._open([uploaded_file(path) for path in paths] if isinstance(paths, list) else [], visit, event)

    def open_example(self, visit: Visit | None, event: gr.EventData) -> tuple[Any, ...]:
        """Opens one of the examples, by name."""
        example = EXAMPLES.get(getattr(event, "name", ""))
        return self._open([example.path] if example else [], visit, event)

    def _open(self, paths: Sequence[Path | None], visit: Visit | None, event: gr.EventData) -> tuple[Any, ...]:
        visit = visit or self._desk.new_visit()
        self.cancel(str(getattr(event, "run", "")), visit)
        files = [path for path in paths if path is not None]
        kept = (gr.skip(), gr.skip(), gr.skip(), visit)
        if not files or len(files) < len(paths):
            return refused("error.not_uploaded"), *kept
        if len(files) > MOST_PHOTOS:
            return refused("error.too_many_files", {"most": MOST_PHOTOS}), *kept
        try:
            self._desk.open_photos(visit, files)
        except DemoireError as error:
            return failed(error), *kept
        return status("ready"), shown(visit), NOTHING.describe(), listed(visit), visit

    def select(self, visit: Visit | None, event: gr.EventData) -> tuple[Any, ...]:
        """Shows another one of the visitor's photos."""
        work = visit.works.get(str(getattr(event, "key", ""))) if visit else None
        if visit is None or work is None:
            return gr.skip(), gr.skip(), gr.skip(), gr.skip()
        visit.work = work
        told = gr.skip() if visit.running else _resting(work)
        return told, shown(visit), self._packer.offer(visit).describe(), listed(visit)

    def open_reference(self, visit: Visit | None, event: gr.EventData) -> tuple[Any, ...]:
        """Takes the true content of the screen for the photo at hand, or, without a path, takes it away."""
        if visit is None or visit.work is None:
            return refused("error.no_photo"), gr.skip(), gr.skip(), gr.skip()
        work, sent = visit.work, getattr(event, "path", None)
        path = uploaded_file(sent)
        if sent is not None and path is None:
            return refused("error.not_uploaded"), gr.skip(), gr.skip(), gr.skip()
        try:
            if path is None:
                visit.take_reference(work, None)
            else:
                self._desk.open_reference(visit, work, path)
        except DemoireError as error:
            return failed(error), gr.skip(), gr.skip(), gr.skip()
        return _resting(work), shown(visit), self._packer.offer(visit).describe(), listed(visit)

    def look(self, visit: Visit | None) -> Generator[tuple[Any, Any], None, None]:
        """Looks for moire in photos that have just come, when nobody else waits for the device."""
        found = ((shown(visit), listed(visit)) for _ in self._findings.look(visit)) if visit else ()
        yield from or_nothing(found, (gr.skip(), gr.skip()))

    def judge(self, visit: Visit | None) -> Generator[Any, None, None]:
        """Judges results that have just been finished, when nobody else waits for the device."""
        yield from or_nothing((shown(visit) for _ in self._findings.judge(visit)) if visit else (), gr.skip())

    def restore(
        self, ask: str, tile: str, device: str, visit: Visit | None, *ticked: list[str] | None
    ) -> Generator[tuple[Any, Any], None, None]:
        """Restores, telling every tile."""
        asked = Ask.read(ask)
        names = [asked.model] if asked.model else [name for names in ticked for name in names or []]
        models = tuple(self._models[name] for name in names if name in self._models)
        if visit is None or visit.work is None:
            yield self._refuse("error.no_photo", asked)
        elif not models:
            yield self._refuse("error.no_model", asked)
        elif len(models) > MOST_MODELS:
            yield self._refuse("error.many_models", asked)
        elif asked.burst and any(model.remembers for model in models) and len(visit.burst(visit.work)) >= MOST_BURST:
            yield self._refuse("error.many_burst", asked, {"most": MOST_BURST})
        else:
            side = None if tile == "auto" else int(tile)
            options = RestoreOptions(
                device=device, tile=side, deadline=self._desk.settings.deadline, first=_within(asked.first, visit.work)
            )
            try:
                yield from self._restore(visit, Task(models, options, _within(asked.box, visit.work)), asked)
            except DemoireError as error:
                yield {**failed(error), "of": asked.run}, shown(visit)

    def _refuse(self, key: str, asked: Ask, places: Mapping[str, Any] | None = None) -> tuple[Any, Any]:
        return {**refused(key, places), "of": asked.run}, gr.skip()

    def _restore(self, visit: Visit, task: Task, asked: Ask) -> Generator[tuple[Any, Any], None, None]:
        at_hand = visit.work
        others = [work for work in visit.works.values() if asked.every and work is not at_hand]
        failure: DemoireError | None = None
        told: Any = gr.skip()
        for work in [at_hand, *others] if at_hand else []:
            try:
                for told, panes in self._restore_one(visit, work, task, asked):
                    yield told, panes
            except DemoireError as error:  # the other photos go on
                failure = error
        if failure:
            raise failure
        yield told, shown(visit)

    def _restore_one(self, visit: Visit, work: Work, task: Task, asked: Ask) -> Generator[tuple[Any, Any], None, None]:
        spoke = 0.0
        task = replace(task, others=visit.burst(work)) if asked.burst else task
        with closing(self._desk.restore(visit, work, task, asked.run)) as events:
            for event in events:
                if isinstance(event, LookedOver | Progress) and time.monotonic() - spoke < PACE:
                    continue
                spoke = time.monotonic()
                told = shown(visit) if isinstance(event, Progress | Finished) else gr.skip()
                yield {**progress(event), "of": asked.run}, told

    def write_fresh(self, choice: str, visit: Visit | None) -> Generator[tuple[Any, ...], None, None]:
        """Scores and writes the results of a run that has just finished; nothing to do after one that failed."""
        yield from self._write(choice, visit, fresh_only=True)

    def write(self, choice: str, visit: Visit | None) -> Generator[tuple[Any, ...], None, None]:
        """Writes all downloads in the chosen kind of file."""
        yield from self._write(choice, visit, fresh_only=False)

    def _write(self, choice: str, visit: Visit | None, fresh_only: bool) -> Generator[tuple[Any, ...], None, None]:
        written = self._written(choice, visit, fresh_only) if visit else ()
        yield from or_nothing(written, (gr.skip(), gr.skip(), gr.skip()))

    def _written(self, choice: str, visit: Visit, fresh_only: bool) -> Generator[tuple[Any, ...], None, None]:
        anything = False
        for work in list(visit.works.values()):
            try:
                written = self._desk.write_downloads(visit, work, choice, fresh_only)
                anything |= bool(written)
                if written and visit.work is work:
                    yield self._told(visit, work), shown(visit), gr.skip()
                if written and work.reference:
                    self._desk.score(work)
                    yield self._told(visit, work), shown(visit), gr.skip()
            except DemoireError as error:
                yield failed(error), shown(visit), gr.skip()
                return
        if anything:  # everything again: see ``or_nothing``
            told = self._told(visit, visit.work) if visit.work else gr.skip()
            yield told, shown(visit), self._packer.offer(visit).describe()

    def _told(self, visit: Visit, work: Work) -> Any:
        return gr.skip() if visit.running else _resting(work)

    def cancel(self, run: str, visit: Visit | None) -> None:
        """Ends a run within one tile. Gradio's own way stumbles where a tile is just being computed."""
        if visit is not None:
            visit.cancel(run)
