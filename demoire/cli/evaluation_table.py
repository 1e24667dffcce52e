"""How an evaluation is printed: as a table to read, as JSON to compute with."""

import argparse
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from demoire.evaluate import CleanSummary, PairScores, Scores, Summary
    from demoire.evaluate_clips import ClipScores
    from demoire.evaluate_photos import SharedScore, SharedSummary

Json = str | int | float | None | Sequence["Json"] | Mapping[str, "Json"]

#: Written for identical pictures, whose PSNR is infinite: above that of any two different pictures below 1000 MP.
IDENTICAL_DB = 150.0
PSNRS = frozenset({"raw", "fitted"})

PAIR_HEAD = ("picture", "restored by", "raw dB", "fitted dB", "SSIM", "bands dB", "blur", "LPIPS")
SUMMARY_HEAD = ("restored by", "pairs", *PAIR_HEAD[2:], "LPIPS +-%", "flat", "improved", "worst dB")
CLIP_HEAD = ("clip", "restored by", "frame 1 dB", "5 on dB", "warping", "unsteady")
SHARED_HEAD = ("photo, shared at", "restored by", "before dB", "after dB", "gain dB")
SHARED_SUMMARY_HEAD = ("mean, shared at", *SHARED_HEAD[1:], "of best")
CLEAN_HEAD = ("picture", "restored by", "to input dB")
CLEAN_SUMMARY_HEAD = ("restored by", "pictures", "minimum dB", "median dB")


def line(cells: Sequence[str]) -> str:
    """Two columns of words, then columns of numbers."""
    words = f"{cells[0]:<25} {cells[1]:<14} "
    return (words + "".join(f"{cell:>11}" for cell in cells[2:])).rstrip()


def pair_lines(scores: "PairScores") -> list[str]:
    """One line for the photo as it is, one for each restored picture."""
    return [
        line((scores.key, name, *_numbers(after, _drop(scores.before, after))))
        for name, after in _by_name(scores).items()
    ]


def summary_lines(summary: "Mapping[str, Summary]") -> list[str]:
    """One line for each way of restoring."""
    return [
        line(
            (
                name,
                str(found.pairs),
                *_numbers(asdict(found), found.bands),
                _number(found.lpips_change, "+.1f"),
                str(found.bands_pairs),
                _number(found.improved, ".0%"),
                _number(found.worst, "+.2f"),
            )
        )
        for name, found in summary.items()
    ]


def pairs_json(scores: "Sequence[PairScores]", summary: "Mapping[str, Summary]") -> dict[str, Json]:
    """``{"pairs": [{"key", "scores": {name: {metric: value}}}], "summary": {name: {...}}}``; null where not defined."""
    pairs: list[Json] = []
    for score in scores:
        named = _by_name(score)
        rows: dict[str, Json] = {
            name: _plain({**after, "bands": _drop(score.before, after)}) for name, after in named.items()
        }
        pairs.append({"key": score.key, "scores": rows})
    return {"pairs": pairs, "summary": {name: _plain(asdict(found)) for name, found in summary.items()}}


def clean_lines(name: str, changes: "Scores") -> list[str]:
    """One line for each way of restoring one clean picture."""
    return [line((name, candidate, _decibels(value))) for candidate, value in changes.items()]


def clean_summary_lines(summary: "Mapping[str, CleanSummary]") -> list[str]:
    """One line for each way of restoring."""
    return [
        line((name, str(found.pictures), _decibels(found.minimum), _decibels(found.median)))
        for name, found in summary.items()
    ]


def clean_json(scores: "Mapping[str, Scores]", summary: "Mapping[str, CleanSummary]") -> dict[str, Json]:
    """``{"clean": [{"name", "psnr": {name: dB}}], "summary": {name: {"pictures", "minimum", "median"}}}``."""
    pictures: list[Json] = [
        {"name": name, "psnr": {candidate: min(value, IDENTICAL_DB) for candidate, value in changes.items()}}
        for name, changes in scores.items()
    ]
    lines: dict[str, Json] = {
        name: {
            "pictures": found.pictures,
            "minimum": min(found.minimum, IDENTICAL_DB),
            "median": min(found.median, IDENTICAL_DB),
        }
        for name, found in summary.items()
    }
    return {"clean": pictures, "summary": lines}


