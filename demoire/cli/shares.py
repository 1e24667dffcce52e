"""``python -m demoire shares list|delete|purge``: the links of a store, for its host."""

import argparse
import json
import time

from demoire.errors import LinkGoneError
from demoire.shares import Entry, Library, ShareSettings, open_library


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("--store", metavar="PLACE", help="folder or hf://buckets/owner/name (default: DEMOIRE_SHARES)")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="all links, one a line")
    listing.add_argument("--json", action="store_true", help="print one JSON object a link")
    deletion = actions.add_parser("delete", help="delete links, no key needed")
    deletion.add_argument("ids", nargs="+", metavar="ID", help="what stands after /s/ in the link")
    purge = actions.add_parser("purge", help="delete expired and damaged links and what was left unfinished")
    purge.add_argument("--all", action="store_true", help="delete every link")


def run(args: argparse.Namespace) -> int:
    """Does what ``args.action`` says."""
    settings = ShareSettings.from_environment()
    library = open_library(ShareSettings(args.store) if args.store else settings)
    match args.action:
        case "list":
            for entry in library.entries():
                print(json.dumps(_facts(entry), ensure_ascii=False) if args.json else _line(entry))
        case "delete":
            _delete(library, args.ids)
        case "purge":
            states = ("ok", "newer", "expired", "damaged") if args.all else ("expired", "damaged")
            gone = library.purge(states)
            print(f"{len(gone)} links deleted, {sum(entry.size for entry in gone) / 1e6:.1f} MB.")
    return 0


def _delete(library: Library, ids: list[str]) -> None:
    known = {entry.id for entry in library.entries()}
    for share_id in ids:
        if share_id not in known:
            raise LinkGoneError(f"There is no link '{share_id}'; 'shares list' shows all there are.")
    library.discard(ids)
    print(f"{len(ids)} links deleted.")


def _facts(entry: Entry) -> dict[str, object]:
    bundle = entry.bundle
    return {
        "id": entry.id,
        "state": entry.state,
        "bytes": entry.size,
        "created": bundle and bundle.created,
        "expires": bundle and bundle.expires,
        "title": bundle and bundle.title,
        "panes": [pane.role for pane in bundle.panes] if bundle else [],
    }


def _line(entry: Entry) -> str:
    line = f"{entry.id}  {entry.state:<7} {entry.size / 1e6:8.1f} MB"
    if entry.bundle is None:
        return line
    created, expires = (_date(when) for when in (entry.bundle.created, entry.bundle.expires))
    return f"{line}  {created} to {expires}  {entry.bundle.title!r}"


def _date(when: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(when))
