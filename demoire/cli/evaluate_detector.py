"""``python -m demoire evaluate-detector``: scores the detector."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from demoire.catalog import WEIGHTS
from demoire.errors import DataError

if TYPE_CHECKING:
    from demoire.evaluate_detector import DetectorSummary, Scored
    from demoire.loading import ModelCache

_COLUMNS = ("positives", "negatives", "auc", "accuracy", "false_alarms", "strength_correlation", "mask_iou")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument(
        "--pairs", type=Path, nargs="*", default=[], metavar="DIR", help="folders with moire/ and clean/ photos"
    )
    parser.add_argument("--clean", type=Path, nargs="*", default=[], metavar="DIR", help="folders of clean pictures")
    parser.add_argument("--textures", type=int, default=0, metavar="N", help="N drawn textures that look like moire")
    parser.add_argument(
        "--content",
        type=Path,
        metavar="POOL",
        help="content store, scored itself and simulated captures of it",
    )
    parser.add_argument("--captures", type=int, default=288, metavar="N", help="how many (default %(default)s)")
    parser.add_argument(
        "--weights", type=Path, default=WEIGHTS, metavar="DIR", help="folder of models with its catalogue"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")


def run(args: argparse.Namespace) -> int:
    """Scores and prints; ``real`` sums up all pairs and clean pictures."""
    from demoire.evaluate_detector import summarise
    from demoire.loading import ModelCache

    models = ModelCache(weights=args.weights)
    real = _real_sets(args, models)
    summaries = {name: summarise(scored) for name, scored in real.items()}
    if len(real) > 1:
        summaries["real"] = summarise([one for scored in real.values() for one in scored])
    others, found = _other_sets(args, models)
    summaries |= found
    if not summaries:
        raise DataError("There is nothing to score: give --pairs, --clean, --textures or --content.")
    if args.json:
        scored = {name: [_described(one) for one in ones] for name, ones in (real | others).items()}
        print(json.dumps({"pictures": scored, "summary": {k: asdict(v) for k, v in summaries.items()}}, indent=1))
    else:
        print("\n".join(_table(summaries)))
    return 0


def _real_sets(args: argparse.Namespace, models: "ModelCache") -> "dict[str, list[Scored]]":
    from demoire.evaluate_detector import score_clean, score_pairs
    from demoire.pairs import find_pairs, list_pictures

    sets = {folder.name: score_pairs(find_pairs(folder), models) for folder in args.pairs}
    return sets | {folder.name: score_clean(list_pictures(folder), models) for folder in args.clean}


def _other_sets(
    args: argparse.Namespace, models: "ModelCache"
) -> "tuple[dict[str, list[Scored]], dict[str, DetectorSummary]]":
    from demoire.evaluate_detector import score_content, score_simulated, score_textures, simulated_cases, summarise
    from demoire.training.presets import find_preset

    sets, summaries = {}, {}
    if args.textures:
        sets["textures"] = score_textures(args.textures, models)
        summaries["textures"] = summarise(sets["textures"])
    if args.content:
        sets["content"] = score_content(args.content, models)
        summaries["content"] = summarise(sets["content"])
        cases = simulated_cases(args.content, find_preset("detector").simulator, args.captures)
        sets["simulated"], mask_iou = score_simulated(cases, models)
        summaries["simulated"] = summarise(sets["simulated"], mask_iou)
    return sets, summaries


def _described(scored: "Scored") -> dict[str, object]:
    found = scored.detection
    return {
        "name": scored.name,
        "moire": scored.moire,
        "probability": round(found.probability, 4),
        "strength": round(found.strength, 4),
        "area": round(found.area, 4),
        "true_strength": scored.truth,
    }


def _table(summaries: "dict[str, DetectorSummary]") -> list[str]:
    lines = ["  ".join([f"{'':12}", *(f"{column:>20}" for column in _COLUMNS)])]
    for name, summary in summaries.items():
        cells = [getattr(summary, column) for column in _COLUMNS]
        shown = ["-" if c is None else f"{c:.3f}" if isinstance(c, float) else str(c) for c in cells]
        lines.append("  ".join([f"{name:12}", *(f"{cell:>20}" for cell in shown)]))
    return lines
