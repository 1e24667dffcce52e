"""What a viewer shows: panes of one picture in several versions, and how they are looked at. Plain data, no Gradio."""

import math
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal, get_args

from demoire.detect import LEVELS, Moire
from demoire.errors import DataError

#: What a pane holds. "capture", "target" and "mask" are those of a simulated photo.
Role = Literal["original", "result", "reference", "capture", "target", "mask"]
#: How panes are compared: all side by side; two with a divider; two in turn; the difference of two.
Mode = Literal["side", "split", "blink", "difference"]
#: How far a pane is.
State = Literal["working", "done", "cancelled", "failed"]
#: (top, left, bottom, right) in pixels of the picture; bottom and right are exclusive.
Box = tuple[int, int, int, int]

#: Smallest and largest magnification, in screen pixels per picture pixel.
ZOOMS = (0.25, 16.0)
#: How much differences are amplified.
GAINS = (1, 2, 4, 8, 16)


@dataclass(frozen=True)
class Source:
    """Where a browser gets the pixels of a picture: PNG tiles at ``<base>/<level>/<row>/<column>``.

    Attributes:
        base: address relative to the page.
        height, width: of the picture, in pixels.
        levels: level k is the picture halved k times by area averaging.
        side: of a tile, in pixels.
    """

    base: str
    height: int
    width: int
    levels: int
    side: int


@dataclass(frozen=True)
class Run:
    """How a result came about; what of it is not known is None.

    Attributes:
        model: model id; ``family`` and ``revision`` are the catalogue's.
        origin: where the weights came from ("bundled", or a repository).
        device, dtype, tiles: what was computed where; ``tile`` is the side that was asked for, None where automatic.
        seconds: time spent on this picture by this model.
        box: the part of the picture that was restored, None for all of it.
        probability, strength, area, level: of the photo's moire, as ``demoire.detect.Moire``, where it was looked for.
        looks_clean: the probability that the result is a clean photo, 0 to 1, where the discriminator was asked.
        photos: how many photos of the same it is made of; None for a model that sees one at a time.
    """

    model: str
    family: str
    origin: str
    device: str
    dtype: str
    tiles: int
    seconds: float
    tile: int | None = None
    revision: str | None = None
    box: Box | None = None
    probability: float | None = None
    strength: float | None = None
    area: float | None = None
    level: str | None = None
    looks_clean: float | None = None
    photos: int | None = None

    def moire(self) -> Moire | None:
        """How much moire the photo has, where that is known; what a link brought along is not trusted to be so."""
        figures = [figure for figure in (self.probability, self.strength, self.area) if isinstance(figure, int | float)]
        if len(figures) < 3 or self.level is None or self.level not in LEVELS:
            return None
        return Moire(figures[0], figures[1], figures[2], self.level)


@dataclass(frozen=True)
class Overlay:
    """A map that may be laid over a picture.

    Attributes:
        kind: "mask", where there is moire; "patches", how much each patch looks like a clean photo.
        source: its pixels, with transparency; each covers a square of ``cell`` x ``cell`` pixels of the picture.
        colours: of the legend, from the least to the most.
    """

    kind: Literal["mask", "patches"]
    source: Source
    cell: int
    colours: tuple[str, ...]


@dataclass(frozen=True)
class File:
    """A file that a pane offers for download: its address relative to the page, its name."""

    address: str
    name: str


@dataclass(frozen=True)
class Pane:
    """One version of the picture. All panes of a comparison have the same height and width.

    Attributes:
        key: names the pane within its comparison, also in links: "original", "result-3".
        role: what it is; says how it is called unless ``label`` does.
        source: its pixels.
        label: what it is called, the same in every language (a file's name); "" for the role's or the model's name.
        run: of a result.
        figures: metric -> value against the reference: "raw" and "fitted" PSNR in dB, "ssim", "bands_left".
        arrived: the parts that are there already, None for all.
        state: "done", "working", "cancelled" or "failed" (what had arrived by then is kept).
        file: what may be downloaded.
        problem: why it failed, a sentence in each language.
        overlay: a map of it.
        moire: how much the picture has, where it is to be said here.
    """

    key: str
    role: Role
    source: Source
    label: str = ""
    run: Run | None = None
    figures: dict[str, float] = field(default_factory=dict)
    arrived: tuple[Box, ...] | None = None
    state: State = "done"
    file: File | None = None
    problem: dict[str, str] = field(default_factory=dict)
    overlay: Overlay | None = None
    moire: Moire | None = None

    def describe(self) -> dict[str, Any]:
        """As JSON for the viewer; figures that are no finite numbers are left out."""
        finite = {name: value for name, value in self.figures.items() if math.isfinite(value)}
        return asdict(replace(self, figures=finite))


