"""``convert``: makes a model folder of a checkpoint that somebody else publishes."""

import argparse
from pathlib import Path

from demoire.catalog import RESTORING
from demoire.conversion import Conversion, convert
from demoire.models import architectures


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of ``convert``."""
    parser.add_argument(
        "checkpoint", type=Path, metavar="CHECKPOINT", help="the .pth file; only weights are read of it"
    )
    parser.add_argument("--arch", required=True, choices=architectures(), help="the network that it belongs to")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="DIR", help="the model's folder; its name is the model's id"
    )
    parser.add_argument("--family", choices=RESTORING, default="cnn", help="default: %(default)s")
    parser.add_argument("--licence", default="unknown", help="licence of the weights, for the card")
    parser.add_argument(
        "--datasets", nargs="*", default=[], metavar="NAME", help="what it was trained on, for the card"
    )
    parser.add_argument("--source", default="", metavar="TEXT", help="where it is from, for the card")
    parser.add_argument("--photo", type=Path, help="a real photo on which the halo is measured (default: an example)")


def run(args: argparse.Namespace) -> int:
    """Writes configuration, weights, card and catalogue line."""
    from demoire.training.export import read_photo

    example = Path(__file__).resolve().parents[1] / "ui" / "examples" / "sheet.jpg"
    conversion = Conversion(args.arch, args.family, args.licence, tuple(args.datasets), args.source)
    entry = convert(args.checkpoint, args.output, conversion, read_photo(args.photo or example))
    for name, file in entry.files.items():
        print(f"{args.output / name}  {file.size} bytes  sha256 {file.sha256}")
    print(f"DEMOIRE_MODELS_DIR={args.output.absolute().parent} shows it on the page as '{entry.id}'.")
    return 0
