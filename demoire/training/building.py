"""Making a content store: plan, decode, pack; resumable, and complete only when its index is written."""

import errno
import hashlib
import io
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, __version__

from demoire.errors import DataError, OutputError
from demoire.fonts import FontBook
from demoire.training.content import SPLITS, Entry, read_index, split_names, write_index
from demoire.training.manifest import (
    Source,
    check_sha256,
    find_sources,
    is_held_out,
    read_manifest,
    repository_manifest,
)
from demoire.training.packing import read_member, read_pack
from demoire.training.pages import VERSION, render_page

_FOLDER_KINDS = {"screens": "screen", "pages": "page", "plain": "plain", "textures": "texture"}
_PAGE_LICENCE = "CC0-1.0"
_IN_FLIGHT = 8


@dataclass(frozen=True)
class StoreOptions:
    """What a store is made of.

    Attributes:
        content: folders of clean pictures, or packs of them; a pack brings its pages, none are rendered beside it.
        pages: how many pages are rendered beside them.
        seed: of the pages.
        longest: larger pictures are reduced to this many pixels on their long side.
        licence: of pictures that no manifest names; None makes them an error.
        workers: processes that decode.
    """

    content: tuple[Path, ...]
    pages: int = 144
    seed: int = 1
    longest: int = 1920
    licence: str | None = None
    workers: int = 1


@dataclass(frozen=True)
class Task:
    """One picture to be packed: its name, kind and split, the file (or the member of a pack) to decode or
    the number of the page to render."""

    name: str
    kind: str
    split: str
    source: Source
    path: Path | None
    page: int = 0
    member: str = ""


@dataclass(frozen=True)
class Progress:
    """``done`` of ``total`` pictures are packed, ``resumed`` of them by an earlier run; ``name`` is the latest."""

    done: int
    total: int
    resumed: int
    name: str


def kind_of(file: str) -> str:
    """Kind of a picture by its top folder: ``screens``, ``pages``, ``plain``, ``textures``; all else is a photo."""
    return _FOLDER_KINDS.get(file.split("/")[0], "photo")


def plan_store(options: StoreOptions) -> list[Task]:
    """All pictures of a store in their final order; those that evaluation keeps for itself are left out.

    Raises:
        DataError: no content, unclear licences, or two folders with a picture of the same name.
    """
    packs = [path for path in options.content if path.is_file()]
    if packs:
        return _plan_packs(packs, options.content)
    known = read_manifest(repository_manifest()) if repository_manifest().is_file() else {}
    found: dict[str, tuple[Source, Path]] = {}
    for folder in options.content:
        for source in find_sources(folder, options.licence, known):
            if is_held_out(folder / source.file):
                continue
            if source.file in found:
                raise DataError(f"Two content folders have a picture {source.file}; rename one of them.")
            found[source.file] = (source, folder / source.file)
    numbers = {f"pages/{number:04d}": number for number in range(options.pages)}
    made = {name: Source(name, _PAGE_LICENCE, "Demoire", f"rendered, seed {options.seed}") for name in numbers}
    clash = sorted(set(made) & {name.rsplit(".", 1)[0] for name in found})
    if clash:
        raise DataError(
            f"A content folder has a picture {clash[0]}, a name kept for rendered pages; rename its folder."
        )
    kinds = {name: kind_of(name) for name in (*found, *made)}
    split = split_names({kind: [name for name, its in kinds.items() if its == kind] for kind in set(kinds.values())})
    tasks = [Task(name, kinds[name], split[name], source, path) for name, (source, path) in sorted(found.items())]
    return tasks + [Task(name, "page", split[name], made[name], None, number) for name, number in numbers.items()]


def _plan_packs(packs: Sequence[Path], content: Sequence[Path]) -> list[Task]:
    if len(content) > 1:
        raise DataError(f"The pack {packs[0]} makes a store alone; leave the other content out.")
    tasks = []
    for item in read_pack(packs[0]):
        entry = item.entry
        source = Source(entry.name, entry.licence, entry.author, entry.source, entry.sha256)
        tasks.append(Task(entry.name, entry.kind, item.split, source, packs[0], member=item.member))
    return tasks


