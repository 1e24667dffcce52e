"""``python -m demoire restore PHOTO|CLIP...|DIR -o OUT``: photos, bursts and clips in, restored ones out."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from demoire.burst import Burst, restore_burst
from demoire.catalog import WEIGHTS
from demoire.cli import burst, clips
from demoire.cli.progress import ProgressBar
from demoire.clips.clip import CLIP_SUFFIXES
from demoire.detect import DETECTOR, Moire, detect
from demoire.errors import DemoireError, OutputError, PictureError, UnknownNameError
from demoire.images import (
    OUTPUT_CHOICES,
    SUFFIXES,
    Limits,
    Notice,
    Picture,
    copy,
    decode,
    encode,
    kind_of_suffix,
    output_kind,
    output_name,
)
from demoire.opinions import Opinions
from demoire.restore import Restored, RestoreOptions, restore

if TYPE_CHECKING:
    from demoire.loading import ModelCache


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "inputs", nargs="+", type=Path, metavar="PHOTO|CLIP|DIR", help="photos, clips, or folders of them"
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="OUT", help="a file for one photo or clip, else a folder"
    )
    parser.add_argument("--model", default="cnn", help="model id, see 'python -m demoire models' (default: cnn)")
    parser.add_argument(
        "--format", choices=tuple(OUTPUT_CHOICES), default="auto", help="auto keeps JPEG and lossless kinds, else PNG"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1 or mps (default: auto)")
    parser.add_argument("--dtype", default="auto", help="auto, float32, bfloat16 or float16 (default: auto)")
    parser.add_argument("--tile", type=_positive, metavar="PIXELS", help="side of a tile (default: as memory allows)")
    parser.add_argument("--memory", type=_positive, metavar="MB", help="memory for the network (default: measured)")
    parser.add_argument("--max-megapixels", type=_positive, metavar="MP", help="refuse larger photos and frames")
    clips.add_arguments(parser)
    burst.add_arguments(parser)
    parser.add_argument(
        "--weights", type=Path, default=WEIGHTS, metavar="DIR", help="folder of models with its catalogue"
    )
    parser.add_argument(
        "--skip-clean",
        action="store_true",
        help="leave photos in which the detector finds no moire as they are: the output is a copy, byte for byte, with "
        "the input's suffix",
    )
    parser.add_argument(
        "--sure",
        action="store_true",
        help="there is moire: restore photos, too, in which the model finds nothing that repeats",
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print one JSON object a photo, with what detector and discriminator say where there are such models",
    )


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {value}")
    return value


def run(args: argparse.Namespace) -> int:
    """Restores every photo. A failed one is told in a sentence and makes the status 1; the others go on."""
    from demoire.devices import choose_device
    from demoire.loading import ModelCache

    models = ModelCache(weights=args.weights)
    with closing(models.fetch(args.model)) as events:
        ProgressBar(args.model).show_fetching(events)
    models.get(args.model)  # what concerns all photos fails once, before any
    if args.skip_clean:
        _check_detector(models)
    choose_device(args.device)
    sources = list(_sources(args.inputs, args.output))
    options = RestoreOptions(
        model=args.model,
        device=args.device,
        dtype=args.dtype,
        tile=args.tile,
        memory_budget=args.memory << 20 if args.memory else None,
        sure=args.sure,
    )
    wanted, others = burst.divided(args, sources)
    moving = {source for source in wanted if not args.burst and clips.is_clip(source, args.output)}
    jobs: list[Job | clips.ClipJob] = []
    if moving:
        jobs.append(clips.ClipJob(args, options, models, sources))
    if len(moving) < len(wanted):
        jobs.append(_photo_job(args, options, models, sources, others))
    failed = [not _restore_and_tell(jobs[0 if source in moving else -1], source, args.json) for source in wanted]
    return 1 if any(failed) else 0


def _photo_job(
    args: argparse.Namespace,
    options: RestoreOptions,
    models: "ModelCache",
    sources: Sequence[Path],
    others: Sequence[Path],
) -> "Job":
    limits = Limits(max_pixels=args.max_megapixels * 1_000_000) if args.max_megapixels else Limits()
    opinions = Opinions(models) if args.json else None
    single = args.burst or (len(args.inputs) == 1 and not _is_folder(args.inputs[0]))
    target = _target(args.output, single, args.format)
    openers = burst.openers(others, limits) if args.burst else None
    return Job(target, options, limits, models, sources, opinions, args.skip_clean, openers)


def _check_detector(models: "ModelCache") -> None:
    try:
        models.get(DETECTOR)
    except UnknownNameError as error:
        raise UnknownNameError(
            "There is no detector among the models to skip clean photos by; leave --skip-clean out."
        ) from error


def _restore_and_tell(job: "Job | clips.ClipJob", source: Path, as_json: bool) -> bool:
    try:
        done = job.restore(source)
    except DemoireError as error:
        if as_json:
            print(
                json.dumps({"input": str(source), "output": None, "error": str(error)}, ensure_ascii=False), flush=True
            )
        print(f"demoire: {error}", file=sys.stderr)
        return False
    if as_json:
        print(json.dumps(done.as_dict(), ensure_ascii=False), flush=True)
        return True
    print(f"{done.source} -> {done.target} ({done.how})", flush=True)
    for notice in done.notices:
        print(f"  {notice.text}")
    return True


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that no file system takes
        return False


def _sources(inputs: Sequence[Path], output: Path) -> Iterator[Path]:
    """The files themselves, and for a folder those in it, in order (the folder where it holds none, or is a clip)."""
    known = (*SUFFIXES, *CLIP_SUFFIXES)
    for path in inputs:
        if _is_folder(path) and not clips.is_clip(path, output):
            inside = sorted(item for item in path.iterdir() if item.suffix.lower() in known and item.is_file())
            yield from inside or [path]
        else:
            yield path


@dataclass(frozen=True)
class Target:
    """Where results go: all to ``file`` (of ``kind``) where that is given, else to ``folder`` under their own names."""

    folder: Path
    file: Path | None = None
    kind: str | None = None
    choice: str = "auto"


def _target(output: Path, single: bool, choice: str) -> Target:
    """A ``single`` result and a picture suffix give that file, else ``output`` is a folder, which is made.

    Raises:
        OutputError: the suffix contradicts ``choice``, or the folder cannot be made.
    """
    kind = kind_of_suffix(output.suffix)
    single = single and not _is_folder(output)
    if single and output.suffix.lower() in SUFFIXES and kind is None:
        raise OutputError(f"'{output}' cannot be written: {output.suffix} files are only read; use .png or .jpg.")
    folder = output.parent if single and kind else output
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The folder '{folder}' cannot be made ({error.strerror}); choose another one.") from error
    if not (single and kind):
        return Target(folder, choice=choice)
    if choice != "auto" and kind_of_suffix("." + choice) != kind:
        raise OutputError(f"'{output}' and --format {choice} contradict each other; change one of them.")
    return Target(folder, output, kind, choice)


@dataclass(frozen=True)
class Done:
    """What became of one photo, ``source``.

    Attributes:
        target: the file that was written.
        result: None where the photo was copied as it is, since it has no moire.
        notices: what could not be kept.
        moire, looks_clean: what detector and discriminator say, where they were asked.
    """

    source: Path
    target: Path
    result: Restored | None
    notices: tuple[Notice, ...] = ()
    moire: Moire | None = None
    looks_clean: float | None = None

    @property
    def how(self) -> str:
        """In a few words."""
        if self.result is None:
            return "no moire found, copied as it is"
        photos = "" if (self.result.photos or 1) == 1 else f"{self.result.photos} photos, "
        return f"{photos}{self.result.tiles} tiles on {self.result.device}, {self.result.seconds:.1f} s"

    def as_dict(self) -> dict[str, object]:
        """For ``--json``; a photo that was copied has no model."""
        facts = ("model", "origin", "device", "dtype", "tiles")
        return {
            "input": str(self.source),
            "output": str(self.target),
            "copied": self.result is None,
            **{name: getattr(self.result, name, None) for name in facts},
            **({"photos": self.result.photos} if self.result and self.result.photos else {}),
            "seconds": round(self.result.seconds, 3) if self.result else 0.0,
            "notices": [notice.text for notice in self.notices],
            **(asdict(self.moire) if self.moire else {}),
            **({"looks_clean": self.looks_clean} if self.looks_clean is not None else {}),
        }


class Job:
    """Restores photos with the same options, one by one; no result takes the place of a photo or of another result.

    ``opinions`` are asked of each photo and result; with ``skip_clean`` photos without moire are copied as they are.
    ``others`` open the other photos of a burst; None: it is none.
    """

    def __init__(
        self,
        target: Target,
        options: RestoreOptions,
        limits: Limits,
        models: "ModelCache",
        sources: Sequence[Path],
        opinions: Opinions | None = None,
        skip_clean: bool = False,
        others: Sequence[Callable[[], Picture]] | None = None,
    ) -> None:
        self._target = target
        self._options = options
        self._limits = limits
        self._models = models
        self._sources = {source.resolve() for source in sources}
        self._opinions = opinions
        self._skip_clean = skip_clean
        self._others = others
        self._written: set[Path] = set()

    def restore(self, source: Path) -> Done:
        """Restores one photo; raises DemoireError where that fails."""
        if _is_folder(source):
            raise PictureError(f"The folder '{source}' holds no pictures; choose another one.")
        picture = decode(source, limits=self._limits)
        kind = self._target.kind or output_kind(picture, self._target.choice)
        found = detect(picture, self._models) if self._skip_clean else None
        if found and not found.found:
            target = self._place(picture, kind, source.suffix)
            copy(source, target)
            done = Done(source, target, None, moire=found.moire)
        else:
            target = self._place(picture, kind)
            result = self._run(picture)
            notices = (*result.notices, *encode(result.picture, target, kind))
            done = Done(
                source, target, result, notices, *self._opinion(picture, result.picture, found.moire if found else None)
            )
        self._written.add(target.resolve())
        return done

    def _opinion(self, photo: Picture, restored: Picture, moire: Moire | None) -> tuple[Moire | None, float | None]:
        """What is said of photo and result; ``moire`` where that is known already."""
        if self._opinions is None:
            return moire, None
        return moire or self._opinions.moire(photo), self._opinions.looks_clean(restored, photo)

    def _run(self, picture: Picture) -> Restored:
        bar = ProgressBar(picture.name)
        if self._others is not None:
            return bar.follow(restore_burst(Burst(picture, tuple(self._others)), self._options, self._models))
        result = bar.follow(restore(picture, self._options, self._models))
        return replace(result, notices=(*result.notices, burst.ONE_FRAME)) if result.photos == 1 else result

    def _place(self, picture: Picture, kind: str, suffix: str | None = None) -> Path:
        """Where the result goes; ``suffix``: of a copy, in place of that of the ``kind``."""
        named = Path(output_name(picture.name, kind))
        name = named if suffix is None else named.with_suffix(suffix)
        target = self._target.file or self._target.folder / name
        if self._target.file and suffix is not None and kind_of_suffix(suffix) != kind:
            target = target.with_suffix(suffix)
        number = 2
        while self._target.file is None and target.resolve() in self._written:
            target = self._target.folder / f"{name.stem}-{number}{name.suffix}"
            number += 1
        if target.resolve() in self._sources:
            raise OutputError(f"'{target}' is the photo itself; choose another output, photos are never overwritten.")
        return target
