"""A capture by hand: the few numbers that matter most, the rest drawn from a seed. Imports no torch."""

import math
from dataclasses import dataclass, fields, replace

import numpy as np

from demoire.errors import DataError
from demoire.simulate.config import (
    HALF_DIAGONAL,
    CaptureParameters,
    DeliveryParameters,
    GeometryParameters,
    JpegParameters,
    SensorParameters,
    SimulatorConfig,
)

ONLY_SCREENS = SimulatorConfig(photo_share=0.0, untouched_share=0.0)
LAYOUTS = tuple(name for name, _ in ONLY_SCREENS.layouts)
#: Least, most and step of each number.
RANGES: dict[str, tuple[float, float, float]] = {
    "scale": (0.7, 4.8, 0.01),
    "angle": (-45.0, 45.0, 0.5),
    "perspective": (0.0, 40.0, 0.5),
    "blur": (0.1, 2.0, 0.05),
    "noise": (0.0, 200.0, 5.0),
    "jpeg": (30, 100, 1),
    "reduction": (1.0, 4.0, 0.05),
    "seed": (0, 999_999, 1),
}
_MOST_PHOTONS = 4000  # noise 25 %; at 100 % there are a sixteenth as many, the fewest that models were trained on


@dataclass(frozen=True)
class ShotSettings:
    """What a visitor sets.

    Attributes:
        layout: of the display's sub-pixels, one of ``LAYOUTS``.
        scale: camera pixels per display pixel; larger is nearer.
        angle: of the camera to the display, degrees.
        perspective: change of scale across the frame, percent.
        blur: Gaussian sigma of the lens, camera pixels.
        noise: percent; 0 is none, 100 the most that models were trained on.
        jpeg: quality; 100 is no JPEG at all.
        reduction: how far the photo is reduced before it is shared.
        seed: of all the rest: camera, colours, tone, place of the pixels.
    """

    layout: str = "stripe"
    scale: float = 1.52
    angle: float = 3.0
    perspective: float = 4.0
    blur: float = 0.4
    noise: float = 25.0
    jpeg: int = 92
    reduction: float = 1.0
    seed: int = 1

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise DataError(f"There is no display layout '{self.layout}'; known are {', '.join(LAYOUTS)}.")
        for name, (low, high, _) in RANGES.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
                raise DataError(f"The capture's '{name}' must lie between {low:g} and {high:g}, not at {value}.")

    def code(self) -> str:
        """All settings as a short text for links."""
        return "_".join([self.layout, *(f"{getattr(self, name):g}" for name in RANGES)])

    @classmethod
    def read(cls, code: str) -> "ShotSettings":
        """The settings that ``code`` wrote.

        Raises:
            DataError: it is no such text.
        """
        names = [entry.name for entry in fields(cls)][1:]
        layout, *numbers = code.rsplit("_", len(names))
        try:
            values = dict(zip(names, (float(number) for number in numbers), strict=True))
        except ValueError as error:
            raise DataError("These are no settings of a capture; copy the whole link.") from error
        whole = {name: int(values[name]) for name in ("jpeg", "seed") if math.isfinite(values[name])}
        return cls(layout, **{**values, **whole})  # type: ignore[arg-type]


def surprise(seed: int) -> ShotSettings:
    """Settings as training draws them."""
    parameters, shared = _drawn(seed)
    geometry, passes = parameters.geometry, parameters.jpeg.qualities
    values = {
        "scale": geometry.scale,
        "angle": math.degrees(geometry.rotation),
        "perspective": 100 * math.hypot(*geometry.perspective) * geometry.radius / HALF_DIAGONAL,
        "blur": parameters.optics.sigma,
        "noise": 25 * math.sqrt(_MOST_PHOTONS / parameters.sensor.photons),
        "jpeg": min(passes, default=100),
        "reduction": math.sqrt(shared.reduction[0] * shared.reduction[1]),
        "seed": seed,
    }
    rounded = {name: _on_grid(name, value) for name, value in values.items()}
    whole = {name: int(rounded[name]) for name in ("jpeg", "seed")}
    return ShotSettings(parameters.display.layout, **{**rounded, **whole})  # type: ignore[arg-type]


def parameters_of(settings: ShotSettings) -> tuple[CaptureParameters, DeliveryParameters]:
    """What the renderer needs: the settings, and all else as the seed draws it."""
    from demoire.simulate import drawing

    drawn, shared = _drawn(settings.seed)
    optics = replace(drawn.optics, sigma=settings.blur, target_sigma=settings.blur * ONLY_SCREENS.target_sharpness)
    parameters = replace(
        drawn,
        display=replace(drawn.display, layout=settings.layout),
        geometry=_geometry(settings, drawn.geometry),
        optics=optics,
        sensor=_sensor(settings, drawn.sensor),
        jpeg=JpegParameters((settings.jpeg,) if settings.jpeg < 100 else (), drawn.jpeg.subsampled),
    )
    exposed = drawing.expose(parameters, ONLY_SCREENS.peak[1])  # their sub-pixels may be brighter than those drawn
    return exposed, replace(shared, reduction=(settings.reduction, settings.reduction))


def _drawn(seed: int) -> tuple[CaptureParameters, DeliveryParameters]:
    from demoire.simulate import drawing  # with torch, which the page does not start with

    rng = np.random.default_rng(seed)
    shared, scale = drawing.draw_delivery(ONLY_SCREENS, rng), drawing.draw_scale(ONLY_SCREENS, rng)
    return drawing.draw_capture(ONLY_SCREENS, rng, scale), shared


def _on_grid(name: str, value: float) -> float:
    low, high, step = RANGES[name]
    return round(min(max(round(value / step) * step, low), high), 6)


def _geometry(settings: ShotSettings, drawn: GeometryParameters) -> GeometryParameters:
    direction = math.atan2(drawn.perspective[1], drawn.perspective[0])
    tilt = settings.perspective / 100 * HALF_DIAGONAL / drawn.radius
    return replace(
        drawn,
        scale=settings.scale,
        rotation=math.radians(settings.angle),
        perspective=(tilt * math.cos(direction), tilt * math.sin(direction)),
    )


def _sensor(settings: ShotSettings, drawn: SensorParameters) -> SensorParameters:
    if settings.noise == 0:
        return replace(drawn, photons=0.0, read_noise=0.0)
    return replace(drawn, photons=_MOST_PHOTONS * (25 / settings.noise) ** 2)
