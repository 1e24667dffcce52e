"""``prepare``: makes a content store from folders of clean pictures and pages rendered here."""

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

from demoire.cli.progress import ProgressBar
from demoire.fonts import FontBook
from demoire.training.building import StoreOptions, build_store
from demoire.training.content import SPLITS, read_index
from demoire.training.manifest import complete_manifest, find_sources, picture_files, write_manifest
from demoire.training.packing import write_pack


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of ``prepare``."""
    default = StoreOptions(())
    parser.add_argument(
        "--content",
        type=Path,
        nargs="+",
        required=True,
        metavar="DIR",
        help="folders of clean pictures with a MANIFEST.tsv, or one pack",
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="POOL", help="the store's folder")
    parser.add_argument("--pages", type=int, default=default.pages, help="pages to render (default %(default)s)")
    parser.add_argument("--seed", type=int, default=default.seed, help="seed of the pages (default %(default)s)")
    parser.add_argument(
        "--longest",
        type=int,
        default=default.longest,
        help="larger pictures are reduced to this long side (default %(default)s px)",
    )
    parser.add_argument("--licence", help="licence of pictures that no manifest names")
    parser.add_argument("--packed", type=Path, metavar="FILE.zip", help="write a small pack of the store as well")
    parser.add_argument("--mebibytes", type=float, default=40, help="size limit of the pack (default %(default)s)")
    parser.add_argument(
        "--write-manifest",
        type=Path,
        metavar="FILE.tsv",
        help="write file, licence, author, source and sha256 of the content",
    )
    parser.add_argument("--workers", type=int, default=2, help="processes that decode (default %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Runs ``prepare``."""
    options = StoreOptions(tuple(args.content), args.pages, args.seed, args.longest, args.licence, args.workers)
    fonts = FontBook.find()
    if options.pages and fonts.complaint():
        print(fonts.complaint(), file=sys.stderr)
    if args.write_manifest:
        rows = [row for folder in args.content for row in complete_manifest(folder, find_sources(folder, args.licence))]
        write_manifest(rows, args.write_manifest)
        print(f"{args.write_manifest}: {len(rows)} pictures")
    begun = time.monotonic()
    bar = ProgressBar(args.output.name)
    for progress in build_store(options, args.output, fonts):
        bar.show(progress.done, progress.total, f"{progress.done} of {progress.total} pictures")
    bar.wipe()
    _, _, entries = read_index(args.output)
    for split in SPLITS:
        kinds = Counter(entry.kind for entry in entries[split])
        counts = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        size = sum(entry.size for entry in entries[split])
        print(f"{split}: {len(entries[split])} pictures ({counts}), {size / 1e6:.0f} MB")
    print(f"{args.output}: done in {time.monotonic() - begun:.0f} s")
    if args.packed:
        originals = {
            name: folder / name for folder in args.content if folder.is_dir() for name in picture_files(folder)
        }
        report = write_pack(args.output, args.packed, int(args.mebibytes * 2**20), originals)
        contents = ", ".join(f"{count} of {report.available[kind]} {kind}" for kind, count in report.packed.items())
        print(f"{args.packed}: {report.size / 2**20:.1f} MiB ({contents}; photos as JPEG {report.quality})")
    return 0