def clip_lines(scores: "ClipScores") -> list[str]:
    """One line for each way of restoring one clip."""
    return [
        line(
            (
                scores.name,
                name,
                _decibels(frames[0]),
                _decibels(scores.settled(name)),
                _number(scores.warping_error[name], ".2f"),
                _number(scores.unsteadiness[name], ".2f"),
            )
        )
        for name, frames in scores.psnr.items()
    ]


def clips_json(scores: "Sequence[ClipScores]") -> list[Json]:
    """By clip: ``{"name", "psnr": {row: [dB of each frame]}, "warping_error": {row: x}, "unsteadiness": {row: x}}``."""
    return [asdict(score) for score in scores]


def shared_lines(score: "SharedScore") -> list[str]:
    """One line for each model's restored picture of one photo, shared at one size."""
    return [
        line((f"{score.photo}, 1/{score.reduction}", name, *_gained(score.before, after, after - score.before)))
        for name, after in score.after.items()
    ]


def shared_summary_lines(summary: "Mapping[str, Sequence[SharedSummary]]") -> list[str]:
    """One line for each model and size."""
    return [
        line(
            (
                f"1/{found.reduction}",
                name,
                *_gained(found.before, found.after, found.gain),
                _number(found.share_of_best, ".0%"),
            )
        )
        for name, rows in summary.items()
        for found in rows
    ]


def shared_json(scores: "Sequence[SharedScore]", summary: "Mapping[str, Sequence[SharedSummary]]") -> dict[str, Json]:
    """``{"scores": [...], "summary": {model: {"1/1": {"before", "after", "gain", "share_of_best"}}}}``."""
    rows = {name: {f"1/{found.reduction}": asdict(found) for found in each} for name, each in summary.items()}
    return {"scores": [asdict(score) for score in scores], "summary": rows}


def say(args: argparse.Namespace, text: str) -> None:
    """Prints a part of the table at once; nothing where JSON is asked for."""
    if not args.json:
        print(text, flush=True)


def weights_hashes(models: Iterable[str]) -> dict[str, str | None]:
    """What the figures hold for: the SHA-256 of each model's weights."""
    from demoire.catalog import find_model

    return {name: find_model(name).files["model.safetensors"].sha256 for name in models}


def _gained(before: float, after: float, gain: float) -> tuple[str, str, str]:
    return _decibels(before), _decibels(after), _number(gain, "+.2f")


def _by_name(scores: "PairScores") -> "dict[str, Scores]":
    from demoire.evaluate import UNPROCESSED

    return {UNPROCESSED: scores.before, **scores.after}


def _drop(before: "Scores", after: "Scores") -> float:
    from demoire.metrics import bands_removed

    return bands_removed(before["bands_left"], after["bands_left"])


def _numbers(scores: Mapping[str, float | None], bands: float) -> tuple[str, ...]:
    return (
        _decibels(scores["raw"]),
        _decibels(scores["fitted"]),
        _number(scores["ssim"], ".4f"),
        _number(bands, "+.2f"),
        _number(scores.get("blur"), ".3f"),
        _number(scores.get("lpips"), ".4f"),
    )


def _number(value: float | None, form: str) -> str:
    return "-" if value is None or math.isnan(value) else format(value, form)


def _decibels(value: float | None) -> str:
    return "identical" if value == math.inf else _number(value, ".2f")


def _plain(values: Mapping[str, float | None]) -> dict[str, Json]:
    """JSON knows neither nan nor infinity: null where a value is not defined, a ceiling for identical pictures."""
    plain: dict[str, Json] = {}
    for name, value in values.items():
        if value is not None and value == math.inf and name in PSNRS:
            plain[name] = IDENTICAL_DB
        else:
            plain[name] = value if value is not None and math.isfinite(value) else None
    return plain
