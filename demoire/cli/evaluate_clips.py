"""``python -m demoire evaluate --clips``: a model on clips, against the CNN."""

import argparse
import json
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING

from demoire.cli import evaluation_table as table
from demoire.errors import DataError

if TYPE_CHECKING:
    from demoire.evaluate_clips import FramePredictor

_BASE = "cnn"
_LEAST_SIZE = 64


def score(args: argparse.Namespace) -> None:
    """Scores and prints; the table grows clip by clip."""
    if len(args.model) != 1:
        raise DataError("--clips scores one model against the CNN: give --model once.")
    if args.outputs or args.perceptual is not None:
        raise DataError("--clips scores frames as they are restored: leave --outputs and --perceptual away.")
    for name, least in (("count", 1), ("size", _LEAST_SIZE), ("seed", 0)):
        if getattr(args, name) < least:
            raise DataError(f"--{name} must be at least {least}, not {getattr(args, name)}.")
    with ExitStack() as stack:
        model, cnn = _open(args, stack)
        if args.pairs is None:
            _score_simulated(args, model, cnn)
        else:
            _score_pairs(args, model, cnn)


def _open(args: argparse.Namespace, stack: ExitStack) -> "tuple[FramePredictor, FramePredictor]":
    from demoire.clips.frames import open_restorer
    from demoire.loading import ModelCache
    from demoire.restore import RestoreOptions

    models = ModelCache()
    model, cnn = (
        stack.enter_context(open_restorer(models, RestoreOptions(model=name, device=args.device)))
        for name in (args.model[0], _BASE)
    )
    return model, cnn


def _score_simulated(args: argparse.Namespace, model: "FramePredictor", cnn: "FramePredictor") -> None:
    from demoire.evaluate_clips import score_clip, simulated_clips, steadiness, summarise_clips
    from demoire.pairs import list_pictures
    from demoire.training.manifest import held_out_folder

    pictures = list_pictures(args.content or held_out_folder())
    _say(args, table.line(table.CLIP_HEAD))
    scores = []
    for clip in simulated_clips(pictures, args.count, args.size, args.seed):
        scores.append(score_clip(clip, model, cnn))
        _say(args, "\n".join(table.clip_lines(scores[-1])))
    summary, ratio = asdict(summarise_clips(scores)), steadiness(scores)
    if args.json:
        found = {**_facts(args), "clips": table.clips_json(scores), "unsteadiness_ratio": ratio, "summary": summary}
        print(json.dumps(found, indent=1))
    else:
        print("\n".join(["", *(f"{key:<23}{value:+.3f}" for key, value in summary.items())]))


def _score_pairs(args: argparse.Namespace, model: "FramePredictor", cnn: "FramePredictor") -> None:
    from demoire.evaluate import summaries
    from demoire.evaluate_clips import moved_pairs, score_moved_pair
    from demoire.pairs import find_pairs, spread

    pairs = spread(find_pairs(args.pairs), args.limit)
    _say(args, table.line(table.PAIR_HEAD))
    scores = []
    for clip in moved_pairs(pairs, args.size, args.seed):
        scores.append(score_moved_pair(clip, model, cnn))
        _say(args, "\n".join(table.pair_lines(scores[-1])))
    summary = summaries(scores, scores[0].after)
    if args.json:
        print(json.dumps({**_facts(args), **table.pairs_json(scores, summary)}, indent=1))
    else:
        print("\n".join(["", table.line(table.SUMMARY_HEAD), *table.summary_lines(summary)]))


def _say(args: argparse.Namespace, text: str) -> None:
    """A part of the table, at once."""
    if not args.json:
        print(text, flush=True)


def _facts(args: argparse.Namespace) -> dict[str, object]:
    """What the figures hold for: the models by the hash of their weights."""
    from demoire.catalog import find_model

    names = (args.model[0], _BASE)
    hashes = {name: find_model(name).files["model.safetensors"].sha256 for name in names}
    return {"model": args.model[0], "sha256": hashes, "seed": args.seed, "size": args.size}
