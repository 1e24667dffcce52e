"""The model card: written from the configuration, the training and the evaluation, so that no figure can drift."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demoire.catalog import ModelEntry
from demoire.errors import DataError, OutputError
from demoire.hub.publishing import card_top, task_of
from demoire.training.content import Entry
from demoire.training.export import Trained
from demoire.training.options import PAIRS, SIMULATED
from demoire.training.presets import Preset

_PAIR_COLUMNS = {
    "raw": "raw PSNR",
    "fitted": "fitted PSNR",
    "ssim": "SSIM",
    "bands": "bands, dB",
    "improved": "improved",
    "blur": "blur effect",
    "lpips": "LPIPS",
}
_CLEAN_COLUMNS = {"minimum": "lowest PSNR to the input", "median": "median"}
_DETECTOR_COLUMNS = {
    "positives": "with moire",
    "negatives": "without",
    "auc": "AUC",
    "accuracy": "accuracy",
    "false_alarms": "false alarms",
    "strength_correlation": "strength, rank correlation",
    "mask_iou": "mask IoU",
}
_DISCRIMINATOR_COLUMNS = {
    "moire": "photo",
    "cnn": "by cnn",
    "gan": "by gan",
    "clean": "clean",
    "clean_over_moire": "clean above the photo",
    "clean_over_restored": "clean above restored",
    "calibration_error": "calibration error",
}
_CLIP_COLUMNS = {
    "gain_over_cnn_db": "over the CNN, dB",
    "gain_over_averaging_db": "over averaging, dB",
    "state_ablation_db": "over itself without memory, dB",
    "first_frame_gap_db": "first frame over the CNN's, dB",
    "warping_error_ratio": "warping error by the CNN's",
}

_SCORES = (
    "PSNR and SSIM after a photometric fit to the truth (raw: before it); `bands`: drop of the moire left in flat\n"
    "areas; `improved`: share of the pictures where it dropped. A blur gains in PSNR and SSIM, too; therefore it\n"
    "stands beside. Blur effect: how blurred a picture looks by itself, 0 (sharp) to 1; moire looks sharp, too."
)
_VERDICTS = (
    "The verdict is at a probability of 0.5, fitted to simulated captures, pictures and textures. Its fixed constants\n"
    "and the share of pictures that are taken to have moire were chosen among several by these very pairs, so\n"
    "their accuracy is a little flattered. Strength is compared with the true\n"
    "amplitude (simulated) or with the difference to the truth after a photometric fit (real pairs), where that is\n"
    "visible and the truth has no detail of its own."
)
_JUDGED = (
    "Mean probability of being clean: of the photo, of what models make of it, and of the clean picture in the\n"
    "photo's tone; shares of pairs that rank so; expected calibration error over clean and restored pictures, in ten\n"
    "bins."
)
_CLIPS = (
    "PSNR from the fifth frame on, of simulated clips of a hand-held camera, never trained on. Averaging is that of\n"
    "the CNN's frames by the true homographies, which only a simulation knows; warping error: the difference of\n"
    "frames that follow one another, motion taken out."
)
#: What is trained on, as the Hub names data sets.
DATA_SETS: Mapping[str, str] = {SIMULATED: "simulated-screen-captures", PAIRS: "own-pairs"}
#: The Hub's names of metrics, where they differ from ours.
_METRICS = {"raw": "psnr", "fitted": "psnr", "minimum": "psnr", "median": "psnr"}


@dataclass(frozen=True)
class Report:
    """A kind of evaluation: the command (``{name}`` is the data set, ``{id}`` the model), its figures, meaning."""

    command: str
    columns: Mapping[str, str]
    meaning: str


#: Commands of families that do not restore.
_USAGE: Mapping[str, str] = {
    "detector": "detect PHOTO",
    "discriminator": "restore PHOTO -o restored.png --json    # looks_clean",
}
#: By the key under which the JSON lists single pictures.
REPORTS: Mapping[str, Report] = {
    "pairs": Report("evaluate --pairs {name} --model {id}", _PAIR_COLUMNS, _SCORES),
    "clean": Report("evaluate --clean {name} --model {id}", _CLEAN_COLUMNS, _SCORES),
    "pictures": Report(
        "evaluate-detector --pairs DIR --clean DIR --textures 96 --content POOL", _DETECTOR_COLUMNS, _VERDICTS
    ),
    "judged": Report("evaluate-discriminator --pairs DIR --content POOL", _DISCRIMINATOR_COLUMNS, _JUDGED),
    "clips": Report("evaluate --clips --model {id}", _CLIP_COLUMNS, _CLIPS),
}


@dataclass(frozen=True)
class Figures:
    """What an evaluation with ``--json`` found on a data set: ``summary`` is candidate or set -> figure -> value."""

    name: str
    report: Report
    summary: Mapping[str, Mapping[str, float | None]]

    @classmethod
    def read(cls, name: str, path: Path) -> "Figures":
        """Reads what ``evaluate --json`` or one of its kin wrote; DataError if it is something else."""
        try:
            data = json.loads(path.read_text())
            key = next(key for key in REPORTS if key in data)
            summary = {name: data["summary"]} if key == "clips" else data["summary"]
            # Means are told candidate by candidate.
            return cls(name, REPORTS[key], {row: {**found, **found.get("means", {})} for row, found in summary.items()})
        except (OSError, ValueError, KeyError, TypeError, StopIteration) as error:
            raise DataError(f"{path} is not what evaluate --json writes; run it again with --json > {path}.") from error


def write_card(
    folder: Path,
    entry: ModelEntry,
    preset: Preset,
    trained: Trained,
    content: Sequence[Entry],
    figures: Sequence[Figures],
    history: str = "",
) -> None:
    """Writes ``folder/README.md``; raises OutputError where that cannot be."""
    parts = [
        card_top(entry, [DATA_SETS[kind] for kind in trained.data], model_index(entry, figures)),
        _head(entry),
        _limits(preset),
        _figures(entry, figures),
        _training(preset, trained, history),
        _data(content, trained.data),
    ]
    try:
        (folder / "README.md").write_text("\n".join(parts), encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{folder} cannot be written ({error.strerror}); choose another folder with -o.") from error


def model_index(entry: ModelEntry, figures: Sequence[Figures]) -> list[dict[str, Any]]:
    """The figures of the model itself, as ``huggingface_hub.EvalResult`` takes them; baselines stay in the tables."""
    results: list[dict[str, Any]] = []
    for found in figures:
        rows = {found.name: found.summary[entry.id]} if entry.id in found.summary else found.summary
        for data_set, row in rows.items():
            results += [
                {
                    "task_type": task_of(entry),
                    "dataset_type": re.sub(r"[^a-z0-9]+", "-", data_set.lower()),
                    "dataset_name": data_set,
                    "metric_type": _METRICS.get(key, key),
                    "metric_name": title,
                    "metric_value": round(value, 4),
                }
                for key, title in found.report.columns.items()
                if (value := row.get(key)) is not None
            ]
    return results


def _head(entry: ModelEntry) -> str:
    size = sum(file.size for file in entry.files.values()) / 1e6
    restoring = f"restore PHOTO -o restored.png --model {entry.id}"
    usage = _USAGE.get(entry.family, restoring)
    return f"""# {entry.id}

