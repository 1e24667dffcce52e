"""``evaluate-text``: how well photographed text is read before and after restoring."""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from demoire.cli.evaluation_table import say
from demoire.errors import DataError, OutputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from demoire.ocr import TextScore


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of ``evaluate-text``."""
    parser.add_argument("--model", action="append", default=[], metavar="ID", help="model id; may be repeated")
    parser.add_argument(
        "--pages", type=int, default=16, metavar="N", help="pages, English and Chinese in turn (default %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of pages and photos (default %(default)s)")
    parser.add_argument("--device", default="auto", help="of the models: auto, cpu, cuda, mps (default %(default)s)")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="write photos, targets and restored pictures there")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")


def run(args: argparse.Namespace) -> int:
    """Reads page by page; prints error rates by language and together."""
    from demoire.evaluate import model_predict
    from demoire.fonts import FontBook
    from demoire.ocr import make_cases, score_case

    if args.pages < 1:
        raise DataError(f"--pages must be at least 1, not {args.pages}.")
    models = {name: model_predict(name, args.device) for name in args.model}
    scores = []
    for number, case in enumerate(make_cases(args.pages, args.seed, FontBook.find())):
        restored = {name: predict(case.moire) for name, predict in models.items()}
        scores.append(score_case(case, restored))
        if args.keep:
            _keep(args.keep, number, {"moire": case.moire, "clean": case.clean, **restored})
        say(args, f"page {number:3d} {_errors(scores[-1])}")
    _print_summary(scores, as_json=args.json)
    return 0


def _errors(score: "TextScore") -> str:
    counts = ", ".join(f"{name} {errors}" for name, errors in score.errors.items())
    return f"{score.language}: errors in {score.characters} characters: {counts}"


def _print_summary(scores: "Sequence[TextScore]", as_json: bool) -> None:
    from demoire.ocr import summarise

    languages = sorted({score.language for score in scores})
    groups = {language: [score for score in scores if score.language == language] for language in languages}
    summaries = {name: summarise(group) for name, group in {**groups, "all": list(scores)}.items()}
    if as_json:
        pages = [asdict(score) for score in scores]
        print(json.dumps({"pages": pages, "summary": {name: asdict(s) for name, s in summaries.items()}}, indent=1))
        return
    for name, summary in summaries.items():
        print(f"\n{name}: character error rate over {summary.pages} pages")
        for row, rate in summary.rates.items():
            change = summary.excess_change.get(row)
            note = "" if change is None else f"   in excess of the clean target's: {100 * change:+.0f} %"
            print(f"  {row:<16} {100 * rate:6.2f} %{note}")


def _keep(folder: Path, number: int, pictures: "Mapping[str, NDArray[np.uint8]]") -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, pixels in pictures.items():
            Image.fromarray(pixels).save(folder / f"{number:03d}_{name}.png")
    except OSError as error:
        raise OutputError(
            f"{folder} cannot be written ({error.strerror}); choose another folder with --keep."
        ) from error
