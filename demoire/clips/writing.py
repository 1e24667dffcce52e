"""Video files out: H.264 that browsers play (or VP9 in WebM), frame times as they came, sound packet by packet."""

import secrets
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from demoire.clips.clip import ClipFacts, Frame, Pixels
from demoire.clips.moving import refused
from demoire.clips.video import EXACT, VIDEO_ERRORS, matrix_of, range_of
from demoire.picture import Notice

#: The codecs of sound that players of a kind of file know, where they are few.
_PLAYED = {"mp4": ("aac", "mp3", "opus", "ac3", "eac3", "alac", "flac"), "webm": ("opus", "vorbis")}
#: FFmpeg's libraries say that they write these into a kind of file, and then do not.
_UNWRITTEN = {"mov": ("flac", "opus", "truehd")}
SOUND_DROPPED = Notice("clip_sound_dropped", "This kind of file cannot hold the clip's sound; it was left out.")
SOUND_DAMAGED = Notice("clip_sound_damaged", "The sound of the clip is damaged; it ends early.")
PADDED = Notice(
    "clip_padded", "This kind of file needs an even width and height; a row or column was repeated at the edge."
)
_MUXERS = {"mp4": "mp4", "mov": "mov", "webm": "webm", "mkv": "matroska"}
_UNSAID = 2
#: Frames between two that can be reached at once: scrubbing is quick, the file a little larger.
_KEY_DISTANCE = 24
_RATE = Fraction(25)


def keeps_sound(kind: str, facts: ClipFacts) -> bool:
    """Whether a file of ``kind`` can hold all the sound of the clip."""
    known, refused_here = _PLAYED.get(kind, facts.sound), _UNWRITTEN.get(kind, ())
    return all(codec in known and codec not in refused_here for codec in facts.sound)


class VideoSink:
    """A video that is being written; ``sound`` is the file whose sound is copied, None for silence.

    Raises:
        OutputError: the file cannot be made.
    """

    def __init__(self, path: Path, kind: str, facts: ClipFacts, sound: Path | None = None) -> None:
        self.path = path
        self._facts = facts
        self._scaler = VideoReformatter()  # one for all frames, as in ``VideoSource``
        self._temporary = path.with_name(f".demoire-{secrets.token_hex(8)}.part")
        self._notices: list[Notice] = []
        # Boxes of MP4 and MOV: the index goes to the front, so that a browser can begin before all has come.
        options = {"movflags": "faststart"} if kind in ("mp4", "mov") else {}
        try:
            self._container = av.open(str(self._temporary), "w", format=_MUXERS[kind], options=options)
        except (OSError, *VIDEO_ERRORS) as error:
            raise refused(path, error) from error
        self._container.metadata.update(facts.metadata)
        self._stream = self._add_stream(kind)
        self._sound: _Sound | None = None
        if facts.sound and sound is not None:
            if keeps_sound(kind, facts) and self._container.supported_codecs.issuperset(facts.sound):
                self._sound = _Sound(sound, self._container)
            else:
                self._notices.append(SOUND_DROPPED)
        self._end = Fraction(0)

    def _add_stream(self, kind: str) -> "av.VideoStream":
        facts = self._facts
        rate = facts.rate or _RATE
        if kind == "webm":
            options = {
                "crf": "18",
                "b": "0",
                "deadline": "realtime",
                "cpu-used": "5",
                "row-mt": "1",
                "lag-in-frames": "0",
            }
        else:
            # no B-frames: decoding order is showing order, so that a file that ends early is whole up to its end
            options = {"crf": "15", "preset": "veryfast", "bf": "0", "rc-lookahead": "12"}
        options |= {"flags": "+frame_duration", "g": str(_KEY_DISTANCE)}
        stream = self._container.add_stream("libvpx-vp9" if kind == "webm" else "libx264", rate=rate, options=options)
        stream.width, stream.height = facts.width + facts.width % 2, facts.height + facts.height % 2
        if (stream.width, stream.height) != (facts.width, facts.height):
            self._notices.append(PADDED)
        stream.pix_fmt = "yuv420p"
        base = facts.time_base if facts.time_base.denominator <= 1 << 30 else Fraction(1, 90000)
        stream.time_base = stream.codec_context.time_base = base
        stream.codec_context.sample_aspect_ratio = facts.aspect
        context, colour = stream.codec_context, facts.colour
        context.color_range = range_of(colour) if colour.ranged or colour.full else 0
        context.colorspace = colour.matrix if colour.matrix else _UNSAID
        context.color_primaries, context.color_trc = colour.primaries, colour.transfer
        return stream

    def add(self, frame: Frame) -> None:
        """As ``Sink.add``."""
        base = self._stream.codec_context.time_base
        try:
            picture = self._yuv(frame.pixels)
            picture.pts, picture.time_base = round(frame.time / base), base
            picture.duration = max(round((frame.time + frame.duration) / base) - picture.pts, 1)
            for packet in self._stream.encode(picture):
                self._container.mux(packet)
            self._end = frame.time + frame.duration
            self._copy_sound(self._end)
        except (OSError, *VIDEO_ERRORS) as error:
            raise refused(self.path, error) from error

    def _yuv(self, pixels: Pixels) -> "av.VideoFrame":
        height, width = pixels.shape[:2]
        if height % 2 or width % 2:
            pixels = np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        colour = self._facts.colour
        matrix = matrix_of(colour, self._facts.height, self._facts.width)
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        return self._scaler.reformat(
            picture,
            format="yuv420p",
            src_colorspace=matrix,
            dst_colorspace=matrix,
            src_color_range=2,
            dst_color_range=range_of(colour),
            interpolation=EXACT,
        )

    def _copy_sound(self, until: Fraction | None) -> None:
        if self._sound is not None and not self._sound.copy(until):
            self._sound = None
            self._notices.append(SOUND_DAMAGED)

    def finish(self, whole: bool) -> tuple[Notice, ...]:
        """As ``Sink.finish``."""
        try:
            for packet in self._stream.encode(None):
                self._container.mux(packet)
            if whole:
                self._copy_sound(None)
            self._container.close()
            self._temporary.replace(self.path)
        except (OSError, *VIDEO_ERRORS) as error:
            raise refused(self.path, error) from error
        finally:
            self._close_sound()
            self._temporary.unlink(missing_ok=True)
        return tuple(self._notices)

    def discard(self) -> None:
        """As ``Sink.discard``."""
        try:
            self._container.close()
        except (OSError, *VIDEO_ERRORS):
            pass  # nothing of it is wanted
        finally:
            self._close_sound()
            self._temporary.unlink(missing_ok=True)

    def _close_sound(self) -> None:
        if self._sound is not None:
            self._sound.close()


