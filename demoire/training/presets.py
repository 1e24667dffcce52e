"""What ``train --preset NAME`` trains, and how."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from demoire.errors import UnknownNameError
from demoire.models.detector import DetectorConfig
from demoire.models.unet import UNetConfig
from demoire.simulate.config import SimulatorConfig
from demoire.training.tasks import Detecting, Restoring, Task


@dataclass(frozen=True)
class Preset:
    """A network and its training.

    Attributes:
        model_id: id of the model that ``export`` makes.
        family: what a visitor picks.
        architecture, network: name and configuration of the network.
        task: what it is trained for.
        crop, batch: side in pixels and number of the crops of one step.
        learning_rate: the highest; reached after ``warmup`` steps, falling as a cosine to 1 % at the end.
        clip: largest norm of the gradient.
        ema: decay of the moving average of the weights; the average is what is validated and exported.
        summary: language -> one line for the catalogue.
        limits: where it fails, for the card.
    """

    model_id: str = "cnn"
    family: str = "cnn"
    architecture: str = "unet"
    network: UNetConfig | DetectorConfig = field(default_factory=UNetConfig)
    simulator: SimulatorConfig = field(default_factory=SimulatorConfig)
    task: Task = field(default_factory=Restoring)
    steps: int = 40_000
    crop: int = 288
    batch: int = 4
    learning_rate: float = 1e-3
    warmup: int = 200
    clip: float = 0.5
    weight_decay: float = 1e-4
    ema: float = 0.999
    pool_slots: int = 3000
    pool_size: int = 384
    summary: tuple[tuple[str, str], ...] = (
        ("en", "The safest picture: removes bands and pixel grids, keeps colours and text."),
        ("zh-CN", "最稳妥的结果：去除条纹和像素网格，保留颜色和文字。"),
    )
    limits: tuple[str, ...] = (
        "Wide rings (100 px and more) over light areas are only partly removed.",
        "Strong grids that look like fabric or mesh may be left; fabric that looks like a pixel grid may be softened.",
        "Tone and colour stay as photographed: a white page that came out grey stays grey.",
    )


PRESETS: Mapping[str, Preset] = {
    "cnn": Preset(),
    "detector": Preset(
        model_id="detector",
        family="detector",
        architecture="detector",
        network=DetectorConfig(),
        task=Detecting(),
        steps=12_000,
        crop=256,
        batch=8,
        summary=(
            ("en", "Tells whether a photo has moire, how strong it is, and where."),
            ("zh-CN", "判断照片有没有摩尔纹、有多强、在哪里。"),
        ),
        limits=(
            "Strength is that of bands up to about 75 px wide; wider rings are seen, but underestimated.",
            "The probability is calibrated where half of the pictures have moire; real collections differ.",
        ),
    ),
}


def find_preset(name: str) -> Preset:
    """The preset called ``name``; raises UnknownNameError, which names the nearest."""
    if name not in PRESETS:
        raise UnknownNameError.nearest("preset", name, PRESETS)
    return PRESETS[name]
