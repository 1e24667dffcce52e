"""Scores a model on clips against the CNN, which sees each frame by itself.

Clips are simulated with a hand-held camera, so that every target and every homography is known; or made of pairs of
real photos, moved.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from demoire.errors import DataError
from demoire.evaluate import UNPROCESSED, PairScores, score_pair
from demoire.homography import between, placed
from demoire.metrics import ByteImage, peak_signal_to_noise, to_float
from demoire.models.motion import seen_before, warp
from demoire.pairs import PairFiles, load_picture
from demoire.simulate import geometry
from demoire.simulate.config import GeometryParameters
from demoire.simulate.motion import HandConfig, draw_hand, moved
from demoire.simulate.sequence import SequenceConfig, draw_sequence, render_sequence, shown_size
from demoire.training.content import random_crop
from demoire.training.pool import to_bytes

FRAMES = 16
SETTLED = 4
"""The first frame, counted from 0, that counts as one with a past."""
CEILING = 150.0
"""PSNR written for equal pictures."""

_STILL = SequenceConfig()
HAND_HELD = replace(
    _STILL,
    simulator=replace(_STILL.simulator, photo_share=0.0, untouched_share=0.0),
    tripod_share=0.0,
    burst_share=0.0,
    shown=(("still", 1.0),),
)
"""Clips of still content by a moving hand: what the figures are measured on."""

MODEL, CNN, AVERAGING, FORGETFUL = "model", "cnn alone", "cnn averaged", "state reset"

Frames = NDArray[np.uint8]


class FramePredictor(Protocol):
    """Restores the frames of a clip in order."""

    def reset(self) -> None:
        """Forgets all frames so far."""

    def restore(self, frame: ByteImage) -> ByteImage:
        """The restored frame, (H, W, 3) uint8 as ``frame``."""


@dataclass(frozen=True)
class ShownClip:
    """A clip and the truth.

    Attributes:
        moire, clean: (T, H, W, 3) uint8.
        to_content: (T, 3, 3) float64, from a frame's pixels to places that all frames share.
    """

    name: str
    moire: Frames
    clean: Frames
    to_content: Tensor


@dataclass(frozen=True)
class ClipScores:
    """One clip's scores by row: no processing, the CNN, the average of its frames, the model, the model without state.

    Attributes:
        psnr: of each frame against its target, dB.
        warping_error: of restored frames, in 1/255.
        unsteadiness: the warping error of what restored frames differ from their targets by, in 1/255: brightness that
            drifts and edges that fall between pixels are no unsteadiness, and blur is no steadiness.
    """

    name: str
    psnr: dict[str, tuple[float, ...]]
    warping_error: dict[str, float]
    unsteadiness: dict[str, float]

    def settled(self, row: str) -> float:
        """Mean PSNR from the fifth frame on."""
        return float(np.mean(self.psnr[row][SETTLED:]))


@dataclass(frozen=True)
class ClipSummary:
    """Means over clips.

    Attributes:
        gain_over_cnn_db: PSNR from the fifth frame on, over the CNN on the same frames.
        warping_error_ratio: warping error against the CNN's.
        first_frame_gap_db: PSNR of the first frame over the CNN.
        gain_over_averaging_db: PSNR from the fifth frame on, over the mean of the CNN's restored frames so far, aligned
            by the true homographies.
        state_ablation_db: the same, over the model itself if it forgets after each frame.
    """

    gain_over_cnn_db: float
    warping_error_ratio: float
    first_frame_gap_db: float
    gain_over_averaging_db: float
    state_ablation_db: float


def simulated_clip(
    pictures: Sequence[Path], number: int, size: int, seed: int, config: SequenceConfig = HAND_HELD
) -> ShownClip:
    """Renders one of the clips of ``size`` x ``size`` that the pictures are in turn; same seed, same clips.

    Raises:
        DataError: a picture cannot be read.
    """
    path, rng = pictures[number % len(pictures)], np.random.default_rng((seed, number))
    parameters = draw_sequence(config, rng, FRAMES, (size, size))
    content = random_crop(load_picture(path), rng, *shown_size(parameters, (size, size)))
    clip = render_sequence(_to_tensors(content[None]), parameters, (size, size))
    return ShownClip(f"{number:02d} {path.stem}", to_bytes(clip.moire), to_bytes(clip.clean), clip.to_content)


def moved_pairs(pairs: Iterable[PairFiles], size: int, seed: int) -> Iterator[ShownClip]:
    """Clips of real photos: the middle of each as a moving hand sees it; the bands move with the content.

    Raises:
        DataError: a pair is broken or smaller than ``size``.
    """
    for number, files in enumerate(pairs):
        yield _moved(files, size, np.random.default_rng((seed, number)))


def _moved(files: PairFiles, size: int, rng: np.random.Generator) -> ShownClip:
    moire, clean = files.load()
    height, width = moire.shape[:2]
    if min(height, width) < size:
        raise DataError(
            f"Pair {files.key} has {width}x{height} pixels: choose a --size of {min(height, width)} or less."
        )
    whole = GeometryParameters(scale=1.0)
    poses = [moved(whole, pose, (1.0, 1.0), float(max(height, width))) for pose in draw_hand(HandConfig(), rng, FRAMES)]
    from_middle = torch.from_numpy(np.stack([geometry.homography(pose) for pose in poses]))
    to_middle = placed(-(size - 1) / 2, -(size - 1) / 2)
    to_content = placed((width - 1) / 2, (height - 1) / 2) @ from_middle @ to_middle
    frames = [
        to_bytes(torch.cat([_window(_to_tensors(picture[None]), matrix, size) for matrix in to_content]))
        for picture in (moire, clean)
    ]
    return ShownClip(files.key, frames[0], frames[1], to_content)


def score_clip(clip: ShownClip, model: FramePredictor, cnn: FramePredictor) -> ClipScores:
    """Restores a clip in all ways and scores it."""
    alone = restore_clip(cnn, clip.moire)
    rows = {
        UNPROCESSED: clip.moire,
        CNN: alone,
        AVERAGING: average_aligned(alone, clip.to_content),
        MODEL: restore_clip(model, clip.moire),
        FORGETFUL: restore_clip(model, clip.moire, forgetful=True),
    }
    target, changes = _to_tensors(clip.clean), {}
    for name, frames in rows.items():
        images = _to_tensors(frames)
        changes[name] = warping_errors(torch.cat((images, images - target), 1), clip.to_content)
    return ClipScores(
        clip.name,
        {name: tuple(map(decibels, frames, clip.clean)) for name, frames in rows.items()},
        {name: whole for name, (whole, _) in changes.items()},
        {name: error for name, (_, error) in changes.items()},
    )


def score_moved_pair(clip: ShownClip, model: FramePredictor, cnn: FramePredictor) -> PairScores:
    """Scores the last frame of a clip as a pair of photos."""
    target = clip.clean[-1]
    rows = {name: restore_clip(each, clip.moire)[-1] for name, each in ((CNN, cnn), (MODEL, model))}
    scores = {name: score_pair(frame, target) for name, frame in rows.items()}
    return PairScores(clip.name, score_pair(clip.moire[-1], target), scores)


def summarise_clips(scores: Sequence[ClipScores]) -> ClipSummary:
    """Means over clips; the warping error by the mean squares over all of them.

    Raises:
        DataError: there are none.
    """
    if not scores:
        raise DataError("There are no clips to summarise.")

    def mean(differences: Iterable[float]) -> float:
        return float(np.mean(list(differences)))

    return ClipSummary(
        gain_over_cnn_db=mean(s.settled(MODEL) - s.settled(CNN) for s in scores),
        warping_error_ratio=_ratio([s.warping_error for s in scores]),
        first_frame_gap_db=mean(s.psnr[MODEL][0] - s.psnr[CNN][0] for s in scores),
        gain_over_averaging_db=mean(s.settled(MODEL) - s.settled(AVERAGING) for s in scores),
        state_ablation_db=mean(s.settled(MODEL) - s.settled(FORGETFUL) for s in scores),
    )


def steadiness(scores: Sequence[ClipScores]) -> float:
    """Unsteadiness of the model against the CNN's, as ``warping_error_ratio`` is taken; 0 would be that of targets."""
    return _ratio([s.unsteadiness for s in scores])