class _Sound:
    """The sound of a file on its way into another one: the very packets, as far as the pictures have come."""

    def __init__(self, path: Path, target: "av.container.OutputContainer") -> None:
        self._source = av.open(str(path), "r")
        self._origin = Fraction(self._source.start_time or 0, av.time_base)
        self._streams = {stream.index: target.add_stream_from_template(stream) for stream in self._source.streams.audio}
        self._target = target
        self._packets = self._read()
        self._held: av.Packet[av.AudioStream] | None = None
        self._former: dict[int, int] = {}

    def _read(self) -> "Iterator[av.Packet[av.AudioStream]]":
        for packet in self._source.demux(self._source.streams.audio):
            if packet.dts is not None and packet.size:
                yield packet

    def copy(self, until: Fraction | None) -> bool:
        """Copies what begins before ``until`` seconds, all if that is None; False where it is damaged."""
        try:
            while (packet := self._held or next(self._packets, None)) is not None:
                self._held = packet
                base, moment = packet.time_base, packet.dts or 0
                if until is not None and moment * base - self._origin >= until:
                    return True
                self._held = None
                index, shift = packet.stream.index, round(self._origin / base)
                if not packet.duration:  # else players leave out the last one
                    packet.duration = moment - self._former.get(index, moment)
                self._former[index] = moment
                packet.stream = self._streams[index]
                packet.dts = moment - shift
                packet.pts = None if packet.pts is None else packet.pts - shift
                self._target.mux(packet)
        except VIDEO_ERRORS:
            return False
        return True

    def close(self) -> None:
        self._source.close()


def write_frames(path: Path, frames: Iterator[Pixels], rate: Fraction) -> None:
    """Writes (height, width, 3) uint8 frames as an H.264 MP4 of ``rate`` frames a second.

    Raises:
        OutputError: it cannot be written.
    """
    sink: VideoSink | None = None
    for number, pixels in enumerate(frames):
        if sink is None:
            facts = ClipFacts("mp4", path.name, pixels.shape[0], pixels.shape[1], rate)
            sink = VideoSink(path, "mp4", facts)
        sink.add(Frame(pixels, number / rate, 1 / rate))
    if sink is not None:
        sink.finish(whole=True)
