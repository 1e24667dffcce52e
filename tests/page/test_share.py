"""Links in a real browser: made, opened elsewhere at the same place, deleted, expired; and the card before that."""

import base64
import io
import json
import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser
from serving import serving
from visitors import DESKTOP, PATIENCE, PHONE, Invite, Server, Visitor

pytestmark = pytest.mark.browser

GONE = {"en-US": "This link has expired or was deleted.", "zh-CN": "链接不存在或已失效。"}
#: A link of format 1; the same one as in tests/test_shares.py.
OLD = Path(__file__).resolve().parents[1] / "data" / "shares" / ("0f" * 16)


class Made(NamedTuple):
    """A link as its maker was told it."""

    link: str
    key: str

    @property
    def id(self) -> str:
        return self.link.rsplit("/", 1)[1]


def arrive(browser: Browser, server: Server, **options: Any) -> Visitor:
    context = browser.new_context(**{"locale": "en-US", **DESKTOP, **options})
    context.set_default_timeout(PATIENCE)
    visitor = Visitor(context, context.new_page(), server.address)
    visitor.watch()
    return visitor


def leave(visitor: Visitor) -> None:
    visitor.context.close()
    assert visitor.complaints == []


@pytest.fixture(scope="module")
def sharer(browser: Browser, server: Server, photos: dict[str, Path]) -> Iterator[Visitor]:
    """Somebody with a finished result, who may share it several times."""
    visitor = arrive(browser, server, permissions=["clipboard-read", "clipboard-write"])
    finish(visitor, photos["jpeg"])
    yield visitor
    leave(visitor)


def finish(visitor: Visitor, photo: Path) -> None:
    """Restores a photo and looks at a place of it, enlarged."""
    visitor.open()
    visitor.give(photo)
    visitor.page.click("#settings > button")
    visitor.page.click("#tile input")
    visitor.page.get_by_role("option", name="768 × 768").click()
    visitor.page.click("#restore")
    visitor.reach("done")
    zoom = visitor.page.locator("#viewer-restore .zoom")
    zoom.fill("400")
    zoom.press("Enter")
    for key in ("ArrowRight", "ArrowRight", "ArrowDown"):
        visitor.page.press("#viewer-restore .stage", key)


def make(visitor: Visitor, *, original: bool = True) -> Made:
    page = visitor.page
    page.click(".share-open")
    page.set_checked(".share-original", original)
    page.click(".share-make")
    page.wait_for_selector(".share[data-phase=done]")
    made = Made(page.input_value(".share-link"), page.input_value(".share-key"))
    page.click(".share-receipt [type=submit]")
    page.wait_for_function("document.querySelector('.share-key')?.value === ''")  # told once
    return made


def follow(visitor: Visitor, address: str) -> None:
    """Opens a link, as from a mail, and waits until its pictures are drawn."""
    visitor.page.goto(address)
    visitor.page.wait_for_selector("html[data-share=open]")
    visitor.page.wait_for_selector("#viewer-shared .stage[data-complete=yes]")


def view(visitor: Visitor, name: str) -> dict[str, Any]:
    state: dict[str, Any] = visitor.page.evaluate("name => window.demoire.views[name]()", name)
    return state


def drawn(visitor: Visitor, key: str) -> NDArray[np.uint8]:
    """The screen pixels of a pane of an opened link."""
    script = "key => document.querySelector(`#viewer-shared [data-key='${key}'] canvas`).toDataURL()"
    data = visitor.page.evaluate(script, key).partition(",")[2]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))))


