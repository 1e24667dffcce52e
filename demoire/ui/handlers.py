"""What each event of the restore tab does: runs a job and says what status line, viewer and download become."""

import re
from collections.abc import Generator
from contextlib import closing
from pathlib import Path, PurePosixPath
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder

from demoire.errors import DemoireError
from demoire.restore import RestoreOptions
from demoire.ui.jobs import Desk
from demoire.ui.routes import EXAMPLES
from demoire.ui.status import done, failed, progress, refused, status
from demoire.ui.visits import Result, Visit

#: What the viewer is told.
Shown = dict[str, Any]


def uploaded_file(path: object) -> Path | None:
    """The file that an upload left in Gradio's folder, where each lies in a folder named by the hash of its content.

    ``path`` comes from the browser: only the hash and the bare name are taken, so no other place can be reached.
    """
    parts = PurePosixPath(path).parts[-2:] if isinstance(path, str) else ()
    if len(parts) != 2 or not re.fullmatch("[0-9a-f]{64}", parts[0]) or parts[1] == ".." or "\0" in parts[1]:
        return None
    file = Path(get_upload_folder(), *parts)
    return file if file.is_file() else None


def _shown(visit: Visit) -> Shown:
    photo, result = visit.photo, visit.result
    return {"photo": photo and photo.describe(), "result": result and result.view.describe()}


class Handlers:
    """The events of the tab, for all visitors; what belongs to one visitor comes in as their visit."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def open_upload(self, visit: Visit | None, event: gr.EventData) -> tuple[Any, ...]:
        """Opens what the visitor's browser uploaded."""
        return self._open(uploaded_file(getattr(event, "path", None)), visit, event)

    def open_example(self, visit: Visit | None, event: gr.EventData) -> tuple[Any, ...]:
        """Opens one of the examples, by name."""
        example = EXAMPLES.get(getattr(event, "name", ""))
        return self._open(example.path if example else None, visit, event)

    def _open(self, path: Path | None, visit: Visit | None, event: gr.EventData) -> tuple[Any, ...]:
        visit = visit or self._desk.new_visit()
        self.cancel(str(getattr(event, "run", "")), visit)
        if path is None:
            return refused("error.not_uploaded"), gr.skip(), gr.skip(), visit
        try:
            self._desk.open_photo(visit, path)
        except DemoireError as error:
            return failed(error), gr.skip(), gr.skip(), visit
        return status("ready"), _shown(visit), gr.update(value=None, interactive=False), visit

    def restore(
        self, model: str, tile: str, device: str, run: str, visit: Visit | None
    ) -> Generator[tuple[Any, Any], None, None]:
        """Restores the photo, telling every tile; ``run`` is the name by which the browser may cancel it."""
        if visit is None or visit.photo is None:
            yield refused("error.no_photo"), gr.skip()
            return
        side = None if tile == "auto" else int(tile)
        options = RestoreOptions(model=model, device=device, tile=side, deadline=self._desk.settings.deadline)
        try:
            with closing(self._desk.restore(visit, visit.photo, options, run)) as events:
                for event in events:
                    yield progress(event, run), _shown(visit) if isinstance(event, Result) else gr.skip()
        except DemoireError as error:
            yield {**failed(error), "of": run}, gr.skip()

    def write_fresh(self, choice: str, visit: Visit | None) -> tuple[Any, Any]:
        """Writes the download of a run that has just finished; nothing to do after one that failed."""
        return (gr.skip(), gr.skip()) if visit is None or visit.written else self.write(choice, visit)

    def write(self, choice: str, visit: Visit | None) -> tuple[Any, Any]:
        """Writes the download of the last result in the chosen kind of file."""
        if visit is None or visit.result is None:
            return gr.skip(), gr.skip()
        result = visit.result
        try:
            download = self._desk.write_download(result, choice)
        except DemoireError as error:
            return failed(error), gr.skip()
        visit.written = True
        if visit.result is not result:  # another photo came meanwhile
            return gr.skip(), gr.skip()
        told = gr.skip() if visit.running else done(result, download.notices, download.path.name)
        return told, gr.update(value=download.path, interactive=True)

    def cancel(self, run: str, visit: Visit | None) -> None:
        """Ends a run within one tile. Gradio's own way stumbles where a tile is just being computed."""
        if visit is not None:
            visit.cancel(run)
