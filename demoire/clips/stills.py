"""Clips that are pictures: animated GIF and WebP, a ZIP or a folder of pictures in the order of their names."""

import io
import re
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image, ImageCms

from demoire.clips.clip import ClipFacts, ClipLimits, Frame, Pixels
from demoire.clips.video import CUT_OFF, TOO_LONG, check_size, unreadable
from demoire.decoders import DECODER_ERRORS
from demoire.errors import ClipError, ClipTooLargeError, PictureError
from demoire.images import SUFFIXES, decode
from demoire.metadata import on_white, profile_space, to_8_bit
from demoire.picture import Limits, Notice, Picture

TRANSPARENT = Notice("clip_on_white", "The clip has transparent parts; they were put on white.")
SRGB = Notice("clip_srgb", "The pictures have a colour profile of their own; the result is in sRGB.")
OTHER_FILES = Notice("clip_other_files", "The ZIP also holds files that are no pictures; they were left out.")
SIXTEEN = Notice("clip_depth", "The clip has more than 8 bits per channel; the result has 8.")
#: Frames a second of pictures that say nothing about time, unless something else is asked for.
STILL_RATE = Fraction(12)
_HUNDREDTH = Fraction(1, 100)
#: Frames that are shown for less are shown for this long by every browser, and so here.
_SHORTEST, _USUAL = Fraction(1, 50), Fraction(1, 10)
#: A member of a ZIP may become this many times larger; pictures, which are compressed already, become hardly larger.
_MOST_INFLATED = 200
_LARGEST_DIRECTORY = 32 << 20
_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, struct.error, NotImplementedError, RuntimeError, EOFError, OSError)


class AnimationSource:
    """A GIF or WebP that moves, whole frames as a browser shows them.

    Raises:
        ClipError: it cannot be read; ClipTooLargeError: it is larger than ``limits``.
    """

    def __init__(self, path: Path, name: str, kind: str, limits: ClipLimits) -> None:
        self.notices: list[Notice] = []
        self._limits = limits
        try:
            self._image = Image.open(path, formats=[kind.upper()])
            frames = self._count()
        except Image.DecompressionBombError as error:
            raise ClipTooLargeError(f"The frames of '{name}' are far too large; reduce the clip.") from error
        except DECODER_ERRORS as error:
            raise unreadable(name) from error
        self.facts = ClipFacts(
            kind=kind,
            name=name,
            height=self._image.height,
            width=self._image.width,
            frames=frames,
            time_base=_HUNDREDTH if kind == "gif" else Fraction(1, 1000),
        )
        try:
            check_size(self.facts.height, self.facts.width, name, limits)
        except ClipError:
            self.close()
            raise

    def _count(self) -> int | None:
        """WebP says it at once; of a GIF only reading all of it would tell."""
        return int(getattr(self._image, "n_frames", 1)) if self._image.format == "WEBP" else None

    def frames(self) -> Iterator[Frame]:
        """As ``Source.frames``."""
        time, number = Fraction(0), 0
        while number < self._limits.max_frames and time < self._limits.max_seconds:
            try:
                self._image.seek(number)
                pixels = self._pixels()
            except EOFError:
                return
            except DECODER_ERRORS as error:
                if not number:
                    raise unreadable(self.facts.name) from error
                self.notices.append(CUT_OFF)
                return
            shown = Fraction(self._image.info.get("duration") or 0) / 1000
            duration = shown if shown >= _SHORTEST else _USUAL
            yield Frame(pixels, time, duration)
            time, number = time + duration, number + 1
        self.notices.append(TOO_LONG)

    def _pixels(self) -> Pixels:
        self._image.load()
        rgba = np.asarray(self._image.convert("RGBA"))
        if rgba[..., 3].min() == 255:
            return np.ascontiguousarray(rgba[..., :3])
        if TRANSPARENT not in self.notices:
            self.notices.append(TRANSPARENT)
        return on_white(rgba[..., :3], rgba[..., 3])

    def close(self) -> None:
        """As ``Source.close``."""
        self._image.close()


