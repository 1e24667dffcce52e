"""``train``: trains a network on simulated captures, on pairs of the user's own, or on both."""

import argparse
import sys
from pathlib import Path

import torch
from torch import Tensor

from demoire.perceptual import find_folder
from demoire.training.adversarial_loop import AdversarialTrainer
from demoire.training.curves import draw_curves
from demoire.training.loop import Report, Trainer
from demoire.training.options import Precision, TrainOptions
from demoire.training.presets import PRESETS, Preset, find_preset
from demoire.training.sequence_loop import SequenceTrainer

FINE_STEPS, FINE_RATE = 2_000, 1e-4
"""A short schedule, slow enough to keep what the weights know, where trained ones are fitted to somebody's pairs."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of ``train``."""
    parser.add_argument("--preset", default="cnn", help=f"what to train: {', '.join(PRESETS)} (default %(default)s)")
    parser.add_argument("--content", type=Path, metavar="POOL", help="content store made by prepare")
    parser.add_argument(
        "--pairs",
        type=Path,
        metavar="DIR",
        help="photos in moire/ and clean pictures in clean/, matched by number; with --content, half of each batch",
    )
    parser.add_argument(
        "--run", type=Path, required=True, metavar="DIR", help="this training's folder; goes on if it has a checkpoint"
    )
    _add_schedule(parser)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu", help="default %(default)s")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--init", metavar="MODEL", help="start from the weights of this bundled model (default: the preset's)"
    )
    _add_pool(parser)
    parser.add_argument(
        "--precision",
        choices=("auto", "float32", "bfloat16"),
        default="auto",
        help="auto: what a short measurement finds fastest",
    )
    parser.add_argument(
        "--validation", type=int, default=64, help="captures of the validation set (default %(default)s)"
    )
    parser.add_argument(
        "--perceptual",
        type=Path,
        metavar="DIR",
        help="VGG16 features of lpips-weights, where the preset needs them",
    )
    parser.add_argument("--threads", type=int, help="processor threads of the training itself")


def _add_schedule(parser: argparse.ArgumentParser) -> None:
    length = parser.add_mutually_exclusive_group()
    length.add_argument(
        "--steps",
        type=int,
        help=f"length of the schedule in steps (default: the preset's; {FINE_STEPS} with --pairs and --init)",
    )
    length.add_argument("--minutes", type=float, help="length of the schedule in minutes of training, over all slices")
    parser.add_argument(
        "--slice", type=float, metavar="MINUTES", help="stop after so long and save; the same command goes on"
    )
    parser.add_argument(
        "--rate",
        type=float,
        help=f"highest learning rate (default: the preset's; {FINE_RATE:g} with --pairs and --init)",
    )


def _add_pool(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--fresh", action="store_true", help="render every batch anew (default on cuda) instead of using a pool"
    )
    parser.add_argument(
        "--no-renew", action="store_true", help="leave the pool as it is once its first captures are there"
    )
    parser.add_argument(
        "--first", type=int, default=600, help="captures in the pool before training begins (default %(default)s)"
    )


def _initial_weights(named: str | None, preset: Preset) -> tuple[dict[str, Tensor], ...]:
    """Those of a bundled model; a recurrent network takes the CNN that is bundled now."""
    from demoire.loading import load_model

    ids = dict.fromkeys([named or preset.begins_with, *([preset.begins_with] if preset.sequences else [])])
    return tuple(load_model(model_id).module.state_dict() for model_id in ids if model_id)


def run(args: argparse.Namespace) -> int:
    """Runs ``train``."""
    preset = find_preset(args.preset)
    if args.threads:
        torch.set_num_threads(args.threads)
    options = _options(args, preset)
    trainer = _trainer(preset, options)
    print(f"{args.preset}: step {trainer.progress.step}, {trainer.precision}", flush=True)
    for report in trainer.run():
        print(_line(report, preset.task.figure), flush=True)
        if report.gain is not None:
            draw_curves(args.run / "log.jsonl", args.run / "curves.png", preset.task.figure)
    finished = trainer.fraction() >= 1
    print("done" if finished else "saved; the same command goes on", file=sys.stderr)
    return 0


def _options(args: argparse.Namespace, preset: Preset) -> TrainOptions:
    fine = args.pairs is not None and args.init is not None
    return TrainOptions(
        content=args.content,
        run=args.run,
        steps=args.steps or (FINE_STEPS if fine else None),
        minutes=args.minutes,
        slice_minutes=args.slice,
        device=args.device,
        seed=args.seed,
        init=_initial_weights(args.init, preset),
        fresh=args.fresh or args.device.startswith("cuda"),
        renew=None if args.no_renew else TrainOptions.renew,
        first_slots=args.first,
        validation=args.validation,
        rate=args.rate or (FINE_RATE if fine else None),
        perceptual=find_folder(args.perceptual),
        precision=None if args.precision == "auto" else Precision(args.precision == "bfloat16", channels_last=True),
        pairs=args.pairs,
        tell=lambda text: print(text, file=sys.stderr, flush=True),
    )


def _trainer(preset: Preset, options: TrainOptions) -> Trainer:
    if preset.sequences is not None:
        return SequenceTrainer(preset, options)
    return Trainer(preset, options) if preset.adversarial is None else AdversarialTrainer(preset, options)


def _line(report: Report, figure: str) -> str:
    left = report.seconds * (1 - report.fraction) / max(report.fraction, 1e-9) / 60
    gain = "" if report.gain is None else f"  validation {figure} {report.gain:.3f}"
    return (
        f"step {report.step}  loss {report.loss:.4f}  rate {report.learning_rate:.1e}  "
        f"{report.steps_per_second:.2f} steps/s  {left:.0f} min left{gain}"
    )
