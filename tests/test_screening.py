"""Clips behind the page: runs, what is kept, who is let in between frames, what is deleted."""

import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from demoire.catalog import ModelEntry, load_catalog
from demoire.clips.clip import ClipLimits
from demoire.errors import ClipError, ClipTooLargeError
from demoire.metrics import peak_signal_to_noise, to_float
from demoire.ui.jobs import Desk, Settings, Started, Waiting
from demoire.ui.page import settings_from_environment
from demoire.ui.screening import Glimpse, Screening, Shown
from tests.clipping import Clip, make_clip, picture, read_frames
from tests.tiny import write_recurrent


@pytest.fixture
def desk(weights: Path, tmp_path: Path) -> Desk:
    torch.set_num_threads(1)
    (tmp_path / "visits").mkdir()
    return Desk(Settings(folder=tmp_path / "visits", weights=weights))


@pytest.fixture
def identity(weights: Path) -> ModelEntry:
    return load_catalog(weights)["identity"]


@pytest.fixture
def screening(desk: Desk, tmp_path: Path) -> Screening:
    make_clip(tmp_path / "clip.mp4", Clip(frames=8, sound="aac"))
    screening = Screening(desk)
    screening.open(tmp_path / "clip.mp4")
    return screening


def path_of(desk: Desk, address: str) -> Path:
    found = desk.files.find(address.split("/")[1])
    assert found
    return found[0]


def test_a_run_shows_its_first_frame_and_ends_with_videos(
    desk: Desk, screening: Screening, identity: ModelEntry
) -> None:
    steps = list(screening.run(identity, "1"))
    assert isinstance(steps[0], Started)
    glimpses = [step for step in steps if isinstance(step, Glimpse)]
    assert len(glimpses) == 8 and glimpses[0].pictures and glimpses[0].frame.index == 1
    shown = steps[-1]
    assert isinstance(shown, Shown) and shown.result.whole
    told = shown.describe()
    assert told["frames"] == 8 and len(told["times"]) == 9 and told["notices"] == []
    assert [file["name"] for file in told["files"]] == ["clip_demoired.mp4"]
    for key in ("before", "after"):
        frames = read_frames(path_of(desk, told[key]))
        assert [float(frame.time) for frame in frames] == pytest.approx(told["times"][:-1])
        assert peak_signal_to_noise(to_float(frames[3].pixels), to_float(picture(3))) > 27


def test_several_models_stand_side_by_side(desk: Desk, screening: Screening, weights: Path) -> None:
    write_recurrent(weights)
    models = load_catalog(weights)
    for run, name in enumerate(("rnn", "tiny", "rnn")):
        list(screening.run(models[name], str(run)))
    assert list(screening.runs) == ["tiny", "rnn"]
    addresses = [shown.after.address for shown in screening.runs.values()]
    assert not np.array_equal(*(read_frames(path_of(desk, address))[0].pixels for address in addresses))


def test_how_long_and_large_a_clip_may_be_is_a_setting(tmp_path: Path) -> None:
    usual = settings_from_environment(tmp_path, {}).clips
    assert (usual.max_seconds, usual.max_pixels) == (60, 9_000_000)
    environment = {"DEMOIRE_MAX_CLIP_SECONDS": "5", "DEMOIRE_MAX_CLIP_MEGAPIXELS": "0.002"}
    settings = settings_from_environment(tmp_path, environment)
    assert settings.clips.max_seconds == 5
    make_clip(tmp_path / "clip.mp4", Clip(frames=1))
    with pytest.raises(ClipTooLargeError, match="megapixels and at most"):
        Screening(Desk(settings)).open(tmp_path / "clip.mp4")


def test_a_gif_can_be_taken_home_as_a_gif(desk: Desk, identity: ModelEntry, tmp_path: Path) -> None:
    make_clip(tmp_path / "clip.gif", Clip(frames=3))
    screening = Screening(desk)
    _, facts = screening.open(tmp_path / "clip.gif")
    assert facts.kind == "gif"
    *_, shown = screening.run(identity, "1")
    assert isinstance(shown, Shown)
    assert [file.name for file in shown.files] == ["clip_demoired.mp4", "clip_demoired.gif"]
    assert (
        shown.files[0].address != shown.files[1].address
        and len(read_frames(path_of(desk, shown.files[1].address))) == 3
    )


def test_cancel_keeps_what_is_finished(desk: Desk, screening: Screening, identity: ModelEntry) -> None:
    shown = None
    for step in screening.run(identity, "1"):
        if isinstance(step, Glimpse) and step.frame.index == 3:
            screening.cancel()
        shown = step
    assert isinstance(shown, Shown) and shown.result.frames == 3 and not shown.result.whole
    assert len(read_frames(path_of(desk, shown.after.address))) == 3
    assert desk.lane.ticket().wait(0.1) == 0


def test_a_run_that_is_cancelled_before_it_begins(desk: Desk, screening: Screening, identity: ModelEntry) -> None:
    ticket = desk.lane.ticket()
    steps = screening.run(identity, "1")
    assert next(steps) == Waiting(1)
    screening.cancel()
    assert list(steps) == [] and screening.runs == {}
    ticket.close()


def test_others_are_let_in_between_frames(desk: Desk, screening: Screening, identity: ModelEntry) -> None:
    seen: list[int] = []
    let_in = threading.Event()

    def other() -> None:
        ticket = desk.lane.ticket()
        while ticket.wait(0.05):
            pass
        let_in.set()
        ticket.close()

    for step in screening.run(identity, "1"):
        if isinstance(step, Glimpse):
            seen.append(step.frame.index)
            if step.frame.index == 2:
                waiting = threading.Thread(target=other)
                waiting.start()
                while not desk.lane._queue[1:]:
                    pass
            if step.frame.index == 4:
                assert let_in.is_set()
    waiting.join()
    assert seen == list(range(1, 9))


def test_what_is_refused_leaves_the_clip_at_hand(desk: Desk, screening: Screening, tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"no clip")
    with pytest.raises(ClipError):
        screening.open(tmp_path / "broken.mp4")
    assert screening.path and screening.path.name == "clip.mp4"
    limited = Desk(Settings(folder=tmp_path, weights=desk.settings.weights, clips=ClipLimits(max_seconds=0.1)))
    with pytest.raises(ClipTooLargeError):
        Screening(limited).open(tmp_path / "clip.mp4")
    with pytest.raises(ClipError, match="no clip here"):
        next(Screening(desk).run(load_catalog(desk.settings.weights)["tiny"], "1"))


def test_files_go_with_the_clip_and_with_the_visitor(
    desk: Desk, screening: Screening, identity: ModelEntry, tmp_path: Path
) -> None:
    list(screening.run(identity, "1"))
    make_clip(tmp_path / "other.mp4", Clip(frames=2))
    screening.open(tmp_path / "other.mp4")
    assert screening.runs == {} and len(list(screening.folder.iterdir())) == 1 == len(desk.files._offers)
    screening.close()
    assert not screening.folder.exists() and not desk.files._offers