class PicturesSource:
    """Pictures of one size, in a folder or a ZIP, in the order of their names (2 before 10).

    Nothing of a ZIP is written under a name from it, and nothing larger than what was agreed.

    Raises:
        ClipError: there are no pictures, or they cannot be read; ClipTooLargeError: larger than ``limits``.
    """

    def __init__(self, path: Path, name: str, kind: str, limits: ClipLimits, rate: Fraction | None = None) -> None:
        self.notices: list[Notice] = []
        self._limits = limits
        self._name = name
        self._rate = rate or STILL_RATE
        self._scratch: Path | None = None
        self._archive = self._open_archive(path) if kind == "zip" else None
        try:
            self._members = self._list(path)
            first = self._read(self._members[0])
            self.facts = ClipFacts(
                kind=kind,
                name=name,
                height=first.shape[0],
                width=first.shape[1],
                rate=self._rate,
                frames=len(self._members),
                seconds=float(len(self._members) / self._rate),
                time_base=1 / self._rate,
            )
        except BaseException:
            self.close()
            raise

    def _open_archive(self, path: Path) -> zipfile.ZipFile:
        try:
            if _directory_size(path) > _LARGEST_DIRECTORY:
                raise ClipTooLargeError(f"'{self._name}' holds far too many files; take some out.")
            return zipfile.ZipFile(path)
        except _ZIP_ERRORS as error:
            raise unreadable(self._name) from error

    def _list(self, path: Path) -> list[Path | zipfile.ZipInfo]:
        if self._archive is None:
            files = [item for item in path.iterdir() if item.suffix.lower() in SUFFIXES and item.is_file()]
            members: list[Path | zipfile.ZipInfo] = [*sorted(files, key=lambda file: _natural(file.name))]
        else:
            inside = [item for item in self._archive.infolist() if not item.is_dir() and not _hidden(item.filename)]
            packed = [item for item in inside if PurePosixPath(item.filename).suffix.lower() in SUFFIXES]
            members = [*sorted(packed, key=lambda item: _natural(item.filename))]
            if len(packed) < len(inside):
                self.notices.append(OTHER_FILES)
        if not members:
            raise ClipError(f"'{self._name}' holds no pictures; put JPEG or PNG files of one size into it.")
        longest = min(self._limits.max_frames, int(self._limits.max_seconds * self._rate))
        if len(members) > longest:
            raise ClipTooLargeError(
                f"'{self._name}' holds {len(members)} pictures and at most {longest} are accepted; take some out."
            )
        return members

    def frames(self) -> Iterator[Frame]:
        """As ``Source.frames``."""
        for number, member in enumerate(self._members):
            try:
                pixels = self._read(member)
            except (ClipError, PictureError):
                self.notices.append(CUT_OFF)
                return
            if pixels.shape[:2] != (self.facts.height, self.facts.width):
                raise ClipError(
                    f"The pictures in '{self._name}' have different sizes; a clip needs pictures of one size."
                )
            yield Frame(pixels, number / self._rate, 1 / self._rate)

    def _read(self, member: Path | zipfile.ZipInfo) -> Pixels:
        limits = Limits(self._limits.max_pixels, self._limits.max_bytes)
        if isinstance(member, Path):
            return self._eight_bits(decode(member, limits=limits))
        path = self._unpack(member)
        try:
            return self._eight_bits(decode(path, PurePosixPath(member.filename).name, limits))
        finally:
            path.unlink()

    def _unpack(self, member: zipfile.ZipInfo) -> Path:
        """One picture of the ZIP in a file under a name of ours."""
        assert self._archive is not None
        self._scratch = self._scratch or Path(tempfile.mkdtemp(prefix="demoire-"))
        most = min(self._limits.max_bytes, max(member.compress_size, 1 << 10) * _MOST_INFLATED)
        path = self._scratch / f"picture{PurePosixPath(member.filename).suffix.lower()}"
        try:
            with self._archive.open(member) as packed, path.open("wb") as file:
                while chunk := packed.read(1 << 20):
                    file.write(chunk)
                    if file.tell() > most:
                        raise ClipTooLargeError(
                            f"A picture in '{self._name}' unpacks to far more than its size; choose another file."
                        )
        except _ZIP_ERRORS as error:
            path.unlink(missing_ok=True)
            raise ClipError(
                f"A picture in '{self._name}' is damaged or locked by a password; pack the ZIP again without one."
            ) from error
        except ClipError:
            path.unlink(missing_ok=True)
            raise
        return path

    def _eight_bits(self, picture: Picture) -> Pixels:
        pixels = to_8_bit(picture.pixels)
        if picture.bits > 8:
            self._say(SIXTEEN)
        if picture.alpha is not None:
            self._say(TRANSPARENT)
            pixels = on_white(pixels, to_8_bit(picture.alpha))
        if picture.icc and profile_space(picture.icc) == "RGB":
            return self._to_srgb(pixels, picture.icc)
        return pixels

    def _to_srgb(self, pixels: Pixels, icc: bytes) -> Pixels:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        if "srgb" in (profile.profile.profile_description or "").lower():
            return pixels
        self._say(SRGB)
        image = Image.fromarray(pixels)
        ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), inPlace=True)
        return np.asarray(image)

    def _say(self, notice: Notice) -> None:
        if notice not in self.notices:
            self.notices.append(notice)

    def close(self) -> None:
        """As ``Source.close``."""
        if self._archive is not None:
            self._archive.close()
        if self._scratch is not None:
            shutil.rmtree(self._scratch, ignore_errors=True)


def _directory_size(path: Path) -> int:
    """Bytes of a ZIP's directory (APPNOTE 4.3.16), which is read as a whole; the largest number where ZIP64 has it."""
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - (1 << 16) - 22, 0))
        end = file.read()
    place = end.rfind(b"PK\5\6")
    if place < 0:
        raise zipfile.BadZipFile("no directory")
    return int.from_bytes(end[place + 12 : place + 16], "little")


def _natural(name: str) -> list[tuple[int, str]]:
    """A key that sorts names as people count: 2 before 10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d{1,18})", name.lower())]


def _hidden(name: str) -> bool:
    """Whether a ZIP's member is what systems put in by themselves."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    return "__MACOSX" in parts or any(part.startswith(".") and part not in (".", "..") for part in parts)
