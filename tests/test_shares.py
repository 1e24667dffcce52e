"""Links: what is shared comes back exactly; limits, expiry, deletion; one answer for all that cannot be opened."""

import json
import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from shares import START, Clock, draft, library, photo, pixels

from demoire.errors import DemoireError, LinkGoneError, OutputError, StoreError, StoreFullError, WrongKeyError
from demoire.images import decode
from demoire.picture import Picture
from demoire.shares import Draft, DraftPane, ShareSettings, open_library
from demoire.shares.bundle import FORMAT, MANIFEST, BrokenBundleError, NewerBundleError, facts, read_bundle
from demoire.shares.settings import DAY, data_folder
from demoire.shares.store import FolderStore

STORED = Path(__file__).parent / "data" / "shares"
#: A link of format 1, stored once and never written again.
OLD = "0f" * 16


def gone(store: Path, share_id: str, clock: Clock | None = None) -> bool:
    with pytest.raises(LinkGoneError) as caught:
        library(store, clock).look(share_id)
    return str(caught.value) == "This link has expired or was deleted."


def test_what_is_shared_comes_back_exactly(tmp_path: Path) -> None:
    store, fetched = tmp_path / "store", tmp_path / "fetched"
    fetched.mkdir()
    original = photo(tmp_path, quality=90)
    given = draft(original, title="我的 照片.jpg")
    receipt = library(store).share(given)
    assert receipt.expires == START + 30 * DAY
    other = library(store)  # another process, another machine with the same folder
    bundle = other.look(receipt.id)
    assert (bundle.title, bundle.settings, bundle.view) == (given.title, given.settings, given.view)
    assert bundle.panes[1].run == given.panes[1].run and bundle.panes[1].figures == given.panes[1].figures
    assert [pane.name for pane in bundle.panes] == ["photo.jpg", "photo_cnn.png"]
    other.fetch(receipt.id, bundle, list(bundle.files), fetched)
    for pane, shared in zip(given.panes, bundle.panes, strict=True):
        copy = decode(fetched / shared.file)
        assert (shared.height, shared.width) == (41, 57)
        assert np.array_equal(copy.pixels, pane.picture.pixels)
    with Image.open(fetched / "preview.jpg") as preview:
        assert preview.size == (1200, 630)


@pytest.mark.parametrize("depth", [8, 16])
def test_deep_and_transparent_pictures_are_kept(depth: int, tmp_path: Path) -> None:
    samples = pixels().astype(np.uint16) * 257 - 5 if depth == 16 else pixels()
    picture = Picture(samples, alpha=samples[..., 0].copy(), name="deep.tif", kind="tiff")
    shared = library(tmp_path / "store")
    receipt = shared.share(Draft((DraftPane("original", "original", picture),), {}, {}, "deep"))
    bundle = shared.look(receipt.id)
    shared.fetch(receipt.id, bundle, ["pane-0.png"], tmp_path)
    copy = decode(tmp_path / "pane-0.png")
    assert copy.bits == depth and copy.alpha is not None
    assert np.array_equal(copy.pixels, samples) and np.array_equal(copy.alpha, samples[..., 0])


def test_the_original_is_shared_only_if_it_is_given(tmp_path: Path) -> None:
    shared = library(tmp_path / "store")
    bundle = shared.look(shared.share(draft()).id)
    assert [pane.role for pane in bundle.panes] == ["result"]
    assert set(bundle.files) == {"pane-0.png", "preview.jpg"}


def test_nothing_to_share_is_said(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="nothing to share"):
        library(tmp_path / "store").share(Draft((), {}, {}, ""))
    assert list((tmp_path / "store").glob("*")) == []


