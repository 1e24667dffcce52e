"""``python -m demoire models``: which models there are, and whether their files are at hand and good."""

import argparse
import json
import os
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from demoire.additions import local_models
from demoire.catalog import WEIGHTS, ModelEntry, find_model, load_catalog
from demoire.cli.progress import ProgressBar
from demoire.errors import WeightsError
from demoire.hub import Sources


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "--weights", type=Path, default=WEIGHTS, metavar="DIR", help="folder of models with its catalogue"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object a model")
    parser.add_argument("--fetch", nargs="+", default=[], metavar="ID", help="get these models' files from the Hub now")
    parser.add_argument("--verify", action="store_true", help="load every model whose files are at hand, and try it")


def run(args: argparse.Namespace) -> int:
    """Lists the models; the status is 1 if one could not be fetched or does not load."""
    sources = Sources(args.weights)
    failed = [model_id for model_id in args.fetch if not _fetch(find_model(model_id, args.weights), sources)]
    for complaint in _broken_folders():
        failed.append(complaint)
        print(f"demoire: {complaint}", file=sys.stderr)
    for entry in load_catalog(args.weights).values():
        facts: dict[str, Any] = {"id": entry.id, **entry.line(), "origin": sources.origin(entry)}
        if args.verify and facts["origin"] != "hub":
            facts["error"] = _error(entry, sources)
            if facts["error"]:
                failed.append(entry.id)
        print(json.dumps(facts, ensure_ascii=False) if args.json else _readable(facts))
    return 1 if failed else 0


def _fetch(entry: ModelEntry, sources: Sources) -> bool:
    """Gets the files and says from where they came."""
    try:
        with closing(sources.fetch(entry)) as events:
            ProgressBar(entry.id).show_fetching(events)
        resolved = sources.resolve(entry)
    except WeightsError as error:
        print(f"demoire: {error}", file=sys.stderr)
        return False
    print(f"{entry.id}: {resolved.origin}{f' ({resolved.notice.text})' if resolved.notice else ''}", file=sys.stderr)
    return True


def _broken_folders() -> list[str]:
    root = os.environ.get("DEMOIRE_MODELS_DIR")
    return [str(found) for found in local_models(Path(root)) if isinstance(found, WeightsError)] if root else []


def _error(entry: ModelEntry, sources: Sources) -> str | None:
    from demoire.loading import open_model

    try:
        open_model(sources.resolve(entry))
    except WeightsError as error:
        return str(error)
    return None


def _readable(facts: Mapping[str, Any]) -> str:
    size = sum(file["size"] for file in facts["files"].values()) / 1e6
    state = f"  {facts['error'] or 'verified'}" if "error" in facts else ""
    where = f"{facts['repo']}@{facts['revision']}" if facts["repo"] else "bundled only" if facts["bundled"] else "local"
    return (
        f"{facts['id']:<12} {facts['family']:<6} {facts['architecture']:<10} "
        f"{facts['parameters'] / 1e6:5.2f} M parameters  {facts['macs_per_pixel'] / 1e3:5.1f} kMAC/px  {size:5.1f} MB  "
        f"{facts['origin']}  {where}  {facts['licence']}{state}\n{'':<12} {facts['summary']['en']}"
    )
