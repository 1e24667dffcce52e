"""``publish``: puts models on the Hugging Face Hub and pins them in a catalogue."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from demoire.catalog import WEIGHTS, load_catalog
from demoire.entries import CATALOG_FILE, ModelEntry, write_catalog
from demoire.errors import DataError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of ``publish``."""
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "folder", nargs="?", type=Path, metavar="MODEL_DIR", help="config.json, model.safetensors, README.md"
    )
    what.add_argument("--all", action="store_true", help="every bundled model, as NAMESPACE/demoire-<id>")
    parser.add_argument("--repo", metavar="OWNER/NAME", help="where MODEL_DIR goes")
    parser.add_argument("--namespace", metavar="NAME", help="whose the repositories of --all are")
    parser.add_argument("--private", action="store_true", help="make new repositories private")
    parser.add_argument(
        "--dry-run", action="store_true", help="check everything, show what would go up, upload nothing"
    )
    parser.add_argument(
        "--catalog", type=Path, metavar="FILE", help="write the pinned lines there (--all: the bundled catalogue)"
    )
    parser.add_argument(
        "--weights", type=Path, default=WEIGHTS, metavar="DIR", help="folder of the bundled models with its catalogue"
    )


def run(args: argparse.Namespace) -> int:
    """Checks all models before the first goes up; each one that is up is written to the catalogue at once."""
    from demoire.hub.publishing import check_folder, publish

    jobs = [(check_folder(folder, entry), repo) for folder, entry, repo in _jobs(args)]
    catalog = args.catalog or (args.weights / CATALOG_FILE if args.all else None)
    for checked, repo in jobs:
        for name, data in checked.files.items():
            print(f"{repo}/{name}  {len(data)} bytes")
        if args.dry_run:
            continue
        published = publish(checked, repo, private=args.private)
        print(json.dumps({published.entry.id: published.entry.line()}, ensure_ascii=False, indent=1))
        if catalog:
            write_catalog(catalog, [published.entry])
    if args.dry_run:
        print("Nothing was uploaded.")
    return 0


def _jobs(args: argparse.Namespace) -> Iterator[tuple[Path, ModelEntry | None, str]]:
    """Folder, catalogue entry and repository of each model to publish."""
    if not args.all:
        if not args.repo:
            raise DataError("Say where the model goes: --repo OWNER/NAME.")
        yield args.folder, None, args.repo
        return
    if not args.namespace:
        raise DataError("Say whose the repositories are: --namespace NAME.")
    for entry in load_catalog(args.weights, {}).values():
        if entry.bundled:
            yield args.weights / entry.id, entry, f"{args.namespace}/demoire-{entry.id}"