{entry.summary["en"]}

Architecture `{entry.architecture}`, {entry.parameters / 1e6:.2f} M parameters, {entry.macs_per_pixel / 1000:.1f} kMAC
per pixel, {size:.1f} MB. Input: (N, 3, H, W) sRGB in [0, 1].

    python -m demoire {usage}
"""


def _limits(preset: Preset) -> str:
    return "\n".join(["## Where it fails", "", *(f"* {line}" for line in preset.limits), ""])


def _figures(entry: ModelEntry, figures: Sequence[Figures]) -> str:
    lines = ["## Figures", ""]
    if not figures:
        return "\n".join([*lines, "Not evaluated yet.", ""])
    lines += dict.fromkeys(found.report.meaning for found in figures)
    for found in figures:
        command = found.report.command.format(name=found.name, id=entry.id)
        perceptual = " --perceptual DIR" if any(row.get("lpips") for row in found.summary.values()) else ""
        lines += ["", f"### {found.name}", "", f"    python -m demoire {command}{perceptual} --json", ""]
        lines += _table(found.summary, found.report.columns)
    return "\n".join([*lines, ""])


def _table(summary: Mapping[str, Mapping[str, float | None]], columns: Mapping[str, str]) -> list[str]:
    shown = {key: title for key, title in columns.items() if any(row.get(key) is not None for row in summary.values())}
    rows = [f"| | {' | '.join(shown.values())} |", f"|---|{'---|' * len(shown)}"]
    for name, row in summary.items():
        rows.append(f"| {name} | {' | '.join(_cell(key, row.get(key)) for key in shown)} |")
    return rows


def _cell(key: str, value: float | None) -> str:
    if value is None:
        return "-"
    if key in {"improved", "accuracy", "false_alarms", "clean_over_moire", "clean_over_restored"}:
        return f"{value:.0%}"
    if isinstance(value, int):
        return str(value)
    return f"{value:.3f}" if key in {"ssim", "blur", "lpips", "auc", "calibration_error"} else f"{value:.2f}"


def _training(preset: Preset, trained: Trained, history: str) -> str:
    progress, touches = trained.progress, trained.touches.options()
    runs = " ".join(["RUN", *(f"EARLIER_RUN_{number}" for number in range(1, trained.runs))])
    features = " --perceptual FEATURES" if preset.adversarial else ""
    photos = " --photos PHOTO..." if preset.task.restores else ""
    store = " --content POOL" if SIMULATED in trained.data else ""
    prepared = "    python -m demoire prepare --content CONTENT -o POOL\n" if store else ""
    before = _beginning(preset) + history
    data = (" --pairs PAIRS" if PAIRS in trained.data else "") + store
    return f"""## Training

