"""``bench``: what restoring, or the page, costs on this machine."""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from demoire.bench import BenchOptions, Cost, measure
from demoire.catalog import WEIGHTS
from demoire.cli.clips import frame_rate
from demoire.clips.bench import ClipBenchOptions, ClipCost, measure_clips
from demoire.errors import DemoireError
from demoire.page_bench import PageCost, PageOptions, measure_page
from demoire.restore import RestoreOptions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of ``bench``."""
    default = BenchOptions()
    parser.add_argument("--model", default="cnn", help="model id (default %(default)s)")
    parser.add_argument(
        "--megapixels",
        type=float,
        nargs="+",
        metavar="MP",
        help=f"sizes of the pictures (default {' '.join(f'{size:g}' for size in default.megapixels)}; with --page one, "
        f"default {PageOptions.megapixels:g})",
    )
    parser.add_argument("--repeats", type=int, default=default.repeats, help="runs of each (default %(default)s)")
    parser.add_argument("--device", default="cpu", help="auto, cpu, cuda, cuda:1 or mps (default %(default)s)")
    parser.add_argument("--dtype", default="auto", help="auto, float32, bfloat16 or float16 (default %(default)s)")
    parser.add_argument("--tile", type=int, metavar="PIXELS", help="side of a tile (default: as memory allows)")
    parser.add_argument("--threads", type=int, help="threads of the CPU (default: as many as cores)")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, metavar="DIR", help="folder of models")
    parser.add_argument(
        "--page",
        action="store_true",
        help="the page in a real Chromium instead, by the model that it ticks: first tile, own time, start",
    )
    parser.add_argument(
        "--clips",
        type=float,
        nargs="+",
        metavar="SECONDS",
        help="instead of photos: clips of these lengths, 1080p, handed back by the model as they are",
    )
    parser.add_argument(
        "--rate",
        type=frame_rate,
        default=ClipBenchOptions.rate,
        metavar="FPS",
        help="frames a second of the clips (default %(default)s)",
    )
    parser.add_argument("--json", action="store_true")


def run(args: argparse.Namespace) -> int:
    """Measures and prints."""
    if args.clips:
        costs = measure_clips(ClipBenchOptions(tuple(args.clips), rate=args.rate))
        print(json.dumps([asdict(cost) for cost in costs]) if args.json else clip_table(costs))
        return 0
    if args.page:
        sizes = args.megapixels or [PageOptions.megapixels]
        if len(sizes) > 1:
            raise DemoireError("The page is measured with one size; give --megapixels one number.")
        page = measure_page(PageOptions(sizes[0], args.repeats, args.weights))
        print(json.dumps(asdict(page)) if args.json else page_table(page))
        return 0
    restoring = RestoreOptions(model=args.model, device=args.device, dtype=args.dtype, tile=args.tile)
    sizes = tuple(args.megapixels or BenchOptions.megapixels)
    cost = measure(BenchOptions(sizes, args.repeats, restoring, args.weights, args.threads))
    print(json.dumps(asdict(cost)) if args.json else table(cost))
    return 0


def clip_table(costs: Sequence[ClipCost]) -> str:
    """The cases as text."""
    lines = ["seconds  frames  frames/s  peak memory"]
    lines += [
        f"{cost.seconds:7g} {cost.frames:7d} {cost.frames_per_second:9.1f} {cost.peak_memory / 1e6:9.0f} MB"
        for cost in costs
    ]
    return "\n".join(lines)


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


def page_table(cost: PageCost) -> str:
    """The page's figures as text."""
    torch = {True: "yes", False: "no", None: "cannot be seen on this system"}[cost.torch_before_use]
    lines = [
        f"page, {cost.megapixels:g} MP, warm, medians of {len(cost.runs)}",
        f"first tile shown       {cost.first_tile:6.2f} s",
        f"own time               {cost.overhead:6.2f} s (all but the model and the lossless encoding)",
        f"start                  {cost.start:6.2f} s, {cost.ratio:.2f} times an empty page's {cost.empty_start:.2f} s",
        f"torch before its use   {torch}",
    ]
    lines += [
        f"run: first tile {run.first_tile:.2f} s, whole {run.whole:.2f}, file offered {run.offered:.2f}; "
        f"of these model {run.model:.1f}, encoding {run.encoding:.2f}"
        for run in cost.runs
    ]
    return "\n".join(lines)
