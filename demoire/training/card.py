"""The model card: written from the configuration, the training and the evaluation, so that no figure can drift."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demoire.catalog import ModelEntry
from demoire.errors import DataError, OutputError
from demoire.training.content import Entry
from demoire.training.export import Trained
from demoire.training.presets import Preset

_PAIR_COLUMNS = {
    "raw": "raw PSNR",
    "fitted": "fitted PSNR",
    "ssim": "SSIM",
    "bands": "bands, dB",
    "improved": "improved",
    "lpips": "LPIPS",
}
_CLEAN_COLUMNS = {"minimum": "lowest PSNR to the input", "mean": "mean"}


@dataclass(frozen=True)
class Figures:
    """What ``evaluate --json`` found on a data set: candidate -> figure -> value; ``clean``: there was no truth."""

    name: str
    clean: bool
    summary: Mapping[str, Mapping[str, float | None]]

    @classmethod
    def read(cls, name: str, path: Path) -> "Figures":
        """Reads the output of ``evaluate --json``; raises DataError if it is something else."""
        try:
            data = json.loads(path.read_text())
            return cls(name, "clean" in data, data["summary"])
        except (OSError, ValueError, KeyError, TypeError) as error:
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
        _front_matter(entry),
        _head(entry),
        _limits(),
        _figures(entry, figures),
        _training(preset, trained, history),
        _data(content),
    ]
    try:
        (folder / "README.md").write_text("\n".join(parts), encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{folder} cannot be written ({error.strerror}); choose another folder with -o.") from error


def _front_matter(entry: ModelEntry) -> str:
    return f"""---
library_name: demoire
pipeline_tag: image-to-image
license: {entry.licence.lower()}
tags: [demoireing, image-restoration, {entry.family}, {entry.architecture}]
---
"""


def _head(entry: ModelEntry) -> str:
    size = sum(file.size for file in entry.files.values()) / 1e6
    return f"""# {entry.id}

{entry.summary["en"]}

Architecture `{entry.architecture}`, {entry.parameters / 1e6:.2f} M parameters, {entry.macs_per_pixel / 1000:.1f} kMAC
per pixel, {size:.1f} MB. Input and output: (N, 3, H, W) sRGB in [0, 1].

    python -m demoire restore PHOTO -o restored.png --model {entry.id}
"""


def _limits() -> str:
    return """## Where it fails

* Wide rings (100 px and more) over light areas are only partly removed.
* Strong grids that look like fabric or mesh may be left; fabric that looks like a pixel grid may be softened.
* Tone and colour stay as photographed: a white page that came out grey stays grey.
"""


def _figures(entry: ModelEntry, figures: Sequence[Figures]) -> str:
    lines = ["## Figures", ""]
    if not figures:
        return "\n".join([*lines, "Not evaluated yet.", ""])
    lines.append(
        "PSNR and SSIM after a photometric fit to the truth (raw: before it); `bands`: drop of the moire left in flat\n"
        "areas; `improved`: share of the pictures where it dropped. A blur gains in PSNR and SSIM, too; therefore it\n"
        "stands beside."
    )
    for found in figures:
        option = "--clean" if found.clean else "--pairs"
        perceptual = " --perceptual DIR" if any(row.get("lpips") for row in found.summary.values()) else ""
        lines += [
            "",
            f"### {found.name}",
            "",
            f"    python -m demoire evaluate {option} {found.name} --model {entry.id}{perceptual} --json",
            "",
        ]
        lines += _table(found.summary, _CLEAN_COLUMNS if found.clean else _PAIR_COLUMNS)
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
    if key == "improved":
        return f"{value:.0%}"
    return f"{value:.3f}" if key in {"ssim", "lpips"} else f"{value:.2f}"


def _training(preset: Preset, trained: Trained, history: str) -> str:
    progress = trained.progress
    shift = f" --gate-shift {trained.gate_shift:g}" if trained.gate_shift else ""
    crops = progress.step * preset.batch
    return f"""## Training

    python -m demoire prepare --content CONTENT -o POOL
    python -m demoire train --preset {preset.model_id} --content POOL --run RUN --steps {progress.step}
    python -m demoire export --preset {preset.model_id} --run RUN --content POOL --photos PHOTO...{shift}

{progress.step} steps of {preset.batch} crops of {preset.crop} px ({crops / 1000:.0f} thousand crops),
{progress.seconds / 60:.0f} minutes of steps; loss: {preset.task.loss_name} (no pretrained network). Only simulated
captures were trained on, no real photo. {history}
"""


def _data(content: Sequence[Entry]) -> str:
    licences = Counter((entry.kind, entry.licence) for entry in content)
    rows: list[Any] = [f"| {kind} | {licence} | {count} |" for (kind, licence), count in sorted(licences.items())]
    return "\n".join(
        [
            "## Data",
            "",
            "Clean pictures shown on the display; `demoire/training/manifest.tsv` names file, licence, author,",
            "source and sha256 of each; pages were rendered here.",
            "",
            "| kind | licence | pictures |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )
