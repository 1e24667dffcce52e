"""``python -m demoire evaluate-discriminator``: scores the discriminator."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from demoire.catalog import WEIGHTS
from demoire.errors import DataError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument(
        "--pairs", type=Path, nargs="*", default=[], metavar="DIR", help="folders with moire/ and clean/ photos"
    )
    parser.add_argument("--content", type=Path, metavar="POOL", help="content store to simulate captures of")
    parser.add_argument("--captures", type=int, default=400, metavar="N", help="how many (default %(default)s)")
    parser.add_argument(
        "--models", nargs="*", default=["cnn", "gan"], metavar="ID", help="whose results to judge (default cnn gan)"
    )
    parser.add_argument(
        "--weights", type=Path, default=WEIGHTS, metavar="DIR", help="folder of models with its catalogue"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")


def run(args: argparse.Namespace) -> int:
    """Scores and prints."""
    from demoire.evaluate import model_predict
    from demoire.evaluate_discriminator import score_real, score_simulated, summarise
    from demoire.loading import ModelCache
    from demoire.pairs import find_pairs
    from demoire.training.presets import find_preset

    models = ModelCache(weights=args.weights)
    generators = {model: model_predict(model, "cpu", args.weights) for model in args.models}
    sets = {folder.name: score_real(find_pairs(folder), generators, models) for folder in args.pairs}
    if args.content:
        simulator = find_preset("discriminator").simulator
        sets["simulated"] = score_simulated(args.content, simulator, args.captures, generators, models)
    if not sets:
        raise DataError("There is nothing to score: give --pairs or --content.")
    summaries = {name: summarise(scored) for name, scored in sets.items()}
    if args.json:
        print(json.dumps({"judged": sets, "summary": {k: asdict(v) for k, v in summaries.items()}}, indent=1))
        return 0
    for name, summary in summaries.items():
        means = "  ".join(f"{candidate} {mean:.3f}" for candidate, mean in summary.means.items())
        print(
            f"{name} ({summary.pairs} pairs): {means}; clean over moire {summary.clean_over_moire:.0%}, over restored "
            f"{summary.clean_over_restored:.0%}; calibration error {summary.calibration_error:.3f}"
        )
    return 0
