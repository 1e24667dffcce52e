"""What ``train --preset NAME`` trains, and how."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from demoire.errors import UnknownNameError
from demoire.models.detector import DetectorConfig
from demoire.models.discriminator import DiscriminatorConfig
from demoire.models.recurrent import RecurrentConfig
from demoire.models.unet import UNetConfig
from demoire.simulate.config import UNMASKED, SimulatorConfig
from demoire.simulate.sequence import SequenceConfig
from demoire.training.adversarial import Adversarial
from demoire.training.remembering import Remembering
from demoire.training.tasks import Detecting, Judging, Restoring, Task

_REDUCED_TOO = SimulatorConfig(resampled_share=0.55, target_sharpening=0.4, photo_share=0.15, untouched_share=0.2)
"""With photos that were reduced without a filter, a target that is less sharpened, and many plain pictures."""

_CORED = UNetConfig(coring_luma=2.3, coring_chroma=1.6, coring_shift=3.0, doubt=4.0)
"""With the thresholds that leave the least in flat areas of real photos before faint texture goes as well, and as
much doubt as spares clean photos."""

_KEPT_TONE = "Tone and colour stay as photographed: a white page that came out grey stays grey."
_WOVEN = "Woven cloth and thin printed lines, as of graph paper, may be softened like a pixel grid: look at 100 %."
_GRAIN = "Beside moire, grain and fine texture (grass, gravel, fur) may be smoothed a little: look at 100 %."
_UNSEEN = (
    "A photo in which nothing repeats as a grid does, such as one of very faint moire, is left as it is, which is "
    "said; `restore --sure` restores it all the same."
)
_FAINT = "Where it sees moire, faint content (up to about 2/255) goes as well: thin clouds, the grain of paper."
_RINGS = "Wide coloured rings (30 px and more) over light areas are only partly removed."


@dataclass(frozen=True)
class Preset:
    """A network and its training.

    Attributes:
        model_id: id of the model that ``export`` makes.
        family: what a visitor picks.
        architecture, network: name and configuration of the network.
        sequences, frames: how clips are drawn, and the frames of one in a step, where it is trained on clips.
        task: what it is trained for.
        adversarial: the discriminator that it is set against, if any.
        begins_with: id of the bundled model whose weights it starts from, unless others are named.
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
    network: UNetConfig | RecurrentConfig | DetectorConfig | DiscriminatorConfig = _CORED
    simulator: SimulatorConfig = _REDUCED_TOO
    sequences: SequenceConfig | None = None
    frames: int = 1
    task: Task = field(default_factory=Restoring)
    adversarial: Adversarial | None = None
    begins_with: str | None = None
    steps: int = 40_000
    crop: int = 256
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
    limits: tuple[str, ...] = (_GRAIN, _FAINT, _RINGS, _WOVEN, _UNSEEN, _KEPT_TONE)