def expected(visitor: Visitor, picture: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """The part of ``picture`` that a pane shows where it fills the pane."""
    place = visitor.page.get_attribute("#viewer-shared .stage", "data-place") or ""
    left, top, scale = map(float, place.split(","))
    rows, columns = (
        ((np.arange(n) + first) // scale).astype(int) for n, first in zip(shape, (top, left), strict=False)
    )
    return picture[np.ix_(np.clip(rows, 0, picture.shape[0] - 1), np.clip(columns, 0, picture.shape[1] - 1))]


def get(address: str, language: str = "en-US") -> tuple[int, str, dict[str, str]]:
    request = urllib.request.Request(address, headers={"Accept-Language": language})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode("utf-8", "replace"), dict(answer.headers)
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode("utf-8", "replace"), dict(error.headers)


def test_a_link_shows_the_same_view_after_a_restart_and_runs_no_model(
    browser: Browser, sharer: Visitor, server: Server, tmp_path: Path
) -> None:
    made = make(sharer)
    shares = tmp_path / "elsewhere"
    shutil.copytree(server.log.parent / "shares", shares)
    with serving(tmp_path, {"DEMOIRE_SHARES": str(shares), "DEMOIRE_PUBLIC_URL": "https://demoire.example"}) as other:
        visitor = arrive(browser, other)
        follow(visitor, f"{other.address}/s/{made.id}")
        assert visitor.page.url == f"{other.address}/?r={made.id}"
        assert view(visitor, "shared") == view(sharer, "restore")
        assert view(visitor, "shared")["zoom"] == 4 and view(visitor, "shared")["x"] > 0.5
        keys = visitor.page.eval_on_selector_all("#viewer-shared figure", "all => all.map((one) => one.dataset.key)")
        assert keys == ["original", "result-1"]
        for number, key in enumerate(keys):
            with Image.open(next((shares / made.id).glob(f"pane-{number}.*"))) as picture:
                pixels = np.asarray(picture)
            shown = drawn(visitor, key)
            assert np.array_equal(shown[..., :3], expected(visitor, pixels, shown.shape))
        assert not other.loaded("libtorch")
        for hidden in ("#restore", ".drop", ".hero"):
            assert not visitor.page.is_visible(hidden)
        leave(visitor)
        status, card, _ = get(f"{other.address}/s/{made.id}")
        assert status == 200 and f'content="https://demoire.example/s/{made.id}/preview.jpg"' in card


def test_a_link_without_the_original_holds_results_alone(visit: Invite, sharer: Visitor, server: Server) -> None:
    made = make(sharer, original=False)
    assert {path.name for path in (server.log.parent / "shares" / made.id).iterdir()} == {
        "share.json",
        "preview.jpg",
        "pane-0.png",
    }
    visitor = visit()
    follow(visitor, made.link)
    assert visitor.page.locator("#viewer-shared figure").count() == 1
    assert visitor.page.locator(".shared-files a").all_inner_texts() == ["我的 照片(1)_cnn.png"]


def test_the_receipt_tells_link_key_and_end_and_copies_them(sharer: Visitor) -> None:
    page = sharer.page
    page.click(".share-open")
    assert "30 days" in page.inner_text(".share-ask")
    page.click(".share-make")
    page.wait_for_selector(".share[data-phase=done]")
    text = page.inner_text(".share-receipt")
    assert re.search(r"Works until \w+ \d+, \d{4}\.", text) and "Shown only now" in text
    for field in ("share-link", "share-key"):
        page.click(f"[data-copy={field}]")
        page.wait_for_selector(f"[data-copy={field}]:text('Copied')")
        assert page.evaluate("navigator.clipboard.readText()") == page.input_value(f".{field}")
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/s/[0-9a-f]{32}", page.input_value(".share-link"))
    page.keyboard.press("Escape")
    assert not page.is_visible(".share")


def test_the_maker_deletes_a_link_at_once(visit: Invite, sharer: Visitor) -> None:
    page = sharer.page
    page.click(".share-open")
    page.click(".share-make")
    page.wait_for_selector(".share[data-phase=done]")
    link = page.input_value(".share-link")
    page.click(".share-revoke")
    page.wait_for_selector(".share[data-phase=revoked]")
    page.click(".share-revoked button")
    assert get(link)[0] == 404
    visitor = visit(locale="zh-CN")
    visitor.page.goto(link.replace("/s/", "/?r="))
    visitor.page.wait_for_selector("html[data-share=gone]")
    assert GONE["zh-CN"] in visitor.text()


def test_whoever_has_the_key_deletes_an_opened_link(visit: Invite, sharer: Visitor) -> None:
    made, visitor = make(sharer), visit()
    follow(visitor, made.link)
    visitor.page.click(".shared-foot summary")
    visitor.page.fill(".shared-key", "0" * 32)
    visitor.page.click(".shared-foot form button")
    visitor.page.wait_for_selector(".shared-foot .share-problem:text('not the delete key')")
    assert get(made.link)[0] == 200
    visitor.page.fill(".shared-key", made.key)
    visitor.page.click(".shared-foot form button")
    visitor.page.wait_for_selector("html[data-share=gone]")
    assert GONE["en-US"] in visitor.text()
    assert get(made.link)[0] == 404 and get(f"{made.link}/pane-1.png")[0] == 404


@pytest.mark.parametrize("locale", GONE)
def test_wrong_expired_and_damaged_links_get_one_answer(
    locale: str, visit: Invite, sharer: Visitor, server: Server
) -> None:
    expired, damaged = make(sharer), make(sharer)
    visitor = visit(locale=locale)
    follow(visitor, expired.link)
    manifest = server.log.parent / "shares" / expired.id / "share.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "expires": 1}))
    (server.log.parent / "shares" / damaged.id / "pane-1.png").write_bytes(b"x")
    answers = {get(f"{server.address}/s/{share_id}", locale)[:2] for share_id in ("f" * 32, "..", "x", expired.id)}
    ((status, answer),) = answers
    assert status == 404 and GONE[locale] in answer
    for share_id in ("f" * 32, "%2e%2e%2f", expired.id, damaged.id):
        visitor.page.goto(f"{server.address}/?r={share_id}")
        visitor.page.wait_for_selector("html[data-share=gone]")
        assert visitor.page.inner_text(".shared-gone h2") == GONE[locale]
    visitor.page.click(".shared-gone .shared-start")
    visitor.page.wait_for_selector(".drop .choose", state="visible")


def test_settings_go_with_a_link(visit: Invite, sharer: Visitor, photos: dict[str, Path]) -> None:
    made, visitor = make(sharer), visit()
    follow(visitor, made.link)
    visitor.page.click(".shared-with")
    visitor.page.wait_for_selector("html[data-share=set]")
    assert "cnn" in visitor.page.inner_text(".shared-set")
    visitor.give(photos["other"])
    visitor.page.click("#settings > button")
    visitor.page.wait_for_function("document.querySelector('#tile input')?.value === '768 × 768'")
    assert visitor.page.is_checked("#family-cnn input")


def test_files_are_plain_links(visit: Invite, sharer: Visitor, server: Server, tmp_path: Path) -> None:
    made, visitor = make(sharer), visit()
    follow(visitor, made.link)
    stored = server.log.parent / "shares" / made.id
    for name, file in (("我的 照片(1).jpg", "pane-0.jpg"), ("我的 照片(1)_cnn.png", "pane-1.png")):
        with visitor.page.expect_download() as waiting:
            visitor.page.click(f".shared-files a:text-is('{name}')")
        assert waiting.value.suggested_filename == name
        waiting.value.save_as(tmp_path / file)
        assert (tmp_path / file).read_bytes() == (stored / file).read_bytes()


def test_the_card_speaks_for_the_link(sharer: Visitor) -> None:
    made = make(sharer)
    for language, title in (("en-US", "我的 照片(1).jpg: moiré removed"), ("zh-CN", "我的 照片(1).jpg：已去除摩尔纹")):
        status, card, headers = get(made.link, language)
        assert status == 200 and f"<title>{title}</title>" in card
        assert f'property="og:title" content="{title}"' in card
        assert f'property="og:image" content="{made.link}/preview.jpg"' in card
        assert f'http-equiv="refresh" content="0; url=../?r={made.id}"' in card
        assert headers["x-robots-tag"].startswith("noindex") and headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "private, no-store" and made.key not in card
    with urllib.request.urlopen(f"{made.link}/preview.jpg", timeout=60) as answer:
        assert answer.headers["content-type"] == "image/jpeg"
        with Image.open(io.BytesIO(answer.read())) as preview:
            assert preview.size == (1200, 630)


def test_titles_cannot_become_markup(browser: Browser, tmp_path: Path) -> None:
    shares = tmp_path / "shares"
    shutil.copytree(OLD, shares / OLD.name)
    manifest = shares / OLD.name / "share.json"
    evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "title": evil}))
    with serving(tmp_path) as server:
        assert "<script>" not in get(f"{server.address}/s/{OLD.name}")[1]
        visitor = arrive(browser, server)
        follow(visitor, f"{server.address}/s/{OLD.name}")  # a link of the first format, too
        assert visitor.page.inner_text(".shared-title") == evil
        assert view(visitor, "shared")["mode"] == "split" and visitor.page.locator(".shared-files a").count() == 2
        leave(visitor)


@pytest.mark.parametrize(
    "path",
    [
        "s",
        "s/",
        "s/{id}/share.json",
        "s/{id}/..%2f..%2fshare.json",
        "s/{id}/.lock",
        "s/.lock",
        "shares",
        "r",
    ],
)
def test_nothing_is_listed(path: str, sharer: Visitor, server: Server) -> None:
    made = make(sharer)
    status, text, _ = get(f"{server.address}/{path.format(id=made.id)}")
    assert status in (403, 404) and made.id not in text


def test_an_opened_link_fits_a_phone(visit: Invite, sharer: Visitor) -> None:
    made, visitor = make(sharer), visit(locale="zh-CN", **PHONE)
    follow(visitor, made.link)
    assert visitor.page.evaluate("document.documentElement.scrollWidth") <= 390
    assert "用这些设置处理我的照片" in visitor.text() and "有效期至" in visitor.text()


def test_a_visitor_without_a_result_is_offered_no_link(visit: Invite, photos: dict[str, Path]) -> None:
    visitor = visit()
    visitor.give(photos["other"])
    assert not visitor.page.is_visible(".share-open")
