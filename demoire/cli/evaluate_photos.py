"""``python -m demoire evaluate --photos``: models on whole photos, shared at three sizes."""

import argparse
import json
from typing import TYPE_CHECKING

from demoire.cli import evaluation_table as table
from demoire.errors import DataError

if TYPE_CHECKING:
    from demoire.evaluate_photos import SharedScore, SharedSummary, WholePhoto

_LEAST, _MOST = 0.05, 14.0
"""Megapixels: below, the third of a photo is smaller than what models look at; above, rendering nears 6 GB."""


def score(args: argparse.Namespace) -> None:
    """Scores and prints; the table grows photo by photo."""
    _check(args)
    from demoire.evaluate import model_predict
    from demoire.evaluate_photos import score_photo, summarise_photos, take_photo
    from demoire.pairs import list_pictures
    from demoire.training.manifest import held_out_folder

    models = {name: model_predict(name, args.device) for name in args.model}
    pictures = list_pictures(args.content or held_out_folder())
    table.say(args, table.line(table.SHARED_HEAD))
    photos, scores = [], []
    for number in range(args.count):
        photo = take_photo(pictures, number, args.megapixels, args.seed)
        photos.append(_facts(photo))
        for shared in score_photo(photo, models):
            scores.append(shared)
            table.say(args, "\n".join(table.shared_lines(shared)))
    _show(args, photos, scores, {name: summarise_photos(scores, name) for name in models})


def _check(args: argparse.Namespace) -> None:
    if args.clips or args.pairs or args.clean or args.outputs or args.limit or args.perceptual:
        raise DataError(
            "--photos takes its own photos: leave --pairs, --clean, --clips, --outputs, --limit and --perceptual away."
        )
    if not args.model or len(set(args.model)) < len(args.model):
        raise DataError("--photos scores models: give --model at least once, each model once.")
    for name, least in (("count", 1), ("seed", 0)):
        if getattr(args, name) < least:
            raise DataError(f"--{name} must be at least {least}, not {getattr(args, name)}.")
    if not _LEAST <= args.megapixels <= _MOST:
        raise DataError(f"--megapixels must be from {_LEAST} to {_MOST:g}, not {args.megapixels:g}.")


def _show(
    args: argparse.Namespace,
    photos: list[table.Json],
    scores: "list[SharedScore]",
    summary: "dict[str, list[SharedSummary]]",
) -> None:
    if args.json:
        facts = {"megapixels": args.megapixels, "seed": args.seed, "sha256": table.weights_hashes(args.model)}
        print(json.dumps({**facts, "photos": photos, **table.shared_json(scores, summary)}, indent=1))
    else:
        print("\n".join(["", table.line(table.SHARED_SUMMARY_HEAD), *table.shared_summary_lines(summary)]))


def _facts(photo: "WholePhoto") -> table.Json:
    """What tells one photo from another."""
    height, width = photo.moire.shape[:2]
    scale = photo.parameters.geometry.scale
    return {"name": photo.name, "height": height, "width": width, "sensor_pixels_per_display_pixel": scale}
