"""A comparison on its way into a bundle: pictures without private metadata, and a preview for mails and chats."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from demoire.errors import OutputError, PictureError
from demoire.images import decode, encode, output_name
from demoire.picture import Limits, Picture
from demoire.shares.bundle import PREVIEW, Facts, SharedPane
from demoire.shares.preview import write_preview
from demoire.shares.privacy import shareable_exif, shareable_jpeg


@dataclass(frozen=True)
class DraftPane:
    """One picture to share.

    Attributes:
        key: its name in the view.
        role: "original", "result", "reference", "capture", "target" or "mask".
        picture: its pixels; those of a result may lie in a file.
        source: the file that holds exactly these pixels, if it is the visitor's own; a JPEG is then shared as such.
        label: a text of its own, or "".
        run: of a result: model, revision, device, ...
        figures: how good it is, where that is known.
    """

    key: str
    role: str
    picture: Picture
    source: Path | None = None
    label: str = ""
    run: Facts | None = None
    figures: Facts | None = None


@dataclass(frozen=True)
class Draft:
    """What a visitor shares; ``focus`` (x, y as shares of width and height) is where they look."""

    panes: tuple[DraftPane, ...]
    settings: Facts
    view: Facts
    title: str
    focus: tuple[float, float] = (0.5, 0.5)


def write_draft(draft: Draft, folder: Path) -> tuple[SharedPane, ...]:
    """Writes pictures and preview into ``folder`` and describes the pictures.

    Raises:
        OutputError: there is no picture, or one cannot be written.
    """
    if not draft.panes:
        raise OutputError("There is nothing to share yet; restore a photo first.")
    panes = tuple(_write_pane(pane, folder, number) for number, pane in enumerate(draft.panes))
    try:
        write_preview([pane.picture for pane in _previewed(draft.panes)], draft.focus, folder / PREVIEW)
    except OSError as error:
        raise OutputError("The preview of the link cannot be written; free some space.") from error
    return panes


def _previewed(panes: Sequence[DraftPane]) -> Sequence[DraftPane]:
    """The picture before and the first result, or whatever there is."""
    before = [pane for pane in panes if pane.role in ("original", "capture")]
    after = [pane for pane in panes if pane.role == "result"]
    return (*before[:1], *after[:1]) or panes[:1]


def _write_pane(pane: DraftPane, folder: Path, number: int) -> SharedPane:
    given = pane.picture  # of what it carries only this goes along
    picture = Picture(given.pixels, given.alpha, given.grey, given.icc, shareable_exif(given.exif), dpi=given.dpi)
    file = f"pane-{number}.jpg"
    if not (pane.source and _copy_jpeg(pane.source, pane.picture, folder / file)):
        file = f"pane-{number}.png"
        encode(picture, folder / file, "png")
    return SharedPane(
        key=pane.key,
        role=pane.role,
        file=file,
        name=_download_name(pane, file),
        label=pane.label,
        height=picture.height,
        width=picture.width,
        run=pane.run,
        figures=pane.figures,
    )


def _copy_jpeg(source: Path, picture: Picture, target: Path) -> bool:
    """Copies a JPEG without its private metadata, if ``picture`` is what comes out of the copy."""
    if picture.kind != "jpeg":
        return False
    try:
        data = shareable_jpeg(source.read_bytes())
        if data is None:
            return False
        target.write_bytes(data)
        copy = decode(target, limits=Limits(max_pixels=picture.height * picture.width))
    except (OSError, PictureError):
        target.unlink(missing_ok=True)
        return False
    if _same(copy.pixels, picture.pixels) and copy.icc == picture.icc:
        return True
    target.unlink()
    return False


def _same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return one.dtype == other.dtype and np.array_equal(one, other)


def _download_name(pane: DraftPane, file: str) -> str:
    """What a download is called: after the photo, with the model of a result."""
    restored = output_name(pane.picture.name, "png").removesuffix("_demoired.png")
    model = pane.run.get("model") if pane.run else None
    part = {"original": "", "result": f"_{model or 'demoired'}"}.get(pane.role, f"_{pane.role}")
    return f"{restored}{part}{Path(file).suffix}"
