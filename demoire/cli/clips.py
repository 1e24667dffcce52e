"""Clips in the ``restore`` command: which inputs are clips, where they go, how far they are."""

import argparse
import math
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from demoire.cli.progress import ProgressBar
from demoire.clips.clip import CLIP_SUFFIXES, KINDS, ClipLimits
from demoire.clips.kinds import kind_of, kind_of_suffix
from demoire.clips.restoring import ClipRestored, ClipTarget, FrameDone, open_clip, restore_clip, usual_kind
from demoire.errors import DemoireError, OutputError
from demoire.images import SUFFIXES, result_name
from demoire.picture import Notice
from demoire.restore import RestoreOptions

if TYPE_CHECKING:
    from demoire.loading import ModelCache

#: Longer than anybody waits for; the page has a limit of its own.
_SECONDS = 86400.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that concern clips."""
    parser.add_argument("--max-seconds", type=float, default=_SECONDS, metavar="S", help="refuse longer clips")
    parser.add_argument(
        "--rate", type=frame_rate, metavar="FPS", help="frames a second of a ZIP or folder of pictures (default: 12)"
    )


def frame_rate(text: str) -> Fraction:
    """Frames a second as an argument: a number such as 25 or 30000/1001."""
    try:
        value = Fraction(text)
    except (ValueError, ZeroDivisionError):
        value = Fraction(0)
    if not 0 < value <= 240:
        raise argparse.ArgumentTypeError(f"must be a number above 0 and at most 240, not {text}")
    return value


def is_clip(source: Path, output: Path) -> bool:
    """Whether the input is to be restored as a clip.

    By its content; but an animation whose result is to be a PNG or JPEG is a photo, and a folder is a clip only where
    the result is one file of a clip's kind.
    """
    suffix = output.suffix.lower()
    try:
        if source.is_dir():
            return suffix in CLIP_SUFFIXES and not output.is_dir()
    except OSError:  # a name that no file system takes
        return False
    return kind_of(source) is not None and (suffix in CLIP_SUFFIXES or suffix not in SUFFIXES)


@dataclass(frozen=True)
class ClipDone:
    """What became of one clip: from ``source`` to ``target``."""

    source: Path
    target: Path
    result: ClipRestored
    device: str

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What could not be kept."""
        return self.result.notices

    @property
    def how(self) -> str:
        """In a few words."""
        result = self.result
        flicker = result.flicker
        words = "" if math.isnan(flicker.after) else f", flicker {flicker.before:.2f} -> {flicker.after:.2f}"
        return f"{result.frames} frames, {result.seconds:.1f} s{words}"

    def as_dict(self) -> dict[str, object]:
        """For ``--json``."""
        result, flicker = self.result, self.result.flicker
        measured = None if math.isnan(flicker.after) else {"before": flicker.before, "after": flicker.after}
        return {
            "input": str(self.source),
            "output": str(self.target),
            "model": result.model,
            "frames": result.frames,
            "whole": result.whole,
            "duration": round(result.times[-1], 6),
            "cuts": list(result.cuts),
            "flicker": measured,
            "device": self.device,
            "seconds": round(result.seconds, 3),
            "notices": [notice.text for notice in result.notices],
        }


class ClipJob:
    """Restores clips with the same options, one by one."""

    def __init__(
        self, args: argparse.Namespace, options: RestoreOptions, models: "ModelCache", sources: Sequence[Path]
    ) -> None:
        pixels = args.max_megapixels * 1_000_000 if args.max_megapixels else 1 << 40
        self._limits = ClipLimits(args.max_seconds, pixels, max_frames=1 << 40, max_bytes=1 << 62)
        self._rate: Fraction | None = args.rate
        self._options = options
        self._models = models
        self._sources = {source.resolve() for source in sources}
        self._written: set[Path] = set()
        single = len(args.inputs) == 1 and len(sources) == 1 and not args.output.is_dir()
        self._file: Path | None = args.output if single and kind_of_suffix(args.output.suffix) else None
        self._folder: Path = args.output.parent if self._file else args.output

    def restore(self, source: Path) -> ClipDone:
        """Restores one clip; raises DemoireError where that fails, what was finished by then is kept."""
        from demoire.clips.frames import open_restorer

        target = self._target(source)
        bar = ProgressBar(source.name)
        with open_restorer(self._models, self._options) as restorer:
            events = restore_clip(source, [target], restorer, limits=self._limits, rate=self._rate)
            result: ClipRestored | None = None
            try:
                with closing(events):
                    for event in events:
                        if isinstance(event, FrameDone):
                            _show(bar, event)
                        elif isinstance(event, ClipRestored):
                            result = event
            except DemoireError as error:
                kept = f" What was finished is in '{target.path}'." if result else ""
                raise type(error)(f"{error}{kept}") from error
            finally:
                bar.wipe()
        if result is None:
            raise DemoireError("The clip ended without a result; try again.")
        return ClipDone(source, target.path, result, restorer.device)

    def _target(self, source: Path) -> ClipTarget:
        with closing(open_clip(source, limits=self._limits, rate=self._rate)) as clip:
            kind = usual_kind(clip.facts)
        if self._file is not None:
            kind = kind_of_suffix(self._file.suffix) or kind
        path = self._file or self._free(result_name(source.name, KINDS[kind][0]))
        if path.resolve() in self._sources:
            raise OutputError(f"'{path}' is the clip itself; choose another output, clips are never overwritten.")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"The folder '{self._folder}' cannot be made ({error.strerror}); choose another one."
            ) from error
        self._written.add(path.resolve())
        return ClipTarget(path, kind)

    def _free(self, name: str) -> Path:
        """A path in the folder that no result of this run has taken."""
        path, number = self._folder / name, 2
        while path.resolve() in self._written:
            path = self._folder / f"{Path(name).stem}-{number}{Path(name).suffix}"
            number += 1
        return path


def _show(bar: ProgressBar, frame: FrameDone) -> None:
    left = "" if frame.seconds_left is None else f"  {frame.seconds_left:.0f} s left"
    total = "" if frame.total is None else f"/{frame.total}"
    text = f"frame {frame.index}{total}  {frame.frames_per_second:.2f} frames/s{left}"
    bar.show(frame.index if frame.total else 0, max(frame.total or 1, frame.index), text)