def test_the_preview_shows_the_place_looked_at_at_its_own_pixels(tmp_path: Path) -> None:
    before = np.zeros((2000, 3000, 3), np.uint8)
    before[900:1100, 1400:1600] = 200
    after = before.copy()
    after[..., 0] = 255
    panes = tuple(DraftPane(role, role, Picture(data)) for role, data in (("original", before), ("result", after)))
    shared = library(tmp_path / "store")
    receipt = shared.share(Draft(panes, {}, {}, "", focus=(0.5, 0.5)))
    shared.fetch(receipt.id, shared.look(receipt.id), ["preview.jpg"], tmp_path)
    with Image.open(tmp_path / "preview.jpg") as preview:
        shown = np.asarray(preview).astype(int)
    left, right = shown[:, :597], shown[:, 603:]
    for half, red in ((left, 0), (right, 255)):
        square = half[..., 1] > 100
        assert abs(int(square.sum()) - 200 * 200) < 900  # neither enlarged nor reduced
        rows, columns = np.nonzero(square)
        assert abs(rows.mean() - 315) < 2 and abs(columns.mean() - 298) < 2
        assert abs(int(half[10, 10, 0]) - red) < 12


def test_wrong_deleted_expired_and_damaged_get_the_same_answer(tmp_path: Path) -> None:
    store, clock = tmp_path / "store", Clock()
    shared = library(store, clock)
    expired, deleted, damaged = (shared.share(draft(seed=seed)) for seed in (3, 4, 5))
    shared.delete(deleted.id, deleted.key)
    (store / damaged.id / MANIFEST).write_text("{")
    for share_id in (deleted.id, damaged.id, "a" * 32, "", "a" * 31, ("A" * 32), "a" * 32 + "\n"):
        assert gone(store, share_id)
    assert library(store, clock).look(expired.id)
    assert gone(store, expired.id, Clock(expired.expires))


@pytest.mark.parametrize("path", ["..", ".", "../store", "/etc", "../../etc/passwd", "\0", "a/b", ".lock", "%2e%2e"])
def test_ids_reach_no_other_place(path: str, tmp_path: Path) -> None:
    store = tmp_path / "store" / "inner"
    receipt = library(store).share(draft())
    shutil.copy(store / receipt.id / MANIFEST, tmp_path / "store" / MANIFEST)  # what a trick could open
    assert gone(store, path) and gone(store, f"{receipt.id}/../{receipt.id}") and gone(store, receipt.id + "/")
    library(store).discard([path, f"../inner/{receipt.id}"])
    assert library(store).look(receipt.id)


def test_only_the_key_deletes(tmp_path: Path) -> None:
    shared = library(tmp_path / "store")
    one, two = shared.share(draft()), shared.share(draft())
    for key in ("", one.key[:-1], two.key, one.id, "é"):
        with pytest.raises(WrongKeyError):
            shared.delete(one.id, key)
    assert shared.look(one.id)
    shared.delete(one.id, f" {one.key}\n")
    assert gone(tmp_path / "store", one.id)
    assert shared.look(two.id)
    with pytest.raises(LinkGoneError):
        shared.delete(one.id, one.key)


def test_ids_and_keys_are_random_and_keys_are_not_stored(tmp_path: Path) -> None:
    shared = library(tmp_path / "store")
    receipts = [shared.share(draft()) for _ in range(5)]
    words = [word for receipt in receipts for word in (receipt.id, receipt.key)]
    assert len(set(words)) == 10 and all(len(bytes.fromhex(word)) == 16 for word in words)
    stored = b"".join(path.read_bytes() for path in (tmp_path / "store").rglob("*") if path.is_file())
    assert not any(receipt.key.encode() in stored for receipt in receipts)


def test_the_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    library(tmp_path / "store").share(draft())
    assert (tmp_path / "store").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("target", ["pane-0.png", "preview.jpg"])
@pytest.mark.parametrize("harm", ["flip", "cut", "missing"])
def test_a_damaged_file_is_not_handed_out(harm: str, target: str, tmp_path: Path) -> None:
    store, fetched = tmp_path / "store", tmp_path / "fetched"
    fetched.mkdir()
    shared = library(store)
    receipt = shared.share(draft())
    path = store / receipt.id / target
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.unlink()
    if harm != "missing":
        path.write_bytes(data if harm == "flip" else data[:-1])
    bundle = shared.look(receipt.id)
    with pytest.raises(LinkGoneError):
        shared.fetch(receipt.id, bundle, ["pane-0.png", "preview.jpg"], fetched)
    assert list(fetched.iterdir()) == []
    with pytest.raises(LinkGoneError):
        shared.fetch(receipt.id, bundle, [MANIFEST], fetched)


