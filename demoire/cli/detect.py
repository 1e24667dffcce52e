"""``python -m demoire detect``: is there moire, how strong, and where?"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from demoire.catalog import WEIGHTS
from demoire.detect import CELL, DETECTOR, Detection, detect
from demoire.errors import DemoireError, OutputError
from demoire.images import decode

if TYPE_CHECKING:
    from demoire.loading import ModelCache


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's arguments."""
    parser.add_argument("inputs", type=Path, nargs="+", metavar="PHOTO")
    parser.add_argument("--mask", type=Path, metavar="DIR", help="write <name>_mask.png: white where moire is visible")
    parser.add_argument(
        "--weights", type=Path, default=WEIGHTS, metavar="DIR", help="folder of models with its catalogue"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object a photo")


def run(args: argparse.Namespace) -> int:
    """Looks at every photo. A failed one is told in a sentence and makes the status 1; the others go on."""
    from demoire.loading import ModelCache

    models = ModelCache(weights=args.weights)
    models.get(DETECTOR)  # what concerns all photos fails once, before any
    failed = False
    for source in args.inputs:
        try:
            _look(source, args.mask, models, args.json)
        except DemoireError as error:
            failed = True
            if args.json:
                print(json.dumps({"input": str(source), "error": str(error)}, ensure_ascii=False), flush=True)
            print(f"demoire: {error}", file=sys.stderr)
    return int(failed)


def _look(source: Path, folder: Path | None, models: "ModelCache", as_json: bool) -> None:
    picture = decode(source)
    found = detect(picture, models)
    mask = None if folder is None else _write_mask(found, folder, picture.name, (picture.width, picture.height))
    if as_json:
        line: dict[str, object] = {"input": str(source)} | asdict(found.moire)
        if mask is not None:
            line["mask"] = str(mask)
        print(json.dumps(line, ensure_ascii=False), flush=True)
    else:
        print(f"{source}: {sentence(found)}", flush=True)


def sentence(found: Detection) -> str:
    """The figures for people."""
    if not found.found:
        return f"no moire found (probability {found.probability:.0%})"
    return f"moire: {found.level}, {found.area:.0%} of the picture (probability {found.probability:.0%})"


def _write_mask(found: Detection, folder: Path, name: str, size: tuple[int, int]) -> Path:
    from PIL import Image

    target = folder / f"{Path(name).stem}_mask.png"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        cells = Image.fromarray(found.mask).convert("L")
        whole = cells.resize((cells.width * CELL, cells.height * CELL), Image.Resampling.NEAREST)
        whole.crop((0, 0, *size)).save(target)
    except OSError as error:
        raise OutputError(f"'{target}' cannot be written ({error.strerror}); choose another folder.") from error
    return target
