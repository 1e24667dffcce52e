"""What programs may call on the page, through gradio_client: the only endpoints that are open."""

import secrets
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
from gradio.utils import get_upload_folder

from demoire.burst import Burst, restore_burst
from demoire.catalog import RESTORING, ModelEntry
from demoire.detect import DETECTOR, detect
from demoire.errors import DemoireError, UnknownNameError
from demoire.images import encode, output_kind, output_name
from demoire.opinions import Opinions
from demoire.picture import Picture
from demoire.restore import Event, Restored, RestoreOptions, restore
from demoire.ui.handlers import MOST_MODELS, uploaded_file
from demoire.ui.jobs import PATIENCE, Desk
from demoire.ui.lane import Ticket
from demoire.ui.outcomes import Compared, Outcome, judged, moire_facts
from demoire.ui.restore_tab import DEVICE_LANE, WAITING
from demoire.ui.share_routes import public_base
from demoire.ui.texts import LANGUAGES, TEXTS, error_texts

if TYPE_CHECKING:
    from demoire.loading import ModelCache

#: Restores something by the model of the options.
_Restoring = Callable[[RestoreOptions, "ModelCache"], Generator[Event, None, None]]


def build(desk: Desk, models: Mapping[str, ModelEntry]) -> None:
    """Adds the endpoints to the page; nothing of them is seen on it."""
    restoring = {name: entry for name, entry in models.items() if entry.family in RESTORING}
    if not restoring:
        return
    calls = _Calls(desk, restoring)
    photo, reference = gr.File(visible=False), gr.File(visible=False)
    first = gr.Textbox(next(iter(restoring)), visible=False)
    kind, language = gr.Textbox("auto", visible=False), gr.Textbox(LANGUAGES[0], visible=False)
    file, facts = gr.File(visible=False), gr.JSON(visible=False)
    sheet, files = gr.File(visible=False), gr.File(visible=False, file_count="multiple")
    opened = partial(_open, concurrency=WAITING)
    opened("restore", calls.restore, [photo, first, kind], [file, facts])
    opened("compare", calls.compare, [photo, first, reference, language], [sheet, files, facts])
    opened("share", calls.share, [photo, first, gr.Checkbox(True, visible=False)], facts)
    if able := [name for name, entry in restoring.items() if entry.remembers]:
        photos = gr.File(visible=False, file_count="multiple")
        remembering, chosen = gr.Textbox(able[0], visible=False), gr.Number(visible=False)
        opened("burst", calls.burst, [photos, remembering, chosen, kind], [file, facts])
    if DETECTOR in models:
        opened("detect", calls.detect, [photo], facts)


def _open(name: str, call: Any, inputs: list[Any], outputs: Any, concurrency: int) -> None:
    gr.Button(visible=False).click(
        call,
        inputs,
        outputs,
        api_name=name,
        api_visibility="public",
        show_progress="hidden",
        concurrency_id=DEVICE_LANE,
        concurrency_limit=concurrency,
    )


