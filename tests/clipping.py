"""Clips for tests: written by FFmpeg's libraries alone, read back by our reader."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image

from demoire.clips.clip import Frame, Pixels
from demoire.clips.restoring import ClipRestored, ClipTarget, open_clip, restore_clip
from demoire.errors import OutputError
from demoire.picture import Notice


@dataclass(frozen=True)
class Clip:
    """What a clip is to be like; ``times`` are in units of 1/90000 s, ``turn`` in degrees counter-clockwise.

    ``reordered``: frames are stored in another order than they are shown; ``live``: the header tells no length.
    """

    frames: int = 10
    height: int = 48
    width: int = 64
    times: tuple[int, ...] = ()
    sound: str | None = None
    turn: int = 0
    full: bool = False
    matrix: int = 5
    deep: bool = False
    front: bool = True
    reordered: bool = False
    live: bool = False
    aspect: Fraction = Fraction(1)
    title: str = ""


def picture(number: int, height: int = 48, width: int = 64) -> Pixels:
    """A frame that tells its number: soft colours, and a bright bar that moves."""
    y, x = np.mgrid[:height, :width]
    image = np.stack([40 + 150 * x / width, 60 + 120 * y / height, np.full(x.shape, 90.0)], 2)
    image[height // 4 : height // 2, 2 + number % (width - 12) : 10 + number % (width - 12)] = 235
    return image.astype(np.uint8)


def make_clip(path: Path, clip: Clip, draw: Callable[[int, int, int], Pixels] = picture) -> None:
    """Writes a clip of the kind that the suffix names."""
    kind = path.suffix[1:]
    if kind in ("gif", "webp"):
        images = [Image.fromarray(draw(number, clip.height, clip.width)) for number in range(clip.frames)]
        images[0].save(
            path, save_all=True, append_images=images[1:], duration=[50 + 10 * n for n in range(clip.frames)]
        )
        return
    options = {"movflags": "faststart"} if clip.front and kind in ("mp4", "mov") else {}
    if clip.live:
        options["live"] = "1"
    with av.open(str(path), "w", options=options) as file:
        file.metadata.update({"title": clip.title} if clip.title else {})
        video = _add_video(file, kind, clip) if clip.frames else None
        sound = _add_sound(file, clip.sound) if clip.sound else None
        for number in range(clip.frames):
            frame = av.VideoFrame.from_ndarray(draw(number, clip.height, clip.width), format="rgb24")
            colours = {"src_colorspace": clip.matrix, "dst_colorspace": clip.matrix, "src_color_range": 2}
            frame = frame.reformat(format=video.pix_fmt, dst_color_range=2 if clip.full else 1, **colours)
            frame.pts = clip.times[number] if clip.times else number * 3600
            frame.time_base = Fraction(1, 90000)
            file.mux(video.encode(frame))
        if sound:
            for packet in _sound_packets(sound, max(clip.frames / 25, 0.2)):
                file.mux(packet)
        if video:
            file.mux(video.encode(None))


def _add_video(file: "av.container.OutputContainer", kind: str, clip: Clip) -> "av.VideoStream":
    if kind == "webm":
        options = {"deadline": "realtime", "cpu-used": "8", "b": "0"}
    else:
        options = {"preset": "ultrafast", "bf": "3" if clip.reordered else "0", "b-adapt": "0"}
    stream = file.add_stream("libvpx-vp9" if kind == "webm" else "libx264", rate=25, options={"crf": "8", **options})
    stream.height, stream.width = clip.height, clip.width
    stream.pix_fmt = "yuv420p10le" if clip.deep else "yuv420p"
    stream.time_base = stream.codec_context.time_base = Fraction(1, 90000)
    stream.codec_context.color_range = 2 if clip.full else 1
    stream.codec_context.colorspace = clip.matrix
    stream.codec_context.sample_aspect_ratio = clip.aspect
    if clip.turn:
        stream.set_display_rotation(clip.turn)
    return stream


def _add_sound(file: "av.container.OutputContainer", codec: str) -> "av.AudioStream":
    return file.add_stream(codec, rate=48000, layout="mono")


def _sound_packets(stream: "av.AudioStream", seconds: float) -> "list[av.Packet]":
    random, packets = np.random.default_rng(3), []
    if not stream.codec_context.is_open:
        stream.codec_context.open()
    size = stream.codec_context.frame_size or 960
    format = stream.codec_context.format.name
    scale, kind = {"flt": (1.0, np.float32), "s16": (9999.0, np.int16), "s32": (6e8, np.int32)}[format[:3]]
    for number in range(int(seconds * 48000 / size)):
        noise = random.normal(size=(1, size)) * 0.1
        frame = av.AudioFrame.from_ndarray((noise * scale).astype(kind), format=format, layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48000, number * size, Fraction(1, 48000)
        packets += stream.encode(frame)
    return packets + stream.encode(None)


def read_frames(path: Path) -> list[Frame]:
    source = open_clip(path)
    frames = list(source.frames())
    source.close()
    return frames


def read_sound(path: Path) -> list[tuple[bytes, Fraction]]:
    """The bytes and the time of each packet of sound."""
    with av.open(str(path)) as file:
        streams = file.streams.audio
        if not streams:
            return []
        return [(bytes(packet), packet.pts * packet.time_base) for packet in file.demux(streams[0]) if packet.size]


class SteadyRestorer:
    """Hands every frame back; counts how often it was reset."""

    model = "steady"
    device = "cpu"

    def __init__(self, fail_at: int | None = None, failure: BaseException | None = None) -> None:
        self.notices: list[Notice] = []
        self.resets = 0
        self._fail_at = fail_at
        self._failure = failure or OutputError("It is broken.")
        self._done = 0

    def reset(self) -> None:
        self.resets += 1

    def restore(self, frame: Pixels, cancelled: Callable[[], bool] | None = None) -> Pixels:
        if self._done == self._fail_at:
            raise self._failure
        self._done += 1
        return frame


def restored(source: Path, target: Path, restorer: SteadyRestorer | None = None) -> ClipRestored:
    kind = target.suffix[1:] or "folder"
    events = list(restore_clip(source, [ClipTarget(target, kind)], restorer or SteadyRestorer()))
    assert isinstance(events[-1], ClipRestored)
    return events[-1]