def test_expired_links_make_room_and_others_stay(tmp_path: Path) -> None:
    clock = Clock()
    shared = library(tmp_path / "store", clock, max_count=3)
    receipts = []
    for _ in range(3):
        receipts.append(shared.share(draft()))
        clock.now += DAY
    with pytest.raises(StoreFullError):
        shared.share(draft())
    clock.now = receipts[0].expires
    newest = shared.share(draft())
    kept = {entry.id for entry in shared.entries()}
    assert kept == {receipts[1].id, receipts[2].id, newest.id}


def test_sizes_are_limited_for_one_link_and_for_all(tmp_path: Path) -> None:
    one = library(tmp_path / "measure")
    receipt = one.share(draft())
    size = next(entry.size for entry in one.entries())
    with pytest.raises(StoreFullError, match="leave out the original"):
        library(tmp_path / "small", max_bytes=4 * size - 4).share(draft())
    assert list((tmp_path / "small").glob("[0-9a-f]*")) == []
    shared = library(tmp_path / "store", max_bytes=5 * size)
    for _ in range(4):
        shared.share(draft())
    with pytest.raises(StoreFullError, match="others expire"):
        for _ in range(3):
            shared.share(draft())
    assert sum(entry.size for entry in shared.entries()) <= 5 * size
    assert one.look(receipt.id)


def test_expired_links_are_deleted_although_nobody_asks_for_them(tmp_path: Path) -> None:
    clock = Clock()
    shared = library(tmp_path / "store", clock)
    old = shared.share(draft())
    clock.now += 31 * DAY
    with pytest.raises(LinkGoneError):
        library(tmp_path / "store", clock).look("b" * 32)
    assert not (tmp_path / "store" / old.id).exists()


def test_what_was_left_unfinished_is_swept(tmp_path: Path) -> None:
    shared = library(tmp_path / "store")
    receipt = shared.share(draft())
    for name, age in ((".part-old", 7200), (".part-new", 60), (".gone-x", 0)):
        (tmp_path / "store" / name).mkdir()
        os.utime(tmp_path / "store" / name, (time.time() - age,) * 2)
    assert shared.purge() == []
    assert {path.name for path in (tmp_path / "store").iterdir()} == {".lock", ".part-new", receipt.id}


def test_a_failure_while_sharing_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise StoreError("no")

    monkeypatch.setattr(FolderStore, "add", fail)
    with pytest.raises(StoreError):
        library(tmp_path / "store").share(draft())
    assert [path.name for path in (tmp_path / "store").iterdir()] == [".lock"]


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="DEMOIRE_SHARES"):
        library(tmp_path / "file" / "store").share(draft())
    assert list(library(tmp_path / "none").entries()) == []


def manifest(**changes: object) -> bytes:
    content = json.loads((STORED / OLD / MANIFEST).read_text())
    return json.dumps({**content, **changes}).encode()


def test_a_link_of_an_earlier_version_opens(tmp_path: Path) -> None:
    """Stored by the first version of the format; whatever the format becomes, this opens with the same pixels."""
    store, fetched = tmp_path / "store", tmp_path / "fetched"
    fetched.mkdir()
    shutil.copytree(STORED, store)
    shared = library(store)
    bundle = shared.look(OLD)
    assert [pane.role for pane in bundle.panes] == ["original", "result"]
    assert bundle.settings == {"models": ["cnn"], "tile": "auto"} and bundle.view["zoom"] == 2.0
    shared.fetch(OLD, bundle, list(bundle.files), fetched)
    assert np.array_equal(decode(fetched / bundle.panes[1].file).pixels, pixels(seed=2))
    with pytest.raises(WrongKeyError):
        shared.delete(OLD, "0" * 32)


def test_a_link_of_a_later_version_is_kept_but_not_opened(tmp_path: Path) -> None:
    store = tmp_path / "store"
    shared = library(store)
    receipt = shared.share(draft())
    path = store / receipt.id / MANIFEST
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": FORMAT + 1, "panes": "else"}))
    assert gone(store, receipt.id)
    assert shared.purge(("expired", "damaged")) == []
    assert [entry.state for entry in shared.entries()] == ["newer"]