PRESETS: Mapping[str, Preset] = {
    "cnn": Preset(),
    "cnn-fast": Preset(
        model_id="cnn-fast",
        network=replace(_CORED, encoder_blocks=(0, 0, 0, 1), decoder_blocks=(1, 1, 0), doubt=6.0),
        begins_with="cnn",
        steps=6_000,
        learning_rate=7e-4,
        summary=(
            ("en", "Half the work, for slow computers: the CNN without five of its blocks; leaves more moire."),
            ("zh-CN", "计算量减半，适合较慢的电脑：少五个模块的 CNN；会多留一些摩尔纹。"),
        ),
        limits=(
            "More is left of strong grids and of wide rings than by `cnn`.",
            _GRAIN,
            _FAINT,
            _WOVEN,
            _UNSEEN,
            _KEPT_TONE,
        ),
    ),
    "gan": Preset(
        model_id="gan",
        family="gan",
        network=replace(_CORED, given_back=1.0),
        adversarial=Adversarial(),
        begins_with="cnn",
        steps=4_000,
        crop=192,
        learning_rate=2e-4,
        summary=(
            ("en", "A second opinion, trained against a discriminator: crisper letters and texture, some moire left."),
            ("zh-CN", "另一种结果，经判别器对抗训练：文字更清晰，纹理更多，其中会残留一些摩尔纹。"),
        ),
        limits=(
            "Fine texture may be invented where moire covered it; judge text and faces beside the original.",
            "Where most of what moire covers does not repeat, as in foliage or fur, some moire is given back with it.",
            _FAINT,
            _RINGS,
            _UNSEEN,
        ),
    ),
    "rnn": Preset(
        model_id="rnn",
        family="rnn",
        architecture="recurrent",
        network=RecurrentConfig(look=_CORED),
        sequences=SequenceConfig(),
        begins_with="cnn",
        frames=8,
        task=Remembering(),
        steps=10_000,
        crop=160,
        batch=12,
        learning_rate=1e-4,
        warmup=100,
        pool_slots=640,
        pool_size=256,
        summary=(
            (
                "en",
                "For clips and bursts of 2-10 photos: a recurrent network that remembers; one photo is as by the CNN.",
            ),
            ("zh-CN", "适合视频和 2–10 张连拍：记住前几帧的循环网络；单张照片与 CNN 相同。"),
        ),
        limits=(
            "On one photo it does what the CNN does; it needs a clip or 2-10 photos of the same.",
            "What moves on its own is restored from its present frame alone.",
            "Bands that move with the content stay: then the past shows the same bands. Faint ones that the CNN took "
            "away may even come back.",
            "Where strong bands are left of each frame, or little is shown, frames may be laid wrong by pixels; the "
            "result is then no better than the CNN's.",
        ),
    ),
    "discriminator": Preset(
        model_id="discriminator",
        family="discriminator",
        architecture="discriminator",
        network=DiscriminatorConfig(),
        task=Judging(),
        steps=4_000,
        crop=192,
        batch=8,
        learning_rate=2e-4,
        clip=5.0,
        summary=(
            ("en", "Tells how much a restored picture looks like a clean photo."),
            ("zh-CN", "判断复原结果有多像一张干净的照片。"),
        ),
        limits=(
            "It knows the mistakes of the networks that it was trained against; others may pass, or be held against.",
            "A high number means that a picture looks clean, not that its content is true.",
        ),
    ),
    "detector": Preset(
        model_id="detector",
        family="detector",
        architecture="detector",
        network=DetectorConfig(),
        # The very photo without moire: else edges, saturated reds and noise would be taken for signs of it.
        simulator=SimulatorConfig(photo_share=0.25, resampled_share=0.4, target=UNMASKED),
        task=Detecting(),
        begins_with="cnn-fast",
        steps=12_000,
        crop=384,
        batch=8,
        learning_rate=1.5e-3,
        summary=(
            ("en", "Tells whether a photo has moire, how strong it is, and where."),
            ("zh-CN", "判断照片有没有摩尔纹、有多强、在哪里。"),
        ),
        limits=(
            "Strength is that of grids and of bands up to about 40 px wide; wider rings are seen, but hardly counted.",
            "Strength ranks photos roughly: lines of dense text, tables and hatching may count as bands, and bands "
            "over busy pictures too little.",
            "Regular texture that fills a picture (mesh, cloth, blinds seen from near) may be taken for moire.",
            "Very faint moire is missed more often than clean pictures are taken for moire.",
            "Where paper is nearly white and its bands are coloured, the mask may have holes.",
            "The probability is calibrated where one picture in three has moire; real collections differ.",
            "Of photos of more than 5 megapixels half is looked at, in squares spread over them.",
        ),
    ),
}


def find_preset(name: str) -> Preset:
    """The preset called ``name``; raises UnknownNameError, which names the nearest."""
    if name not in PRESETS:
        raise UnknownNameError.nearest("preset", name, PRESETS)
    return PRESETS[name]
