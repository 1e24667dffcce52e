"""``bench``: what restoring costs on this machine."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from demoire.bench import BenchOptions, Cost, measure
from demoire.catalog import WEIGHTS
from demoire.restore import RestoreOptions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of ``bench``."""
    default = BenchOptions()
    parser.add_argument("--model", default="cnn", help="model id (default %(default)s)")
    parser.add_argument(
        "--megapixels",
        type=float,
        nargs="+",
        default=default.megapixels,
        metavar="MP",
        help=f"sizes of the pictures (default {' '.join(f'{size:g}' for size in default.megapixels)})",
    )
    parser.add_argument("--repeats", type=int, default=default.repeats, help="runs of each (default %(default)s)")
    parser.add_argument("--device", default="cpu", help="auto, cpu, cuda, cuda:1 or mps (default %(default)s)")
    parser.add_argument("--dtype", default="auto", help="auto, float32, bfloat16 or float16 (default %(default)s)")
    parser.add_argument("--tile", type=int, metavar="PIXELS", help="side of a tile (default: as memory allows)")
    parser.add_argument("--threads", type=int, help="threads of the CPU (default: as many as cores)")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, metavar="DIR", help="folder of models")
    parser.add_argument("--json", action="store_true")


def run(args: argparse.Namespace) -> int:
    """Measures and prints."""
    restoring = RestoreOptions(model=args.model, device=args.device, dtype=args.dtype, tile=args.tile)
    cost = measure(BenchOptions(tuple(args.megapixels), args.repeats, restoring, args.weights, args.threads))
    print(json.dumps(asdict(cost)) if args.json else table(cost))
    return 0


def table(cost: Cost) -> str:
    """The medians as text."""
    lines = [
        f"{cost.model} on {cost.device}: {cost.macs_per_pixel:.0f} multiply-accumulates per pixel",
        "     MP   s/MP  of the machine's rate  computed  first tile  peak memory",
    ]
    lines += [
        f"{case.megapixels:7.1f} {case.seconds_per_megapixel:6.2f} {case.share:21.0%} {case.recomputation:9.2f}x "
        f"{case.first_tile:9.2f} s {case.peak_memory / 1e6:9.0f} MB"
        for case in cost.cases
    ]
    lines.append(f"a megapixel of the dearest size costs {cost.spread:.0%} more than one of the cheapest")
    return "\n".join(lines)
