"""``compare``: one photo through several models, on a sheet to mail; with the screen's true content also in figures."""

import argparse
import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from demoire.catalog import WEIGHTS, find_model
from demoire.cli.progress import ProgressBar
from demoire.entries import ModelEntry
from demoire.errors import OutputError
from demoire.images import SUFFIXES as PICTURES
from demoire.images import Picture, decode, encode, output_kind, output_name
from demoire.opinions import Opinions
from demoire.restore import RestoreOptions, restore
from demoire.sheet import SUFFIXES
from demoire.ui.outcomes import Compared, Outcome, judged
from demoire.ui.texts import LANGUAGES

if TYPE_CHECKING:
    from demoire.loading import ModelCache
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
    parser.add_argument("--json", action="store_true", help="print figures and facts as one JSON object")


def _place(text: str) -> tuple[int, int]:
    try:
        x, y = (int(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"two whole numbers X,Y are needed, not '{text}'") from error
    return y, x


def run(args: argparse.Namespace) -> int:
    """Restores, scores, writes; in a folder also the results themselves and all figures as JSON."""
    from demoire.loading import ModelCache

    models = [find_model(name.strip(), args.weights) for name in args.models.split(",")]
    targets = _targets(args.output, args.photo)
    photo = decode(args.photo)
    truth = _truth(photo, args.reference)
    cache = ModelCache(weights=args.weights)
    compared = judged(Compared(photo, _outcomes(photo, models, truth, cache, args.device), truth), Opinions(cache))
    notices = compared.write_sheets(targets, args.language, args.at)
    facts = {"sheets": [str(target) for target in targets], **compared.facts()}
    if args.output not in targets:
        _write_all(compared, args.output, facts)
    if args.json:
        facts["notices"] = [notice.text for notice in notices]
        print(json.dumps(facts, ensure_ascii=False))
        return 0
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
    photo: Picture, models: Sequence[ModelEntry], truth: "Truth | None", cache: "ModelCache", device: str
) -> list[Outcome]:
    outcomes = []
    for model in models:
        bar = ProgressBar(model.id)
        with closing(cache.fetch(model.id)) as events:
            bar.show_fetching(events)
        restored = bar.follow(restore(photo, RestoreOptions(model=model.id, device=device), cache))
        outcomes.append(Outcome(model, restored, truth.score(restored.picture.pixels) if truth else {}))
    return outcomes


def _write_all(compared: Compared, folder: Path, facts: dict[str, Any]) -> None:
    """Beside the sheets: each result as ``restore`` writes it, the reference and the differences, the ``facts``.

    Each result's name is added to these.
    """
    photo, truth = compared.photo, compared.truth
    kind = output_kind(photo)
    name = Path(output_name(photo.name, kind))
    for done, told in zip(compared.outcomes, facts["results"], strict=True):
        told["file"] = f"{name.stem}_{done.model.id}{name.suffix}"
        encode(done.restored.picture, folder / told["file"], kind)
        if truth:
            difference = Picture(truth.difference(done.restored.picture.pixels))
            encode(difference, folder / f"difference_{done.model.id}.png", "png")
    if truth:
        encode(Picture(truth.pixels, icc=photo.icc), folder / "reference.png", "png")
    try:
        (folder / "figures.json").write_text(json.dumps(facts, indent=1, ensure_ascii=False), encoding="utf-8")
    except OSError as error:
        raise OutputError(f"'{folder}' cannot be written ({error.strerror}); choose another folder.") from error
