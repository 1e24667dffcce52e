"""``collect``: fills a content folder with freely licensed pictures of Debian packages."""

import argparse
from pathlib import Path

from demoire.training.collect import ACCEPTED, collect


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of ``collect``."""
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="the content folder to fill")
    parser.add_argument(
        "--packages", type=Path, metavar="DIR", help="where packages are kept (default OUTPUT/packages)"
    )
    parser.add_argument(
        "--licences",
        nargs="+",
        default=list(ACCEPTED),
        metavar="FAMILY",
        help="licences to take, without version (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """Runs ``collect``."""
    total = 0
    for report in collect(args.output, args.packages or args.output / "packages", args.licences):
        total += report.taken
        print(
            f"{report.rule.package}: {report.taken} to {report.rule.folder}; left out: {report.small} small, "
            f"{report.repeated} repeated, {report.refused} for their licence"
        )
    print(f"{args.output}: {total} pictures")
    return 0