{prepared}    python -m demoire train --preset {preset.model_id}{features}{data} --run RUN --steps {progress.step}
    python -m demoire export --preset {preset.model_id} --run {runs}{store}{photos}{touches}

{_crops(preset, progress.step)},
{progress.seconds / 60:.0f} minutes of steps; loss: {_loss(preset)}. {_trained_on(trained.data)} {before}
"""


def _trained_on(data: Sequence[str]) -> str:
    if PAIRS not in data:
        return "Only simulated\ncaptures were trained on, no real photo."
    mixed = ", and simulated captures" if SIMULATED in data else ""
    return (
        f"Trained on\npairs of your own{mixed}: photos, each with the clean picture, aligned and in the photo's tone."
    )


def _crops(preset: Preset, steps: int) -> str:
    clips = f" of {preset.frames} frames" if preset.sequences else ""
    thousands = f"({steps * preset.batch / 1000:.0f} thousand crops)"
    return f"{steps} steps of {preset.batch} crops of {preset.crop} px{clips} {thousands}"


def _loss(preset: Preset) -> str:
    game = preset.adversarial
    if game is None:
        return f"{preset.task.loss_name} (no pretrained network)"
    return (
        f"{preset.task.loss_name}, {game.perceptual_weight:g} x LPIPS by VGG16 (trained on ImageNet), "
        f"{game.weight:g} x {game.game} adversarial loss"
    )


def _beginning(preset: Preset) -> str:
    return f"It began with the weights of the bundled `{preset.begins_with}`. " if preset.begins_with else ""


def _data(content: Sequence[Entry], data: Sequence[str]) -> str:
    own = ["Pairs of your own: photos and clean pictures that are not published with the model.", ""]
    if SIMULATED not in data:
        return "\n".join(["## Data", "", *own])
    licences = Counter((entry.kind, entry.licence) for entry in content)
    rows: list[Any] = [f"| {kind} | {licence} | {count} |" for (kind, licence), count in sorted(licences.items())]
    return "\n".join(
        [
            "## Data",
            "",
            *(own if PAIRS in data else ()),
            "Clean pictures shown on the display; `demoire/training/manifest.tsv` names file, licence, author,",
            "source and sha256 of each; pages were rendered here.",
            "",
            "| kind | licence | pictures |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )
