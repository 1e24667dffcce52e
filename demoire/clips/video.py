"""Video files in: MP4, MOV, WebM and MKV, decoded frame by frame through FFmpeg's libraries (PyAV)."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.codec.codec import UnknownCodecError
from av.video.reformatter import Interpolation, VideoReformatter

from demoire.clips.clip import ClipFacts, ClipLimits, Colour, Frame, Pixels
from demoire.errors import ClipError, ClipTooLargeError
from demoire.picture import Notice

#: What FFmpeg's libraries raise on files that are damaged or of another kind.
VIDEO_ERRORS = (av.error.FFmpegError, UnknownCodecError, ValueError, ArithmeticError)

CUT_OFF = Notice("clip_cut_off", "The clip is damaged or cut off; it ends where its frames could no longer be read.")
TOO_LONG = Notice("clip_shortened", "The clip is longer than is accepted here; the rest was left out.")
DEPTH = Notice("clip_depth", "The clip has more than 8 bits per channel; the result has 8.")
TRACKS = Notice("clip_tracks", "The file also holds other tracks (subtitles, data, further video); they were left out.")

_UNSAID, _BT709, _BT601 = 2, 1, 5
#: Code points of matrices (H.273) -> what the scaler calls them.
_SCALER_MATRICES = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}
_LIMITED, _FULL = 1, 2
#: Larger frames are not decoded to tell how large they are, whatever the file's header says.
_BOMB = 1 << 25
#: FFmpeg's libraries take no larger number of pixels.
_UNBOUNDED = (1 << 31) - 1
#: Rounded exactly, chroma at every pixel: back and forth changes a sample by 0.02 levels on the average, else by 0.7.
EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
#: Names in the file's metadata that describe how it was written rather than what it shows.
_OF_THE_FILE = ("major_brand", "minor_version", "compatible_brands", "encoder", "handler_name", "vendor_id")


def matrix_of(colour: Colour, height: int, width: int) -> int:
    """What the scaler calls the clip's matrix; where none is named what players assume: by the size."""
    guess = _BT709 if min(height, width) >= 720 else _BT601
    return _SCALER_MATRICES.get(colour.matrix, guess)


def range_of(colour: Colour) -> int:
    """What the scaler calls the range of the clip's samples."""
    return _FULL if colour.full else _LIMITED


class VideoSource:
    """A video file that is being read.

    Raises:
        ClipError: it cannot be read, or has no video; ClipTooLargeError: it is larger than ``limits``.
    """

    def __init__(self, path: Path, name: str, kind: str, limits: ClipLimits) -> None:
        self.notices: list[Notice] = []
        self._name = name
        self._limits = limits
        decoding = {"max_pixels": str(min(max(2 * limits.max_pixels, _BOMB), _UNBOUNDED))}
        try:
            self._container = av.open(str(path), "r", options=decoding)
        except VIDEO_ERRORS as error:
            raise unreadable(name) from error
        try:
            self._stream = self._video_stream()
            self._stream.thread_type = "AUTO"
            self._stream.codec_context.options = decoding
            check_size(self._stream.height, self._stream.width, name, limits)
            # One for all frames: each of its own would take memory anew and, on a busy machine, scatter it.
            self._scaler = VideoReformatter()
            self._turn = 0
            self._ahead = self._decode_first()
            self.facts = self._facts(kind)
            self._check()
        except BaseException:
            self.close()
            raise

    def _video_stream(self) -> "av.VideoStream":
        streams = [stream for stream in self._container.streams.video if not stream.disposition & 0x400]  # no covers
        if not streams:
            sound = "only sound" if self._container.streams.audio else "no video"
            raise ClipError(f"'{self._name}' holds {sound}; choose a file with video.")
        others = len(self._container.streams) - len(self._container.streams.audio) - 1
        if others:
            self.notices.append(TRACKS)
        if streams[0].codec_context is None:
            raise ClipError(f"The video in '{self._name}' is of a kind that is not known here; convert it to H.264.")
        return streams[0]

    def _decode_first(self) -> "tuple[Iterator[av.VideoFrame], av.VideoFrame]":
        """The frames after the first one, and the first, which tells more than the file's header."""
        decoded = self._decoded()
        first = next(decoded, None)
        if first is None:
            raise ClipError(
                f"'{self._name}' holds no frame that can be read: it is cut off or far too large; choose another file."
            )
        return decoded, first

    def _decoded(self) -> "Iterator[av.VideoFrame]":
        """All frames that are whole and have a time; a damaged one ends them."""
        try:
            for packet in self._container.demux(self._stream):
                if packet.is_corrupt:
                    self.notices.append(CUT_OFF)
                    break
                for frame in packet.decode():
                    if frame.is_corrupt:
                        self.notices.append(CUT_OFF)
                        return
                    if frame.pts is not None:
                        yield frame
            else:
                return
            yield from (frame for frame in self._stream.decode(None) if frame.pts is not None and not frame.is_corrupt)
        except VIDEO_ERRORS:
            self.notices.append(CUT_OFF)

    def _facts(self, kind: str) -> ClipFacts:
        stream, frame, container = self._stream, self._ahead[1], self._container
        self._turn = round(frame.rotation / 90) % 4
        if any(component.bits > 8 for component in frame.format.components):
            self.notices.append(DEPTH)
        height, width = frame.height, frame.width
        aspect = Fraction(stream.sample_aspect_ratio or 1)
        seconds = container.duration / av.time_base if container.duration else None
        return ClipFacts(
            kind=kind,
            name=self._name,
            height=width if self._turn % 2 else height,
            width=height if self._turn % 2 else width,
            rate=stream.average_rate,
            frames=stream.frames or (round(seconds * stream.average_rate) if seconds and stream.average_rate else None),
            seconds=seconds,
            time_base=stream.time_base or Fraction(1, 90000),
            aspect=1 / aspect if self._turn % 2 else aspect,
            colour=Colour(
                matrix=int(frame.colorspace),
                full=int(frame.color_range) == _FULL or frame.format.name.startswith("yuvj"),
                primaries=int(frame.color_primaries),
                transfer=int(frame.color_trc),
                ranged=int(frame.color_range) != 0,
            ),
            sound=tuple(map(_codec, container.streams.audio)),
            metadata={key: value for key, value in container.metadata.items() if key not in _OF_THE_FILE},
        )

    def _check(self) -> None:
        facts, limits = self.facts, self._limits
        check_size(facts.height, facts.width, self._name, limits)
        if (facts.seconds or 0) > limits.max_seconds:
            raise ClipTooLargeError(
                f"'{self._name}' is {facts.seconds:.0f} s long and at most {limits.max_seconds:g} s are accepted; "
                "cut out a shorter part."
            )

    def frames(self) -> Iterator[Frame]:
        """As ``Source.frames``; each is held back until the next one tells how long it is shown."""
        base = self.facts.time_base
        rest, frame = self._ahead
        start = max(self._moment(frame) - Fraction(self._container.start_time or 0, av.time_base), Fraction(0))
        origin = self._moment(frame) - start
        time, pixels, length, count = start, self._pixels(frame), frame.duration, 1
        for frame in rest:
            following = self._moment(frame) - origin
            if following <= time:
                continue  # a time twice, or backwards
            if (frame.height, frame.width) != self._coded:
                self.notices.append(CUT_OFF)
                break
            if following >= self._limits.max_seconds or count >= self._limits.max_frames:
                self.notices.append(TOO_LONG)
                break
            yield Frame(pixels, time, following - time)
            time, pixels, length, count = following, self._pixels(frame), frame.duration, count + 1
        usual = 1 / self.facts.rate if self.facts.rate else Fraction(1, 25)
        last = length * base if length else usual
        yield Frame(pixels, time, last)
        if CUT_OFF not in self.notices and TOO_LONG not in self.notices and self._ended_early(time + last, last):
            self.notices.append(CUT_OFF)

    def _moment(self, frame: "av.VideoFrame") -> Fraction:
        return (frame.pts or 0) * self.facts.time_base

    def _ended_early(self, end: Fraction, frame: Fraction) -> bool:
        """Whether the file promises more than the frames there were."""
        promised: float | Fraction | None = None if self.facts.sound else self.facts.seconds
        if self._stream.duration:
            promised = self._stream.duration * self.facts.time_base
        return promised is not None and end < promised - max(float(1.5 * frame), 0.05)

    @property
    def _coded(self) -> tuple[int, int]:
        height, width = self.facts.height, self.facts.width
        return (width, height) if self._turn % 2 else (height, width)

    def _pixels(self, frame: "av.VideoFrame") -> Pixels:
        """(height, width, 3) uint8 RGB, upright."""
        colour = self.facts.colour
        matrix = matrix_of(colour, *self._coded)
        rgb = self._scaler.reformat(
            frame,
            format="rgb24",
            src_colorspace=matrix,
            dst_colorspace=matrix,
            src_color_range=range_of(colour),
            dst_color_range=_FULL,
            interpolation=EXACT,
        )
        return np.ascontiguousarray(np.rot90(rgb.to_ndarray(), self._turn))

    def close(self) -> None:
        """As ``Source.close``."""
        self._container.close()


def _codec(sound: "av.AudioStream") -> str:
    """The name of a sound track's codec, empty where none is known."""
    return sound.codec_context.codec.canonical_name if sound.codec_context else ""


def check_size(height: int, width: int, name: str, limits: ClipLimits) -> None:
    """Refuses frames that are too large."""
    if height * width > limits.max_pixels:
        raise ClipTooLargeError(
            f"The frames of '{name}' have {height * width / 1e6:.1f} megapixels and at most "
            f"{limits.max_pixels / 1e6:.1f} are accepted; reduce the clip."
        )


def unreadable(name: str) -> ClipError:
    """For a file of which nothing can be read."""
    return ClipError(
        f"'{name}' cannot be read as a clip: it is damaged, cut off or of another kind; choose an MP4, MOV, WebM, MKV, "
        "GIF or WebP file, or a ZIP of pictures."
    )
