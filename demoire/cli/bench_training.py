"""``bench-training``: captures rendered per second against crops used per second."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

import torch

from demoire.training.bench import measure
from demoire.training.presets import PRESETS, find_preset


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of ``bench-training``."""
    parser.add_argument("--preset", default="cnn", help=f"one of: {', '.join(PRESETS)} (default %(default)s)")
    parser.add_argument("--content", type=Path, required=True, metavar="POOL", help="content store made by prepare")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="default %(default)s")
    parser.add_argument("--repeats", type=int, default=8, help="batches and steps (default %(default)s)")
    parser.add_argument("--json", action="store_true")


def run(args: argparse.Namespace) -> int:
    """Measures and prints."""
    cost = measure(find_preset(args.preset), args.content, args.device, args.repeats)
    if args.json:
        print(json.dumps(asdict(cost)))
    else:
        print(
            f"{cost.device}: {cost.rendered_per_second:.2f} captures/s rendered, {cost.steps_per_second:.2f} steps/s "
            f"use {cost.used_per_second:.2f} crops/s: {cost.ratio:.2f} fresh captures for each crop"
        )
    return 0
