"""The detector's network over a whole picture."""

import numpy as np
import torch
from numpy.typing import NDArray

from demoire.detect import CELL
from demoire.devices import memory_budget
from demoire.errors import WeightsError
from demoire.loading import LoadedModel
from demoire.memory import largest_area
from demoire.models.detector import AMPLITUDE_UNIT, Detector
from demoire.picture import Samples
from demoire.tiling import Grid, Layer, plan_within, predict_all

_CPU = torch.device("cpu")


@torch.inference_mode()
def look(loaded: LoadedModel, pixels: Samples) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """Runs the detector over (H, W, 3) pixels.

    Returns:
        logits of the verdict, one for each window of the picture (rows, columns); amplitude of the moire in 1/255 and
        where it is visible, both (ceil(H/4), ceil(W/4)).

    Raises:
        WeightsError: the model is no detector.
    """
    module, needs = loaded.module, loaded.needs
    if not isinstance(module, Detector):
        raise WeightsError(f"The model '{loaded.entry.id}' does not detect moire; choose one of the family 'detector'.")
    height, width = pixels.shape[:2]
    grid = Grid(height, width, needs.size_multiple, needs.halo)
    area = largest_area(module, needs.size_multiple, memory_budget(_CPU, height * width))
    maps, features = predict_all(module, [Layer(pixels)], grid, plan_within(grid, area))
    logits = module.judge(features[None])[0]
    rows, columns = (-(-side // CELL) for side in (height, width))
    amplitude, shown = maps[:, :rows, :columns].numpy()
    return logits.numpy(), amplitude * np.float32(AMPLITUDE_UNIT), shown > 0
