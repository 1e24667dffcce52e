"""Clips of pictures out: animated GIF and WebP, a ZIP or a folder of PNG files; each frame is written as it comes."""

import secrets
import shutil
import zipfile
from fractions import Fraction
from pathlib import Path

import av
import imagecodecs
import numpy as np
from PIL import Image

from demoire.clips.clip import ClipFacts, Frame, Pixels
from demoire.clips.kinds import GIF_EXTENSION, gif_blocks
from demoire.clips.video import VIDEO_ERRORS
from demoire.errors import OutputError
from demoire.picture import Notice

PALETTE = Notice("clip_palette", "A GIF has at most 256 colours in a frame; choose MP4 or WebP to keep all.")


class AnimationSink:
    """A GIF (each frame with the palette that suits it) or a WebP (without loss) that is being written.

    Each frame is written whole, as it comes: an encoder that looks for what changed keeps all of them until the end.

    Raises:
        OutputError: the file cannot be made.
    """

    def __init__(self, path: Path, kind: str, facts: ClipFacts) -> None:
        self.path = path
        self._gif = kind == "gif"
        self._base = Fraction(1, 100) if self._gif else Fraction(1, 1000)
        self._temporary = path.with_name(f".demoire-{secrets.token_hex(8)}.part")
        try:
            self._container = av.open(str(self._temporary), "w", format=kind, options={"loop": "0"})
            self._stream = self._container.add_stream("gif" if self._gif else "libwebp", rate=25)
        except (OSError, *VIDEO_ERRORS) as error:
            raise refused(path, error) from error
        self._last = 1
        self._stream.width, self._stream.height = facts.width, facts.height
        self._stream.pix_fmt = "pal8" if self._gif else "bgra"
        self._stream.time_base = self._stream.codec_context.time_base = self._base
        self._stream.options = {} if self._gif else {"lossless": "1", "compression_level": "2", "quality": "50"}

    def add(self, frame: Frame) -> None:
        """As ``Sink.add``."""
        picture = self._picture(frame.pixels)
        picture.pts, picture.time_base = round(frame.time / self._base), self._base
        picture.duration = self._last = max(round((frame.time + frame.duration) / self._base) - picture.pts, 1)
        try:
            for packet in self._stream.encode(picture):
                self._container.mux(packet)
        except (OSError, *VIDEO_ERRORS) as error:
            raise refused(self.path, error) from error

    def _picture(self, pixels: Pixels) -> "av.VideoFrame":
        if not self._gif:
            opaque = np.full((*pixels.shape[:2], 1), 255, np.uint8)
            return av.VideoFrame.from_ndarray(np.concatenate([pixels[..., ::-1], opaque], axis=2), format="bgra")
        image = Image.fromarray(pixels).quantize(256, dither=Image.Dither.FLOYDSTEINBERG)
        colours = np.frombuffer(bytes(image.getpalette("RGB") or b"").ljust(768, b"\0"), np.uint8).reshape(256, 3)
        palette = np.concatenate([np.full((256, 1), 255, np.uint8), colours], axis=1)
        return av.VideoFrame.from_ndarray((np.asarray(image), palette), format="pal8")  # type: ignore[arg-type]

    def finish(self, whole: bool) -> tuple[Notice, ...]:
        """As ``Sink.finish``."""
        try:
            for packet in self._stream.encode(None):
                self._container.mux(packet)
            self._container.close()
            (_end_gif if self._gif else _end_webp)(self._temporary, self._last)
            self._temporary.replace(self.path)
        except (OSError, *VIDEO_ERRORS) as error:
            raise refused(self.path, error) from error
        finally:
            self._temporary.unlink(missing_ok=True)
        return (PALETTE,) if self._gif else ()

    def discard(self) -> None:
        """As ``Sink.discard``."""
        try:
            self._container.close()
        except (OSError, *VIDEO_ERRORS):
            pass  # nothing of it is wanted
        finally:
            self._temporary.unlink(missing_ok=True)


def _end_gif(path: Path, delay: int) -> None:
    """Sets how long the last picture is shown, in 1/100 s, which FFmpeg's libraries do not."""
    with path.open("r+b") as file:
        controls = []
        for mark, place in gif_blocks(file):
            if mark == GIF_EXTENSION and file.read(1) == b"\xf9":
                controls.append(place)
            file.seek(place + 1)
        if controls:
            file.seek(controls[-1] + 4)
            file.write(min(delay, 0xFFFF).to_bytes(2, "little"))


def _end_webp(path: Path, milliseconds: int) -> None:
    """As ``_end_gif``, in the last ANMF chunk of a WebP (RFC 9649, section 2.7.1.1)."""
    with path.open("r+b") as file:
        place, last = 12, None
        while True:
            file.seek(place)
            head = file.read(8)
            if len(head) < 8:
                break
            last = place if head[:4] == b"ANMF" else last
            size = int.from_bytes(head[4:], "little")
            place += 8 + size + size % 2
        if last is not None:
            file.seek(last + 8 + 12)
            file.write(min(milliseconds, 0xFFFFFF).to_bytes(3, "little"))


class PicturesSink:
    """PNG files, numbered from 1, in a new folder or a ZIP that is being written.

    Raises:
        OutputError: it cannot be made, or the folder is there already.
    """

    def __init__(self, path: Path, kind: str, facts: ClipFacts) -> None:
        self.path = path
        self._count = 0
        self._temporary = path.with_name(f".demoire-{secrets.token_hex(8)}.part")
        self._archive: zipfile.ZipFile | None = None
        try:
            if kind == "zip":
                self._archive = zipfile.ZipFile(self._temporary, "w", zipfile.ZIP_STORED)
            else:
                self._temporary.mkdir()
        except OSError as error:
            raise refused(path, error) from error

    def add(self, frame: Frame) -> None:
        """As ``Sink.add``."""
        self._count += 1
        name = f"{self._count:06d}.png"
        data = imagecodecs.png_encode(np.ascontiguousarray(frame.pixels), level=2)
        try:
            if self._archive is not None:
                self._archive.writestr(zipfile.ZipInfo(name), data)
            else:
                (self._temporary / name).write_bytes(data)
        except OSError as error:
            raise refused(self.path, error) from error

    def finish(self, whole: bool) -> tuple[Notice, ...]:
        """As ``Sink.finish``."""
        try:
            if self._archive is not None:
                self._archive.close()
            self._temporary.replace(self.path)
        except OSError as error:
            self.discard()
            raise refused(self.path, error) from error
        return ()

    def discard(self) -> None:
        """As ``Sink.discard``."""
        if self._archive is None:
            shutil.rmtree(self._temporary, ignore_errors=True)
            return
        try:
            self._archive.close()
        finally:
            self._temporary.unlink(missing_ok=True)


def refused(path: Path, error: Exception) -> OutputError:
    """For a file that cannot be written."""
    reason = getattr(error, "strerror", None) or "the file system refused"
    return OutputError(f"'{path}' cannot be written ({reason}); choose another folder or free some space.")
