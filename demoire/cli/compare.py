"""``compare``: one photo through several models, on a sheet to mail; with the screen's true content also in figures."""

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demoire.catalog import WEIGHTS, find_model
from demoire.cli.progress import ProgressBar
from demoire.entries import ModelEntry
from demoire.errors import OutputError
from demoire.fonts import FontBook
from demoire.images import SUFFIXES as PICTURES
from demoire.images import Picture, decode, encode, output_kind, output_name
from demoire.restore import Restored, RestoreOptions, restore
from demoire.sheet import (
    SUFFIXES,
    Sheet,
    chinese_missing,
    original_entry,
    reference_entry,
    result_entry,
    write_sheet,
)
from demoire.ui.texts import LANGUAGES, TEXTS, notice_texts

if TYPE_CHECKING:
    from demoire.reference import Truth


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("photo", type=Path, metavar="PHOTO")
    parser.add_argument("--models", default="cnn", metavar="ID,ID", help="1 to 4 model ids (default: cnn)")
    parser.add_argument("--reference", type=Path, metavar="R", help="what the screen showed, such as a screenshot")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="OUT", help="SHEET.png, SHEET.pdf, or a folder for all"
    )
    parser.add_argument(
        "--at", type=_place, action="append", default=[], metavar="X,Y", help="show this place (may be repeated)"
    )
    parser.add_argument("--language", choices=LANGUAGES, default=LANGUAGES[0], help="of the labels")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps (default: auto)")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, metavar="DIR", help="folder of models")


def _place(text: str) -> tuple[int, int]:
    try:
        x, y = (int(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"two whole numbers X,Y are needed, not '{text}'") from error
    return y, x


@dataclass(frozen=True)
class Outcome:
    """A model's result; ``figures`` is empty without a reference."""

    model: ModelEntry
    restored: Restored
    figures: Mapping[str, float] = field(default_factory=dict)


def run(args: argparse.Namespace) -> int:
    """Restores, scores, writes; in a folder also the results themselves and all figures as JSON."""
    models = [find_model(name.strip(), args.weights) for name in args.models.split(",")]
    targets = _targets(args.output, args.photo)
    photo = decode(args.photo)
    truth = _truth(photo, args.reference)
    outcomes = _outcomes(photo, models, truth, args)
    fonts = FontBook.find()
    missing = chinese_missing(fonts) if args.language != LANGUAGES[0] else None
    language = LANGUAGES[0] if missing else args.language
    notices = [*(truth.notices if truth else ()), *([missing] if missing else [])]

    def say(key: str) -> str:
        return TEXTS[key].per_language()[language]

    results = [result_entry(done.model, done.restored, done.figures, say) for done in outcomes]
    entries = [original_entry(photo, truth.score(photo.pixels) if truth else {}, say), *results]
    if truth:
        entries.append(reference_entry(Picture(truth.pixels, icc=photo.icc), say))
    notes = tuple(notice_texts(notice)[language] for notice in notices)
    sheet = Sheet(tuple(entries), tuple(args.at), notes)
    for target in targets:
        write_sheet(sheet, target, say, fonts)
    if args.output not in targets:
        _write_all(photo, truth, outcomes, args.output)
    print(args.output)
    for notice in notices:
        print(f"  {notice.text}")
    return 0


def _targets(output: Path, photo: Path) -> list[Path]:
    """The sheet that was asked for, or those in the folder, which is made."""
    if output.suffix.lower() in SUFFIXES:
        if output.resolve() == photo.resolve():
            raise OutputError(f"'{output}' is the photo itself; choose another output, photos are never overwritten.")
        return [output]
    if output.suffix.lower() in PICTURES:
        raise OutputError(f"'{output}' cannot be written: a sheet is a .png or .pdf file; change the name.")
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder '{output}' cannot be made ({error.strerror}); choose another one.") from error
    return [output / f"sheet{suffix}" for suffix in SUFFIXES]


def _truth(photo: Picture, reference: Path | None) -> "Truth | None":
    if reference is None:
        return None
    from demoire.reference import align

    return align(decode(reference), photo)


def _outcomes(
    photo: Picture, models: Sequence[ModelEntry], truth: "Truth | None", args: argparse.Namespace
) -> list[Outcome]:
    from demoire.loading import ModelCache

    cache = ModelCache(weights=args.weights)
    outcomes = []
    for model in models:
        bar = ProgressBar(model.id)
        with closing(cache.fetch(model.id)) as events:
            bar.show_fetching(events)
        restored = bar.follow(restore(photo, RestoreOptions(model=model.id, device=args.device), cache))
        outcomes.append(Outcome(model, restored, truth.score(restored.picture.pixels) if truth else {}))
    return outcomes


def _write_all(photo: Picture, truth: "Truth | None", outcomes: Sequence[Outcome], folder: Path) -> None:
    """Beside the sheets: each result as ``restore`` writes it, the reference and the differences, the figures."""
    kind = output_kind(photo)
    told: list[dict[str, Any]] = []
    for done in outcomes:
        name = Path(output_name(photo.name, kind))
        target = folder / f"{name.stem}_{done.model.id}{name.suffix}"
        encode(done.restored.picture, target, kind)
        if truth:
            encode(
                Picture(truth.difference(done.restored.picture.pixels)),
                folder / f"difference_{done.model.id}.png",
                "png",
            )
        told.append({"file": target.name, **_facts(done), "figures": _finite(done.figures)})
    facts: dict[str, Any] = {"photo": photo.name, "height": photo.height, "width": photo.width, "results": told}
    if truth:
        encode(Picture(truth.pixels, icc=photo.icc), folder / "reference.png", "png")
        facts["unprocessed"] = _finite(truth.score(photo.pixels))
        facts["reference"] = {"likeness": truth.likeness, "box": truth.box}
    try:
        (folder / "figures.json").write_text(json.dumps(facts, indent=1, ensure_ascii=False), encoding="utf-8")
    except OSError as error:
        raise OutputError(f"'{folder}' cannot be written ({error.strerror}); choose another folder.") from error


def _facts(done: Outcome) -> dict[str, Any]:
    files = {name: file.sha256 for name, file in done.model.files.items()}
    run = {name: getattr(done.restored, name) for name in ("model", "origin", "device", "dtype", "tiles", "seconds")}
    return {**run, "family": done.model.family, "revision": done.model.revision, "sha256": files}


def _finite(figures: Mapping[str, float]) -> dict[str, float | None]:
    return {name: value if math.isfinite(value) else None for name, value in figures.items()}