@dataclass(frozen=True)
class ViewState:
    """How a comparison is looked at; the same on every screen.

    Attributes:
        mode: how panes are compared.
        zoom: screen (device) pixels per picture pixel, within ``ZOOMS``; 0: fitted to the window.
        x, y: the picture's point in the middle of a pane, as shares of width and height.
        a, b: keys of the two panes that all modes but "side" compare; "" for the viewer's own choice.
        split: where the divider stands, 0 to 1.
        gain: of the difference, one of ``GAINS``.
        signed: the difference about middle grey, else its absolute value.
        hidden: keys of panes that are not shown side by side; the difference is called "difference".
        order: keys of panes in the order in which they are shown; panes not named follow.
        mask, patches: whether the overlays of that kind are shown.
    """

    mode: Mode = "side"
    zoom: float = 1.0
    x: float = 0.5
    y: float = 0.5
    a: str = ""
    b: str = ""
    split: float = 0.5
    gain: int = 4
    signed: bool = False
    hidden: tuple[str, ...] = ("difference",)
    order: tuple[str, ...] = ()
    mask: bool = False
    patches: bool = False

    def describe(self) -> dict[str, Any]:
        """As JSON for the viewer and for links."""
        return asdict(self)

    @classmethod
    def read(cls, data: object) -> "ViewState":
        """Reads what ``describe`` wrote, or what a browser sent. What is missing gets its default.

        Raises:
            DataError: a value is not of its type, or out of its range.
        """
        if not isinstance(data, dict):
            raise DataError("A view must be a JSON object; open the link again.")
        known = {entry.name for entry in fields(cls)}
        values = {name: value for name, value in data.items() if name in known}
        for name, accepts in _ACCEPTED.items():
            if name in values and not accepts(values[name]):
                raise DataError(f"The view's '{name}' is not as it should be; open the link again.")
        for name in ("hidden", "order"):
            if name in values:
                values[name] = tuple(values[name])
        return cls(**values)


@dataclass(frozen=True)
class Comparison:
    """What a viewer is given.

    Attributes:
        key: names the picture; while it stays, the viewer keeps its place, magnification and mode.
        panes: of that picture, the original first.
        view: how to look at it at first; None: in the middle at 100 %.
        name: of the photo, as file name.
    """

    key: str
    panes: tuple[Pane, ...]
    view: ViewState | None = None
    name: str = ""

    def describe(self) -> dict[str, Any]:
        """As JSON for the viewer."""
        return {
            "key": self.key,
            "panes": [pane.describe() for pane in self.panes],
            "view": self.view and self.view.describe(),
            "name": self.name,
        }


def _number(low: float, high: float) -> Any:
    return lambda value: isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high


def _short(value: object) -> bool:
    return isinstance(value, str) and len(value) <= 64


def _keys(value: object) -> bool:
    return isinstance(value, list | tuple) and len(value) <= 32 and all(_short(key) for key in value)


_ACCEPTED = {
    "mode": lambda value: value in get_args(Mode),
    "zoom": lambda value: value == 0 or _number(*ZOOMS)(value),
    "x": _number(0, 1),
    "y": _number(0, 1),
    "a": _short,
    "b": _short,
    "split": _number(0, 1),
    "gain": lambda value: value in GAINS,
    "signed": lambda value: isinstance(value, bool),
    "hidden": _keys,
    "order": _keys,
    "mask": lambda value: isinstance(value, bool),
    "patches": lambda value: isinstance(value, bool),
}
