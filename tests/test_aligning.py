"""Learnt alignment: what frames are compared by, and its training on clips whose motion is known."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from demoire.models.aligner import FEATURES, Aligner
from demoire.models.lucas_kanade import LEVELS, plain_levels, refine
from demoire.models.motion import estimate_motion, warp
from demoire.models.recurrent import Recurrent
from demoire.training.aligning import Aligning, corner_errors, draw_pairs
from demoire.training.remembering import Clips
from tests.test_motion import homography, texture
from tests.test_recurrent import SMALL

HEIGHT, WIDTH = 96, 128


@pytest.fixture
def network() -> Recurrent:
    torch.manual_seed(3)
    return Recurrent(replace(SMALL, aligner=(8, 8, 8))).eval()


def moving(frames: int, bands: float, seed: int = 0) -> Clips:
    """Faint content that a hand moves, and red bands that the CNN leaves and that move otherwise."""
    generator = torch.Generator().manual_seed(seed)
    scene = 0.5 + 0.3 * (texture(HEIGHT, WIDTH, seed) - 0.5)
    still, x = torch.eye(3, dtype=torch.float64), torch.arange(WIDTH + 0.0)
    shown, steps, to_scene = [], [still], still
    for number in range(frames):
        if number:
            dx, dy = (1.5 * torch.rand(2, generator=generator) - 0.75).tolist()
            steps.append(homography((dx, dy), 0, 1, 0, HEIGHT, WIDTH))
            to_scene = to_scene @ steps[-1]
        frame = warp(scene, to_scene[None])
        frame[:, 0] += bands * torch.sin(2 * torch.pi * (x / 21 + float(torch.rand(1, generator=generator))))
        shown.append(frame)
    clip = torch.stack(shown, 1)
    return Clips(clip, clip, torch.stack(steps)[None], clip)


def errors(network: Recurrent, clips: Clips, aligner: Aligner | None) -> Tensor:
    """Of the corners of each frame but the first, in pixels."""
    pairs, found = draw_pairs(network, clips, slice(0, clips.moire.shape[1] - 1)), []
    for former, present in zip(pairs.former, pairs.present, strict=True):
        motion = estimate_motion(former[None], present[None], aligner or plain_levels)
        assert motion is not None
        found.append(motion.matrix)
    return corner_errors(torch.stack(found), pairs.matrices, (HEIGHT, WIDTH))


def test_an_aligner_that_adds_nothing_compares_brightness(network: Recurrent) -> None:
    frames = torch.rand(2, 6, 32, 48)
    with torch.no_grad():
        for head in network.aligner.heads:
            head.weight.zero_()  # type: ignore[operator]
        own, plain = network.aligner(frames), plain_levels(frames)
    assert len(own) == len(plain) == LEVELS
    for number, (a, b) in enumerate(zip(own, plain, strict=True), 1):
        assert a.features.shape == (2, FEATURES, 32 >> number, 48 >> number)
        assert torch.equal(a.features[:, :1], b.features) and not a.features[:, 1:].any()
        assert torch.equal(a.trust, b.trust)


def test_pairs_are_the_memory_and_the_frame_that_follows(network: Recurrent) -> None:
    clips = moving(5, 0)
    pairs = draw_pairs(network, clips, slice(1, 4))
    assert pairs.former.shape == pairs.present.shape == (3, 6, HEIGHT, WIDTH)
    assert torch.equal(pairs.present[:, :3], clips.moire[0, 2:]) and not pairs.present[:, 3:].any()
    moved = warp(pairs.former[:, :3], pairs.matrices)
    assert float((moved - pairs.present[:, :3])[..., 8:-8, 8:-8].abs().max()) < 0.004
    assert float((pairs.former - pairs.present)[:, :3].abs().max()) > 0.012


def test_motion_is_found_from_either_side_and_in_a_batch() -> None:
    former, other = texture(HEIGHT, WIDTH), texture(HEIGHT, WIDTH, 4)
    true = torch.stack(
        [homography((0.8, -0.5), 0, 1, 0, HEIGHT, WIDTH), homography((-0.4, 0.9), 0, 1, 0, HEIGHT, WIDTH)]
    )
    both = torch.cat([former, other])
    level, moved = plain_levels(both)[0], plain_levels(warp(both, true))[0]
    one = torch.eye(3, dtype=torch.float64).repeat(2, 1, 1)
    together = refine(level, moved, one, 4)[-1]
    alone = [refine(level.part(slice(n, n + 1)), moved.part(slice(n, n + 1)), one[:1], 4)[-1] for n in (0, 1)]
    assert torch.allclose(together, torch.cat(alone), atol=1e-6)
    half = max(HEIGHT, WIDTH) / 2
    assert torch.allclose(together[:, :2, 2] * half, true[:, :2, 2], atol=0.15)


def test_it_learns_to_look_past_bands(network: Recurrent) -> None:
    clips, task = [moving(4, 0.06, seed) for seed in (1, 2)], Aligning(still=1.0)
    unseen = moving(5, 0.06, 3)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name.startswith("aligner."))
    before, plain = errors(network, unseen, network.aligner), errors(network, unseen, None)
    assert float(plain.mean()) > 0.3  # brightness follows the bands
    optimizer = torch.optim.Adam(task.trained(network), 1e-2)
    torch.manual_seed(0)
    for step in range(60):
        optimizer.zero_grad()
        task.clip_loss(network, clips[step % 2]).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    after = errors(network, unseen, network.aligner)
    assert float(after.mean()) < 0.5 * min(float(before.mean()), float(plain.mean()))
    assert task.clip_score(network, [unseen]) == pytest.approx(float(-after.clamp(min=0.0125).log2().mean()), abs=1e-4)
