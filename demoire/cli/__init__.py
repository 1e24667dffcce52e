"""The command line: one module per command, imported only when its command is used."""

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import Protocol, cast

from demoire import __version__
from demoire.errors import DemoireError

#: Name of each command -> (module, one line of help). A module has ``add_arguments(parser)`` and ``run(args) -> int``.
COMMANDS: dict[str, tuple[str, str]] = {
    "restore": ("demoire.cli.restore", "remove moire from photos"),
    "detect": ("demoire.cli.detect", "tell whether photos have moire, how strong, and where"),
    "compare": ("demoire.cli.compare", "one photo through several models, on a sheet to mail"),
    "collect": ("demoire.cli.collect", "gather freely licensed pictures from Debian packages"),
    "prepare": ("demoire.cli.prepare", "make a content store from clean pictures and rendered pages"),
    "simulate": ("demoire.cli.simulate", "photograph pictures on a simulated display"),
    "simulate-clip": ("demoire.cli.simulate_clip", "film a picture on a simulated display from a hand"),
    "train": ("demoire.cli.train", "train a network on simulated captures"),
    "bench": ("demoire.cli.bench", "measure time and memory of restoring"),
    "bench-training": ("demoire.cli.bench_training", "time rendering against training"),
    "export": ("demoire.cli.export", "make a model folder from a training"),
    "models": ("demoire.cli.models", "list, fetch and verify the models"),
    "publish": ("demoire.cli.publish", "put models on the Hugging Face Hub"),
    "convert": ("demoire.cli.convert", "make a model folder of a published checkpoint"),
    "shares": ("demoire.cli.shares", "list or delete the links that visitors made"),
    "evaluate": ("demoire.cli.evaluate", "score models on photos with ground truth, or on clean pictures"),
    "evaluate-text": ("demoire.cli.evaluate_text", "score how well photographed text is read before and after"),
    "evaluate-detector": ("demoire.cli.evaluate_detector", "score the detector on photos, textures and captures"),
    "evaluate-discriminator": ("demoire.cli.evaluate_discriminator", "score the discriminator on pairs and captures"),
    "lpips-weights": ("demoire.cli.lpips_weights", "convert perceptual features for evaluation and training"),
}


class Command(Protocol):
    """What a command's module offers."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Adds the command's arguments."""

    def run(self, args: argparse.Namespace) -> int:
        """Does the work; returns the exit status.

        Raises:
            DemoireError: shown as one line, exit status 1.
        """


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command that ``argv`` (default: the process's arguments) names; returns the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(prog="python -m demoire", description="Removes moire from photos of screens.")
    parser.add_argument("--version", action="version", version=f"demoire {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    chosen = next((argument for argument in arguments if not argument.startswith("-")), None)
    module: Command | None = None
    for name, (path, summary) in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        if name == chosen:
            module = cast(Command, importlib.import_module(path))
            module.add_arguments(command)
    args = parser.parse_args(arguments)
    if module is None:
        parser.error(f"unknown command '{args.command}'")
    try:
        return module.run(args)
    except DemoireError as error:
        print(f"demoire: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("demoire: stopped.", file=sys.stderr)
        return 130
