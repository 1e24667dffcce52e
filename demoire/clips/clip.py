"""What a clip is: its facts, its frames one by one, how large it may be, and what reads or writes one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from demoire.picture import Notice, positive_setting

#: (height, width, 3) uint8 RGB.
Pixels = NDArray[np.uint8]

#: Kinds of clips -> suffixes of their files; the first is the one that is written.
KINDS: Mapping[str, tuple[str, ...]] = {
    "mp4": (".mp4", ".m4v"),
    "mov": (".mov", ".qt"),
    "webm": (".webm",),
    "mkv": (".mkv",),
    "gif": (".gif",),
    "webp": (".webp",),
    "zip": (".zip",),
    "folder": ("",),
}
#: Kinds that hold video and sound, read and written by FFmpeg's libraries.
VIDEO_KINDS = ("mp4", "mov", "webm", "mkv")
#: File name suffixes of clips.
CLIP_SUFFIXES = tuple(suffix for suffixes in KINDS.values() for suffix in suffixes if suffix)


@dataclass(frozen=True)
class ClipLimits:
    """How large a clip may be.

    Attributes:
        max_seconds: how long.
        max_pixels: height x width of a frame.
        max_frames: how many frames.
        max_bytes: of the file.
    """

    max_seconds: float = 600.0
    max_pixels: int = 9_000_000
    max_frames: int = 72_000
    max_bytes: int = 4 << 30

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], seconds: float = max_seconds) -> "ClipLimits":
        """Reads ``DEMOIRE_MAX_CLIP_SECONDS`` (else ``seconds``), ``DEMOIRE_MAX_CLIP_MEGAPIXELS``.

        And ``DEMOIRE_MAX_MEGABYTES``, which holds for pictures, too. At most 120 frames come for each second.

        Raises:
            DemoireError: a value is not a positive number.
        """
        longest = positive_setting(environment, "DEMOIRE_MAX_CLIP_SECONDS", seconds)
        pixels = positive_setting(environment, "DEMOIRE_MAX_CLIP_MEGAPIXELS", cls.max_pixels / 1e6)
        size = positive_setting(environment, "DEMOIRE_MAX_MEGABYTES", cls.max_bytes / (1 << 20))
        return cls(longest, round(pixels * 1e6), max(round(120 * longest), 1), round(size * (1 << 20)))


@dataclass(frozen=True)
class Colour:
    """How a clip's YUV samples are meant: code points of ITU-T H.273, 2 = not said.

    Attributes:
        matrix: from RGB to YUV.
        full: whether the samples use all values (0-255) instead of 16-235.
        primaries: of the RGB.
        transfer: of the RGB.
        ranged: whether the file says which values its samples use.
    """

    matrix: int = 2
    full: bool = False
    primaries: int = 2
    transfer: int = 2
    ranged: bool = True


@dataclass(frozen=True)
class ClipFacts:
    """What is known of a clip before its frames are read.

    Attributes:
        kind: one of ``KINDS``.
        name: of its file.
        height, width: of the upright frames, in pixels.
        rate: frames a second, the average where it varies; None: not known.
        frames: how many there will be, as far as the file says; None: not known.
        seconds: how long it is, as far as the file says; None: not known.
        time_base: seconds that all times are multiples of.
        aspect: width of a pixel over its height.
        colour: how its samples are meant.
        sound: the codec of each sound track.
        metadata: title, date, place... of the file.
    """

    kind: str
    name: str
    height: int
    width: int
    rate: Fraction | None = None
    frames: int | None = None
    seconds: float | None = None
    time_base: Fraction = Fraction(1, 90000)
    aspect: Fraction = Fraction(1)
    colour: Colour = field(default_factory=Colour)
    sound: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Frame:
    """One frame: its ``pixels``, when it is shown and for how long, in seconds from the clip's start."""

    pixels: Pixels
    time: Fraction
    duration: Fraction


class Source(Protocol):
    """A clip that is being read; ``notices`` grow while its frames are."""

    facts: ClipFacts
    notices: list[Notice]

    def frames(self) -> Iterator[Frame]:
        """The frames in order, decoded one by one. What cannot be read ends them, with a notice if some were read.

        Raises:
            ClipError: there is no frame to be read.
        """

    def close(self) -> None:
        """Closes the file."""


class Sink(Protocol):
    """A clip that is being written; complete at ``path`` once it is finished, and playable then, however it ended."""

    path: Path

    def add(self, frame: Frame) -> None:
        """Writes a frame.

        Raises:
            OutputError: it cannot be written.
        """

    def finish(self, whole: bool) -> tuple[Notice, ...]:
        """Completes the file, with all of the sound if ``whole``, else with that of the frames there are.

        Raises:
            OutputError: it cannot be written.
        """

    def discard(self) -> None:
        """Leaves no file."""