def _ratio(errors: Sequence[Mapping[str, float]]) -> float:
    """Root mean square over all clips, the model's by the CNN's."""
    model, cnn = (math.sqrt(np.mean([error[row] ** 2 for error in errors])) for row in (MODEL, CNN))
    return model / cnn if cnn else float(model > 0)


def restore_clip(predictor: FramePredictor, frames: Frames, forgetful: bool = False) -> Frames:
    """Restores (T, H, W, 3) frame by frame; ``forgetful``: each as if it were the first."""
    predictor.reset()
    restored = []
    for frame in frames:
        restored.append(predictor.restore(frame))
        if forgetful:
            predictor.reset()
    return np.stack(restored)


def average_aligned(frames: Frames, to_content: Tensor) -> Frames:
    """For each frame the mean of all up to it, each moved onto it by the true homographies, where it was in view."""
    images = _to_tensors(frames)
    averaged = []
    for t in range(len(images)):
        back = torch.linalg.solve(to_content[: t + 1], to_content[t].expand(t + 1, 3, 3))
        inside = seen_before(back, images.shape[-2], images.shape[-1], images)
        total = (warp(images[: t + 1], back) * inside).sum(0, keepdim=True)
        averaged.append(total / inside.sum(0, keepdim=True))
    return to_bytes(torch.cat(averaged))


def warping_errors(images: Tensor, to_content: Tensor) -> list[float]:
    """Root mean squares, in 1/255, of the difference between each frame and its predecessor moved onto it.

    Args:
        images: (T, 3 K, H, W): K clips of one geometry, beside one another.
        to_content: as of ``ShownClip``.

    Returns:
        one number for each of the K.
    """
    steps = between(to_content)[1:]
    inside = seen_before(steps, images.shape[-2], images.shape[-1], images)
    squares = ((images[1:] - warp(images[:-1], steps)).square() * inside).sum((0, 2, 3))
    return [255 * math.sqrt(float(clip.mean()) / float(inside.sum())) for clip in torch.split(squares, 3)]


def _window(picture: Tensor, to_picture: Tensor, size: int) -> Tensor:
    """(1, 3, size, size): what (1, 3, H, W) shows at the places of the window's pixels."""
    seen = warp(picture, to_picture[None])
    return seen[..., :size, :size]


def decibels(image: ByteImage, clean: ByteImage) -> float:
    return min(peak_signal_to_noise(to_float(image), to_float(clean)), CEILING)


def _to_tensors(pictures: Frames) -> Tensor:
    """(N, H, W, 3) uint8 to (N, 3, H, W) in [0, 1]."""
    return torch.from_numpy(np.array(pictures)).permute(0, 3, 1, 2).float() / 255