BROKEN = {
    "nothing": b"",
    "no object": b"[]",
    "not JSON": b"\xff\xfe",
    "deep": b'{"format": 1, "view": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "no format": b"{}",
    "format 0": manifest(format=0),
    "a format that is no number": manifest(format="1"),
    "no pictures": manifest(panes=[]),
    "an unknown role": manifest(panes=[{**json.loads(manifest())["panes"][0], "role": "script"}]),
    "a file that is not there": manifest(panes=[{**json.loads(manifest())["panes"][0], "file": "pane-9.png"}]),
    "a path": manifest(files={"../../x.png": {"sha256": "0" * 64, "size": 1}}),
    "an absolute path": manifest(files={"/etc/passwd": {"sha256": "0" * 64, "size": 1}}),
    "a page": manifest(files={"index.html": {"sha256": "0" * 64, "size": 1}}),
    "a hash that is none": manifest(files={"pane-0.png": {"sha256": "0", "size": 1}}),
    "no key": manifest(key_sha256=""),
    "a nested view": manifest(view={"a": {"b": {"c": 1}}}),
    "a large view": manifest(view={"a": "x" * 20_000}),
    "large": manifest(title="x" * 300_000),
    "an unknown key": manifest(extra=1),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_manifests_are_refused(kind: str, tmp_path: Path) -> None:
    with pytest.raises(BrokenBundleError):
        read_bundle(BROKEN[kind])
    store = tmp_path / "store"
    (store / ("c" * 32)).mkdir(parents=True)
    (store / ("c" * 32) / MANIFEST).write_bytes(BROKEN[kind])
    assert gone(store, "c" * 32)
    assert [entry.state for entry in library(store).entries()] == ["damaged"]
    library(store).purge(("damaged",))
    assert list(library(store).entries()) == []


def test_formats_are_told_apart() -> None:
    assert read_bundle(manifest()).title == "photo"
    with pytest.raises(NewerBundleError, match="later version"):
        read_bundle(manifest(format=FORMAT + 1))


def test_what_a_browser_sends_is_checked_before_it_is_stored(tmp_path: Path) -> None:
    given = draft()
    with pytest.raises(BrokenBundleError):
        library(tmp_path / "store").share(Draft(given.panes, {}, {"x": {"y": {"z": 1}}}, ""))
    assert facts({"mode": "side", "hidden": ["a"], "deep": {"a": 1}})["mode"] == "side"


def test_settings_come_from_the_environment(tmp_path: Path) -> None:
    empty = ShareSettings.from_environment({"XDG_DATA_HOME": str(tmp_path)})
    assert empty == ShareSettings(str(tmp_path / "demoire" / "shares"))
    assert (empty.days, empty.max_count, empty.max_bytes) == (30, 500, 4 << 30)
    given = ShareSettings.from_environment(
        {
            "DEMOIRE_SHARES": "/srv/links",
            "DEMOIRE_SHARES_DAYS": "0.5",
            "DEMOIRE_SHARES_COUNT": "7",
            "DEMOIRE_SHARES_MEGABYTES": "10",
            "DEMOIRE_PUBLIC_URL": "https://example.org/demoire/",
        }
    )
    assert given == ShareSettings("/srv/links", 43200, 10 << 20, 7, "https://example.org/demoire")
    space = ShareSettings.from_environment({"SPACE_HOST": "owner-demoire.hf.space"})
    assert space.public_url == "https://owner-demoire.hf.space"
    for name, value in (
        ("DEMOIRE_SHARES_DAYS", "soon"),
        ("DEMOIRE_SHARES_COUNT", "0"),
        ("DEMOIRE_PUBLIC_URL", "x.org"),
    ):
        with pytest.raises(DemoireError, match=name):
            ShareSettings.from_environment({name: value})


def test_the_data_folder_is_the_one_of_the_system() -> None:
    home = Path.home()
    assert data_folder({}, "linux") == home / ".local" / "share"
    assert data_folder({}, "darwin") == home / "Library" / "Application Support"
    assert data_folder({"LOCALAPPDATA": "/data"}, "win32") == Path("/data")


@pytest.mark.parametrize(
    "place", ["s3://bucket", "hf://buckets/", "hf://buckets/a", "hf://buckets/a/b/c", "hf://x/y/z"]
)
def test_other_places_are_refused(place: str) -> None:
    with pytest.raises(StoreError, match="hf://buckets/owner/name"):
        open_library(ShareSettings(place))
