"""``python -m demoire models``: which models there are."""

import argparse
import dataclasses
import json
from pathlib import Path

from demoire.catalog import WEIGHTS, load_catalog


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "--weights", type=Path, default=WEIGHTS, metavar="DIR", help="folder of models with its catalogue"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object a model")


def run(args: argparse.Namespace) -> int:
    """Lists the catalogue."""
    for entry in load_catalog(args.weights).values():
        if args.json:
            print(json.dumps(dataclasses.asdict(entry), ensure_ascii=False))
            continue
        size = sum(file.size for file in entry.files.values()) / 1e6
        origin = "bundled" if entry.bundled else entry.repo or "not available"
        print(
            f"{entry.id:<12} {entry.family:<6} {entry.architecture:<10} {entry.parameters / 1e6:5.2f} M parameters  "
            f"{entry.macs_per_pixel / 1e3:5.1f} kMAC/px  {size:5.1f} MB  {origin}  {entry.licence}\n"
            f"{'':<12} {entry.summary['en']}"
        )
    return 0