def plan_digest(tasks: Sequence[Task], options: StoreOptions, fonts: FontBook) -> str:
    """Hash of all that the bytes of the store depend on, so that a run goes on only where it fits."""
    plan: list[object] = [VERSION, options.seed, options.longest, fonts.names(), __version__]
    for task in tasks:
        stat = None if task.path is None or task.source.sha256 else task.path.stat()
        changed = (stat.st_size, stat.st_mtime_ns) if stat else None
        plan.append([task.name, task.kind, task.split, task.member, asdict(task.source), changed])
    return hashlib.sha256(json.dumps(plan).encode()).hexdigest()[:16]


def decode_clean(path: Path, longest: int, data: bytes | None = None) -> NDArray[np.uint8]:
    """Decodes a picture as a screen would show it: upright, sRGB, on white, at most ``longest`` px on the long side.

    Returns:
        (H, W, 3) uint8; of ``data``, where given, instead of the file's own bytes.

    Raises:
        DataError: the file is no picture or is damaged.
    """
    try:
        with Image.open(path if data is None else io.BytesIO(data)) as opened:
            image = ImageOps.exif_transpose(opened)
            profile = opened.info.get("icc_profile")
            if image.mode in ("P", "LA", "PA", "RGBA", "La", "RGBa"):
                image = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
            image = image.convert("RGB") if image.mode != "CMYK" or not profile else image
            image = _to_srgb(image, profile).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(
            f"The picture {path} cannot be decoded ({error}); replace it or remove it from the manifest."
        ) from error
    scale = longest / max(image.size)
    if scale < 1:
        size = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
        image = image.resize(size, Image.Resampling.HAMMING)
    return np.asarray(image)


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Converts by the embedded profile; one that does not fit the picture is left aside, as viewers do."""
    if not profile:
        return image
    try:
        converted = ImageCms.profileToProfile(
            image, io.BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, OSError):
        return image
    return converted or image


@dataclass(frozen=True)
class _Work:
    """What a worker needs beside its task."""

    seed: int
    longest: int
    fonts: FontBook

    def __call__(self, task: Task) -> tuple[str, str, NDArray[np.uint8]]:
        """Kind, sha256 and pixels of one task."""
        if task.path is None:
            page = render_page(task.page, self.seed, self.fonts)
            return page.kind, hashlib.sha256(page.pixels.data).hexdigest(), page.pixels
        if task.member:
            data = read_member(task.path, task.member)
            return task.kind, task.source.sha256, decode_clean(task.path, self.longest, data)
        digest = check_sha256(task.path, task.source)
        return task.kind, digest, decode_clean(task.path, self.longest)


def build_store(options: StoreOptions, target: Path, fonts: FontBook | None = None) -> Iterator[Progress]:
    """Writes the store; a run that was interrupted goes on where it stopped, and the bytes are the same.

    Yields:
        progress, once for what is already there and then after every picture.

    Raises:
        DataError: content is missing, broken or not what its manifest says.
        OutputError: the target cannot be written, or the disk is full; what is packed stays.
    """
    fonts = fonts or FontBook.find()
    tasks = plan_store(options)
    digest = plan_digest(tasks, options, fonts)
    if _is_complete(target, digest):
        yield Progress(len(tasks), len(tasks), len(tasks), "")
        return
    try:
        target.mkdir(parents=True, exist_ok=True)
        yield from _pack(tasks, _Work(options.seed, options.longest, fonts), target, digest, options.workers)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise OutputError(
                f"The disk of {target} is full; free some space and run the same command again, it goes on from here."
            ) from error
        raise OutputError(
            f"The store {target} cannot be written ({error.strerror or error}); choose another folder."
        ) from error


def _is_complete(target: Path, digest: str) -> bool:
    try:
        return read_index(target)[0] == digest
    except DataError:
        return False


def _pack(tasks: Sequence[Task], work: _Work, target: Path, digest: str, workers: int) -> Iterator[Progress]:
    """Appends pictures to the bins, a line of the journal after each; the index comes last."""
    bins = {split: f"{split}-{digest}.bin" for split in SPLITS}
    _sweep(target, digest, done=False)
    journal_path = target / f"journal-{digest}.jsonl"
    packed = _read_journal(journal_path, tasks)
    ends = {split: sum(entry.size for where, entry in packed if where == split) for split in SPLITS}
    with ExitStack() as stack:
        streams = {split: stack.enter_context(_reopen(target / bins[split], ends[split])) for split in SPLITS}
        journal = stack.enter_context(_reopen(journal_path, sum(len(_journal_line(*line)) for line in packed)))
        pool = stack.enter_context(ProcessPoolExecutor(workers)) if workers > 1 else None
        resumed = len(packed)
        yield Progress(resumed, len(tasks), resumed, "")
        for task, (kind, sha256, pixels) in zip(tasks[resumed:], _in_order(work, tasks[resumed:], pool), strict=True):
            height, width = pixels.shape[:2]
            where = (task.name, kind, ends[task.split], height, width)
            entry = Entry(*where, task.source.licence, task.source.author, task.source.source, sha256)
            streams[task.split].write(np.ascontiguousarray(pixels).data)
            streams[task.split].flush()
            journal.write(_journal_line(task.split, entry))
            journal.flush()
            ends[task.split] += entry.size
            packed.append((task.split, entry))
            yield Progress(len(packed), len(tasks), resumed, task.name)
        for stream in streams.values():
            os.fsync(stream.fileno())
    write_index(target, digest, bins, {split: [entry for where, entry in packed if where == split] for split in SPLITS})
    _sweep(target, digest, done=True)


def _sweep(target: Path, digest: str, done: bool) -> None:
    """Removes what other runs left: unfinished stores and, once this one is ``done``, the one that it replaces."""
    try:
        kept = {digest} if done else {digest, read_index(target)[0]}
    except DataError:
        kept = {digest}
    for path in (*target.glob("*-*.bin"), *target.glob("journal-*.jsonl")):
        own = path.stem.split("-")[-1]
        if own not in kept or (done and path.suffix == ".jsonl"):
            path.unlink()


def _journal_line(split: str, entry: Entry) -> bytes:
    return (json.dumps([split, asdict(entry)]) + "\n").encode()


def _read_journal(path: Path, tasks: Sequence[Task]) -> list[tuple[str, Entry]]:
    """Entries that are packed whole; a torn last line, or bytes that never reached the bins, are left out."""
    packed: list[tuple[str, Entry]] = []
    if not path.is_file():
        return packed
    sizes = {
        split: _size(path.with_name(path.name.replace("journal", split).replace(".jsonl", ".bin"))) for split in SPLITS
    }
    for line, task in zip(path.read_bytes().splitlines(), tasks, strict=False):
        try:
            split, row = json.loads(line)
            entry = Entry(**row)
        except (ValueError, TypeError):
            break
        if entry.name != task.name or entry.offset + entry.size > sizes[split]:
            break
        packed.append((split, entry))
    return packed


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _reopen(path: Path, size: int) -> BinaryIO:
    """The file, cut to ``size``, to be appended to."""
    stream = path.open("ab")
    stream.truncate(size)
    return stream


def _in_order(
    work: _Work, tasks: Sequence[Task], pool: Executor | None
) -> Iterator[tuple[str, str, NDArray[np.uint8]]]:
    """Results in the order of the tasks, a few in flight."""
    if pool is None:
        yield from map(work, tasks)
        return
    rest = iter(tasks)
    waiting = [pool.submit(work, task) for task in islice(rest, _IN_FLIGHT)]
    while waiting:
        yield waiting.pop(0).result()
        waiting += [pool.submit(work, task) for task in islice(rest, 1)]