class _Calls:
    """The endpoints' work; errors reach the caller as their sentence."""

    def __init__(self, desk: Desk, models: Mapping[str, ModelEntry]) -> None:
        self._desk = desk
        self._models = models

    def restore(self, photo: str, model: str, kind: str) -> tuple[str, dict[str, Any]]:
        """Removes moire from a photo.

        Args:
            photo: a picture file.
            model: model id.
            kind: of the file that comes back: "auto" (as the photo, or PNG), "png" or "jpg".

        Returns:
            The restored picture as a file, and how it came about, with what detector and discriminator say of it.
        """
        try:
            entry, picture = self._model(model), self._picture(photo)
            return self._single(picture, entry, partial(restore, picture), kind)
        except DemoireError as error:
            raise _told(error) from error

    def burst(
        self, photos: list[str] | None, model: str, chosen: float | None = None, kind: str = "auto"
    ) -> tuple[str, dict[str, Any]]:
        """Makes one better photo of several of one screen.

        Args:
            photos: 2 to 10 picture files.
            model: id of a model that remembers (family rnn).
            chosen: which of the photos becomes better, from 1; None: the last.
            kind: of the file that comes back: "auto" (as the chosen photo, or PNG), "png" or "jpg".

        Returns:
            As ``restore``; ``photos`` tells of how many the picture is made, ``notices`` of those that were left out.
        """
        try:
            entry, files = self._remembering(model), [self._file(photo) for photo in photos or (None,)]
            best = self._desk.decode(files.pop(_place(chosen, len(files)) - 1))
            burst = Burst(best, tuple(partial(self._desk.decode, file) for file in files))
            return self._single(best, entry, partial(restore_burst, burst), kind)
        except DemoireError as error:
            raise _told(error) from error

    def compare(
        self, photo: str, models: str, reference: str | None = None, language: str = LANGUAGES[0]
    ) -> tuple[str, list[str], dict[str, Any]]:
        """Restores a photo by several models and compares them.

        Args:
            photo: a picture file.
            models: up to four model ids with commas between.
            reference: what the screen showed, as a picture file; None: no figures.
            language: of the sheet's labels, "en" or "zh-CN".

        Returns:
            The comparison sheet (PDF), the restored pictures, and figures and facts of all.
        """
        try:
            entries = [self._model(name.strip()) for name in models.split(",")][:MOST_MODELS]
            if language not in LANGUAGES:
                raise UnknownNameError.nearest("language", language, LANGUAGES)
            compared = self._compared(self._picture(photo), entries, reference)
            folder = _folder()
            sheet = folder / f"{Path(output_name(compared.photo.name, 'png')).stem}_sheet.pdf"
            compared.write_sheets([sheet], language)
            paths = [_written(outcome, folder) for outcome in compared.outcomes]
        except DemoireError as error:
            raise _told(error) from error
        return str(sheet), paths, compared.facts()

    def share(self, photo: str, models: str, original: bool, request: gr.Request) -> dict[str, Any]:
        """Restores a photo by several models and stores the comparison behind a link.

        Args:
            photo: a picture file.
            models: up to four model ids with commas between.
            original: whether the photo itself is shared, too.

        Returns:
            The link, the key that deletes it (told only now), and when it expires (seconds since 1970 UTC).
        """
        links = self._desk.links
        try:
            entries = [self._model(name.strip()) for name in models.split(",")][:MOST_MODELS]
            file, picture = uploaded_file(photo), self._picture(photo)
            compared = self._compared(picture, entries, None)
            receipt = links.share_compared(compared, file or Path(), with_original=original)
        except DemoireError as error:
            raise _told(error) from error
        base = public_base(request.request, links.library.settings.public_url)
        return {"link": f"{base}/s/{receipt.id}", "key": receipt.key, "expires": receipt.expires}

    def detect(self, photo: str) -> dict[str, Any]:
        """Tells whether a photo has moire.

        Args:
            photo: a picture file.

        Returns:
            probability, strength and area (0 to 1), found (bool), level ("none", "weak", "medium", "strong"), seconds.
        """
        try:
            picture = self._picture(photo)
            with closing(self._desk.lane.ticket()) as ticket:
                _wait(ticket)
                found = detect(picture, self._desk.loaded())
        except DemoireError as error:
            raise _told(error) from error
        return {name: getattr(found, name) for name in ("probability", "strength", "area", "found", "level", "seconds")}

    def _single(
        self, photo: Picture, model: ModelEntry, restoring: _Restoring, kind: str
    ) -> tuple[str, dict[str, Any]]:
        """One result as a file, and its facts."""
        written = output_kind(photo, kind)
        compared = self._judged(Compared(photo, [Outcome(model, self._restored(model, restoring))], None))
        (outcome,) = compared.outcomes
        path = _folder() / output_name(photo.name, written)
        notices = encode(outcome.restored.picture, path, written)
        facts = outcome.facts() | moire_facts(compared.moire)
        facts["notices"] += [notice.text for notice in notices]
        return str(path), facts

    def _compared(self, photo: Picture, entries: list[ModelEntry], reference: str | None) -> Compared:
        truth = None
        if reference:
            from demoire.reference import align

            truth = align(self._picture(reference), photo)
        outcomes = []
        for entry in entries:
            restored = self._restored(entry, partial(restore, photo))
            outcomes.append(Outcome(entry, restored, truth.score(restored.picture.pixels) if truth else {}))
        return self._judged(Compared(photo, outcomes, truth))

    def _judged(self, compared: Compared) -> Compared:
        with closing(self._desk.lane.ticket()) as ticket:
            _wait(ticket)
            return judged(compared, Opinions(self._desk.loaded()))

    def _model(self, name: str) -> ModelEntry:
        if name not in self._models:
            raise UnknownNameError.nearest("model", name, self._models)
        return self._models[name]

    def _remembering(self, name: str) -> ModelEntry:
        model = self._model(name)
        if not model.remembers:
            able = ", ".join(entry.id for entry in self._models.values() if entry.remembers)
            raise DemoireError(f"The model '{name}' sees one photo at a time; choose one that takes several: {able}.")
        return model

    def _file(self, path: str | None) -> Path:
        file = uploaded_file(path)
        if file is None:
            raise gr.Error(TEXTS["error.not_uploaded"].en, print_exception=False)
        return file

    def _picture(self, path: str | None) -> Picture:
        return self._desk.decode(self._file(path))

    def _restored(self, model: ModelEntry, restoring: _Restoring) -> Restored:
        with closing(self._desk.loaded().fetch(model.id)) as downloads:
            for _ in downloads:
                pass
        options = RestoreOptions(model=model.id, deadline=self._desk.settings.deadline)
        with closing(self._desk.lane.ticket()) as ticket:
            _wait(ticket)
            with closing(restoring(options, self._desk.loaded())) as events:
                for event in events:
                    if isinstance(event, Restored):
                        return event
        raise DemoireError("The model ended without a result; try again.")


def _told(error: DemoireError) -> gr.Error:
    return gr.Error(error_texts(error)["en"], print_exception=False)


def _place(chosen: object, photos: int) -> int:
    """Which of the photos is meant, from 1; whatever a program sent."""
    if chosen is None:
        return photos
    if not isinstance(chosen, int | float) or not 1 <= chosen <= photos or chosen != int(chosen):
        raise DemoireError(f"There are {photos} photos: chosen must be a whole number from 1 to {photos}.")
    return int(chosen)


def _wait(ticket: Ticket) -> None:
    while ticket.wait(PATIENCE):
        pass


def _written(outcome: Outcome, folder: Path) -> str:
    picture = outcome.restored.picture
    kind = output_kind(picture)
    name = Path(output_name(picture.name, kind))
    path = folder / f"{name.stem}_{outcome.model.id}{name.suffix}"
    encode(picture, path, kind)
    return str(path)


def _folder() -> Path:
    """A new folder among the uploads, where Gradio hands files out and sweeps them away later."""
    folder = Path(get_upload_folder(), secrets.token_hex(32))
    folder.mkdir(parents=True)
    return folder
