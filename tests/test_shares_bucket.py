"""Links in a bucket: the real client against a Hub on loopback."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hub_of_buckets import TOKEN, Hub, serving
from shares import Clock, draft, library, photo

from demoire.errors import LinkGoneError, StoreError, StoreFullError, WrongKeyError
from demoire.hub.buckets import HubBucket
from demoire.images import decode
from demoire.shares import Library, ShareSettings
from demoire.shares.bucket_store import BucketStore
from demoire.shares.bundle import MANIFEST
from demoire.shares.settings import DAY


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    with serving() as running:
        yield running


def bucket(hub: Hub, token: str = TOKEN, name: str = "owner/links") -> HubBucket:
    return HubBucket(name, hub.address, token)


def bucket_library(hub: Hub, clock: Clock | None = None, **limits: float) -> Library:
    settings = ShareSettings("hf://buckets/owner/links", **limits)
    return Library(BucketStore(bucket(hub)), settings, clock or Clock())


def test_what_is_shared_comes_back_exactly_on_another_machine(hub: Hub, tmp_path: Path) -> None:
    given = draft(photo(tmp_path, quality=90), title="我的 照片.jpg")
    receipt = bucket_library(hub).share(given)
    assert set(hub.files) == {
        f"shares/{receipt.id}/{name}" for name in ("pane-0.jpg", "pane-1.png", "preview.jpg", MANIFEST)
    }
    other = bucket_library(hub)
    bundle = other.look(receipt.id)
    assert (bundle.title, bundle.view) == (given.title, given.view)
    other.fetch(receipt.id, bundle, list(bundle.files), tmp_path)
    for pane, shared in zip(given.panes, bundle.panes, strict=True):
        assert np.array_equal(decode(tmp_path / shared.file).pixels, pane.picture.pixels)
    assert [(entry.id, entry.state) for entry in other.entries()] == [(receipt.id, "ok")]


@pytest.mark.parametrize("unknown", [False, True])
def test_wrong_deleted_and_expired_get_the_same_answer(unknown: bool, hub: Hub) -> None:
    hub.unknown_when_empty = unknown
    clock = Clock()
    shared = bucket_library(hub, clock)
    one, two = shared.share(draft()), shared.share(draft())
    with pytest.raises(WrongKeyError):
        shared.delete(one.id, two.key)
    shared.delete(one.id, one.key)
    assert not any(one.id in path for path in hub.files)
    assert bucket_library(hub, clock).look(two.id)
    clock.now += 31 * DAY
    for share_id in (one.id, two.id, "a" * 32, "../x"):
        with pytest.raises(LinkGoneError):
            bucket_library(hub, clock).look(share_id)
    assert hub.files == {}  # expired: deleted although nobody asked for it


def test_a_link_deleted_elsewhere_is_gone_here_at_once(hub: Hub) -> None:
    shared, other = bucket_library(hub), bucket_library(hub)
    receipt = shared.share(draft())
    assert other.look(receipt.id) and other.look(receipt.id)
    shared.delete(receipt.id, receipt.key)
    with pytest.raises(LinkGoneError):
        other.look(receipt.id)


def test_the_manifest_comes_last_and_goes_first(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is half there, or half deleted, cannot be opened, and is swept when it is old."""
    given = BucketStore(bucket(hub))
    upload, calls = HubBucket.upload, []

    def once(self: HubBucket, files: list[tuple[Path, str]]) -> None:
        if calls:
            raise StoreError("the process ends here")
        calls.append(files)
        upload(self, files)

    monkeypatch.setattr(HubBucket, "upload", once)
    with pytest.raises(StoreError):
        Library(given, ShareSettings("")).share(draft())
    assert len(hub.files) == 2 and not any(MANIFEST in path for path in hub.files)
    shared = bucket_library(hub)
    assert list(shared.entries()) == []
    shared.purge()
    assert len(hub.files) == 2  # may be on its way
    hub.files = {path: (digest, size, when - 7200) for path, (digest, size, when) in hub.files.items()}
    shared.purge()
    assert hub.files == {}


def test_deleting_begins_with_the_manifest(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    receipt = bucket_library(hub).share(draft())
    deleted: list[list[str]] = []
    monkeypatch.setattr(HubBucket, "delete", lambda _, paths: deleted.append(list(paths)))
    bucket_library(hub).discard([receipt.id])
    assert deleted[0] == [f"shares/{receipt.id}/{MANIFEST}"] and len(deleted[1]) == 2


def test_limits_hold(hub: Hub) -> None:
    clock = Clock()
    shared = bucket_library(hub, clock, max_count=2)
    old = shared.share(draft())
    clock.now += DAY
    kept = shared.share(draft())
    with pytest.raises(StoreFullError):
        shared.share(draft())
    clock.now = old.expires
    newest = shared.share(draft())
    assert {entry.id for entry in shared.entries()} == {kept.id, newest.id}


def test_damaged_content_is_not_handed_out(hub: Hub, tmp_path: Path) -> None:
    shared = bucket_library(hub)
    receipt, other = shared.share(draft(seed=3)), shared.share(draft(seed=4))
    hub.files[f"shares/{receipt.id}/pane-0.png"] = hub.files[f"shares/{other.id}/pane-0.png"]
    with pytest.raises(LinkGoneError):
        shared.fetch(receipt.id, shared.look(receipt.id), ["pane-0.png"], tmp_path)
    del hub.files[f"shares/{other.id}/pane-0.png"]
    with pytest.raises(LinkGoneError):
        shared.fetch(other.id, shared.look(other.id), ["pane-0.png"], tmp_path)
    assert list(tmp_path.glob("*.png")) == []


def test_a_public_bucket_is_refused(hub: Hub) -> None:
    hub.private = False
    with pytest.raises(StoreError, match="is public"):
        bucket_library(hub).share(draft())
    assert hub.files == {}


def test_refusals_of_the_hub_are_sentences(hub: Hub) -> None:
    with pytest.raises(StoreError, match="HF_TOKEN"):
        bucket(hub, token="hf_wrong").require_private()
    with pytest.raises(StoreError, match="hf buckets create owner/other --private"):
        bucket(hub, name="owner/other").require_private()


def test_a_hub_that_is_down_is_asked_once_in_a_while(hub: Hub) -> None:
    hub.broken = 503
    given = bucket(hub)
    with pytest.raises(StoreError, match="cannot be reached"):
        given.require_private()
    asked = len(hub.asked)
    assert asked > 0
    with pytest.raises(StoreError, match="cannot be reached"):
        given.files("shares")
    assert len(hub.asked) == asked
    hub.broken = None


def test_the_host_may_bring_links_from_a_folder_to_a_bucket_by_name_alone(hub: Hub, tmp_path: Path) -> None:
    """Both stores hold the same files: a bundle copied from one is opened from the other."""
    store = tmp_path / "store"
    receipt = library(store).share(draft())
    files = [(path, f"shares/{receipt.id}/{path.name}") for path in (store / receipt.id).iterdir()]
    bucket(hub).upload(files)
    assert bucket_library(hub).look(receipt.id) == library(store).look(receipt.id)


def test_the_client_is_not_imported_before_a_bucket_is_asked() -> None:
    code = (
        "import sys; from demoire.shares import ShareSettings, open_library;"
        "open_library(ShareSettings('hf://buckets/owner/links'));"
        "sys.exit('huggingface_hub' in sys.modules or 'torch' in sys.modules or 'gradio' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
