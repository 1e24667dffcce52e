"""``export``: makes a model folder from a training."""

import argparse
from dataclasses import replace
from pathlib import Path

from demoire.catalog import WEIGHTS
from demoire.errors import DataError
from demoire.training.card import Figures, write_card
from demoire.training.content import ContentStore, Entry, read_index
from demoire.training.export import Touches, Trained, load_runs, read_photo, write_model
from demoire.training.options import SIMULATED
from demoire.training.presets import PRESETS, find_preset


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of ``export``."""
    parser.add_argument("--preset", default="cnn", help=f"what was trained: {', '.join(PRESETS)} (default %(default)s)")
    parser.add_argument(
        "--run",
        type=Path,
        nargs="+",
        required=True,
        metavar="DIR",
        help="the training's folder; of several, the last one first, the mean of the weights is taken",
    )
    parser.add_argument(
        "--content", type=Path, metavar="POOL", help="its content store, where it had one; the card names it"
    )
    parser.add_argument(
        "--photos",
        type=Path,
        nargs="*",
        default=[],
        help="real photos on which a model's halo is measured, unless it is the discriminator's",
    )
    parser.add_argument(
        "--gate-shift",
        type=float,
        default=0.0,
        help="above 0: remove more moire, spare clean photos less (default %(default)s)",
    )
    parser.add_argument(
        "--gain",
        type=float,
        default=1.0,
        help="above 1: change more where anything is changed (default %(default)s)",
    )
    parser.add_argument(
        "--gate-scale",
        type=float,
        default=1.0,
        help="above 1: decide more sharply where anything is changed (default %(default)s)",
    )
    parser.add_argument(
        "--keep",
        nargs=2,
        metavar=("FILE", "SHARE"),
        help="mix weights in, such as those that the training began with: a model.safetensors, and 0 to 1 of it",
    )
    parser.add_argument("--history", default="", help="what came before this training, for the card")
    parser.add_argument("--licence", default="CC-BY-SA-4.0", help="licence of the weights (default %(default)s)")
    parser.add_argument(
        "-o", "--output", type=Path, default=WEIGHTS, metavar="DIR", help="default: the bundled weights"
    )
    parser.add_argument(
        "--figures",
        nargs="*",
        default=[],
        metavar="NAME=FILE",
        help="JSON of evaluate on the data set NAME, for the card; evaluate needs the model, so export twice",
    )


def run(args: argparse.Namespace) -> int:
    """Writes config, weights, card and the catalogue's line."""
    preset = find_preset(args.preset)
    trained = load_runs(args.run, preset, _touches(args))
    content = _content(args.content, trained)
    if args.content is not None:
        preset.task.finish(trained.module, ContentStore(args.content, "val"), preset.simulator)
    entry = write_model(trained, preset, [read_photo(p) for p in args.photos], args.output, args.licence)
    figures = [_figures(text) for text in args.figures]
    write_card(args.output / entry.id, entry, preset, trained, content, figures, args.history)
    for name, file in entry.files.items():
        print(f"{args.output / entry.id / name}  {file.size} bytes  sha256 {file.sha256}")
    return 0


def _touches(args: argparse.Namespace) -> Touches:
    touches = Touches(args.gate_shift, args.gain, args.gate_scale)
    if args.keep is None:
        return touches
    path, share = args.keep
    try:
        kept = float(share)
    except ValueError:
        kept = -1.0
    if not 0 <= kept <= 1:
        raise DataError(f"--keep takes FILE SHARE with a share of 0 to 1, not '{share}'.")
    return replace(touches, earlier=Path(path), kept=kept)


def _content(folder: Path | None, trained: Trained) -> list[Entry]:
    """The clean pictures that simulated captures showed; none where only pairs of the user's own were trained on."""
    if folder is not None:
        return read_index(folder)[2]["train"]
    if SIMULATED in trained.data:
        raise DataError("The card lists what was trained on: name the training's content store with --content POOL.")
    return []


def _figures(text: str) -> Figures:
    name, _, file = text.partition("=")
    if not (name and Path(file).is_file()):
        raise DataError(f"--figures takes NAME=FILE with a file that evaluate --json wrote, not '{text}'.")
    return Figures.read(name, Path(file))
