"""Curves of a training's log as a picture."""

import json
from pathlib import Path

from demoire.extras import require


def draw_curves(log: Path, target: Path, figure_name: str) -> None:
    """Draws loss, learning rate and validation figure over the steps of a JSON-lines log into a PNG.

    Raises:
        DemoireError: matplotlib is missing.
    """
    require("Drawing curves", "train", "matplotlib")
    from matplotlib.figure import Figure

    rows = [json.loads(line) for line in log.read_text().splitlines()]
    figure = Figure(figsize=(10, 4), layout="constrained")
    loss_axes, gain_axes = figure.subplots(1, 2)
    steps = [row["step"] for row in rows]
    loss_axes.plot(steps, [row["loss"] for row in rows], linewidth=0.8)
    loss_axes.set(xlabel="step", ylabel="loss", yscale="log")
    validated = [row for row in rows if row["gain"] is not None]
    gain_axes.plot([row["step"] for row in validated], [row["gain"] for row in validated], marker="o")
    gain_axes.set(xlabel="step", ylabel=f"validation: {figure_name}")
    figure.savefig(target, dpi=100)
