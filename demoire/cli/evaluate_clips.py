"""``python -m demoire evaluate --clips``: a model on clips, against the CNN."""

import argparse
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

from demoire.cli import evaluation_table as table
from demoire.errors import DataError

if TYPE_CHECKING:
    from demoire.evaluate_clips import ClipScores, FramePredictor

_BASE = "cnn"
_MOST_WORKERS = 4
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
        if args.pairs is None:
            _score_simulated(args, stack)
        else:
            _score_pairs(args, *_open(args, stack, 1)[0])


def _open(args: argparse.Namespace, stack: ExitStack, times: int) -> "list[tuple[FramePredictor, FramePredictor]]":
    """The model and the CNN, opened so many times: each remembers frames of its own."""
    from demoire.clips.frames import open_restorer
    from demoire.loading import ModelCache
    from demoire.restore import RestoreOptions

    models = ModelCache()
    model, cnn = (RestoreOptions(model=name, device=args.device) for name in (args.model[0], _BASE))
    return [
        (stack.enter_context(open_restorer(models, model)), stack.enter_context(open_restorer(models, cnn)))
        for _ in range(times)
    ]


def _score_clips(args: argparse.Namespace, pictures: list[Path], stack: ExitStack) -> "Iterator[ClipScores]":
    """Renders and scores clips, several at once: one clip's small frames do not keep all cores busy."""
    import torch

    from demoire.evaluate_clips import score_clip, simulated_clip

    workers = min(os.cpu_count() or 1, _MOST_WORKERS, args.count) if args.device in ("auto", "cpu") else 1
    free: SimpleQueue[tuple[FramePredictor, FramePredictor]] = SimpleQueue()
    for pair in _open(args, stack, workers):
        free.put(pair)

    def score_one(number: int) -> "ClipScores":
        pair = free.get()
        try:
            return score_clip(simulated_clip(pictures, number, args.size, args.seed), *pair)
        finally:
            free.put(pair)

    threads = max(1, torch.get_num_threads() // workers)
    pool = stack.enter_context(ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(threads,)))
    return pool.map(score_one, range(args.count))


def _score_simulated(args: argparse.Namespace, stack: ExitStack) -> None:
    from demoire.evaluate_clips import steadiness, summarise_clips
    from demoire.pairs import list_pictures
    from demoire.training.manifest import held_out_folder

    pictures = list_pictures(args.content or held_out_folder())
    table.say(args, table.line(table.CLIP_HEAD))
    scores = []
    for score in _score_clips(args, list(pictures), stack):
        scores.append(score)
        table.say(args, "\n".join(table.clip_lines(score)))
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
    table.say(args, table.line(table.PAIR_HEAD))
    scores = []
    for clip in moved_pairs(pairs, args.size, args.seed):
        scores.append(score_moved_pair(clip, model, cnn))
        table.say(args, "\n".join(table.pair_lines(scores[-1])))
    summary = summaries(scores, scores[0].after)
    if args.json:
        print(json.dumps({**_facts(args), **table.pairs_json(scores, summary)}, indent=1))
    else:
        print("\n".join(["", table.line(table.SUMMARY_HEAD), *table.summary_lines(summary)]))


def _facts(args: argparse.Namespace) -> dict[str, object]:
    """What the figures hold for: the models by the hash of their weights."""
    hashes = table.weights_hashes((args.model[0], _BASE))
    return {"model": args.model[0], "sha256": hashes, "seed": args.seed, "size": args.size}
