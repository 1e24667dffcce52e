"""``python -m demoire evaluate``: scores models on photos with ground truth, clean pictures, or simulations."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from demoire.cli import evaluation_table as table
from demoire.errors import DataError

if TYPE_CHECKING:
    from demoire.evaluate import Candidate

_CLIPS, _PHOTOS = 24, 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--pairs", type=Path, metavar="DIR", help="holds moire/ and clean/, matched by number in the name"
    )
    what.add_argument("--clean", type=Path, metavar="DIR", help="clean pictures: PSNR of each result to its input")
    parser.add_argument("--model", action="append", default=[], metavar="ID", help="model id; may be repeated")
    parser.add_argument(
        "--outputs", action="append", default=[], metavar="NAME=DIR", help="a folder of restored pictures; repeatable"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, mps (default: auto)")
    parser.add_argument("--limit", type=int, metavar="N", help="only N pictures, spread evenly")
    parser.add_argument("--no-baselines", action="store_true", help="leave out the blurs and the classical filter")
    parser.add_argument(
        "--perceptual",
        type=Path,
        metavar="DIR",
        help="features made by lpips-weights: adds LPIPS (default: the setting DEMOIRE_PERCEPTUAL)",
    )
    _add_simulated(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")


def _add_simulated(parser: argparse.ArgumentParser) -> None:
    simulated = parser.add_argument_group("simulated clips and photos, whose truth is known")
    simulated.add_argument(
        "--clips",
        action="store_true",
        help="hand-held clips, one --model against the cnn; with --pairs: of real photos",
    )
    simulated.add_argument(
        "--photos", action="store_true", help="whole photos, shared at 1/1, 1/2 and 1/3 of their size"
    )
    simulated.add_argument(
        "--content", type=Path, metavar="DIR", help="pictures to show (default: those of the project)"
    )
    simulated.add_argument("--seed", type=int, default=1, help="same seed, same clips and photos (default %(default)s)")
    simulated.add_argument("--count", type=int, help=f"how many (default {_CLIPS} clips, {_PHOTOS} photos)")
    simulated.add_argument("--size", type=int, default=256, help="height and width of clips (default %(default)s)")
    simulated.add_argument("--megapixels", type=float, default=12.0, help="of photos (default %(default)g)")


def run(args: argparse.Namespace) -> int:
    """Scores and prints; the table grows picture by picture."""
    if args.limit is not None and args.limit < 1:
        raise DataError(f"--limit must be at least 1, not {args.limit}.")
    if args.count is None:
        args.count = _PHOTOS if args.photos else _CLIPS
    if args.photos:
        from demoire.cli import evaluate_photos

        evaluate_photos.score(args)
    elif args.clips and args.clean is None:
        from demoire.cli import evaluate_clips

        evaluate_clips.score(args)
    elif args.pairs is not None:
        _score_pairs(args)
    elif args.clean is not None and not args.clips:
        _score_clean(args)
    else:
        raise DataError("Say what to score: --pairs DIR, --clean DIR, --photos, --clips, or --clips with --pairs DIR.")
    return 0


def _score_pairs(args: argparse.Namespace) -> None:
    from demoire.evaluate import compare, folder_candidate, lpips_metric, summaries
    from demoire.metrics import METRICS, WITHOUT_REFERENCE
    from demoire.pairs import find_pairs, spread

    pairs = spread(find_pairs(args.pairs), args.limit)
    outputs = [folder_candidate(name, folder, pairs) for name, folder in map(_named_folder, args.outputs)]
    candidates = _checked([*_models_and_baselines(args), *outputs])
    metrics = {**METRICS, **WITHOUT_REFERENCE}
    if (features := _features(args.perceptual)) is not None:
        metrics["lpips"] = lpips_metric(features)
    table.say(args, table.line(table.PAIR_HEAD))
    scores = []
    for score in compare(pairs, candidates, metrics):
        scores.append(score)
        table.say(args, "\n".join(table.pair_lines(score)))
    summary = summaries(scores, [candidate.name for candidate in candidates])
    if args.json:
        print(json.dumps(table.pairs_json(scores, summary), indent=1))
    else:
        print("\n".join(["", table.line(table.SUMMARY_HEAD), *table.summary_lines(summary)]))


def _score_clean(args: argparse.Namespace) -> None:
    from demoire.evaluate import compare_clean, summarise_clean
    from demoire.pairs import list_pictures, spread

    if args.outputs:
        raise DataError("--outputs needs ground truth: give --pairs instead of --clean.")
    candidates = _checked(_models_and_baselines(args))
    table.say(args, table.line(table.CLEAN_HEAD))
    scores = {}
    for path, changes in compare_clean(spread(list_pictures(args.clean), args.limit), candidates):
        scores[path.name] = changes
        table.say(args, "\n".join(table.clean_lines(path.name, changes)))
    summary = summarise_clean(list(scores.values()))
    if args.json:
        print(json.dumps(table.clean_json(scores, summary), indent=1))
    else:
        print("\n".join(["", table.line(table.CLEAN_SUMMARY_HEAD), *table.clean_summary_lines(summary)]))


def _models_and_baselines(args: argparse.Namespace) -> "list[Candidate]":
    from demoire.evaluate import baseline_candidates, model_predict, predictor_candidate

    baselines = [] if args.no_baselines else baseline_candidates()
    return baselines + [predictor_candidate(name, model_predict(name, args.device)) for name in args.model]


def _checked(candidates: "list[Candidate]") -> "list[Candidate]":
    from demoire.evaluate import UNPROCESSED

    names = [UNPROCESSED, *(candidate.name for candidate in candidates)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"Two rows would be called '{twice}': give each --model once and each --outputs its own name.")
    return candidates


def _named_folder(text: str) -> tuple[str, Path]:
    name, separator, folder = text.partition("=")
    if not (name and separator and folder):
        raise DataError(f"--outputs takes NAME=DIR, not '{text}'.")
    return name, Path(folder)


def _features(option: Path | None) -> Path | None:
    from demoire.perceptual import find_folder

    return find_folder(option)
