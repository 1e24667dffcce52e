"""The addresses of links: ``/s/<id>`` introduces itself to mails and chats and forwards to the page; its files."""

from html import escape
from mimetypes import guess_type
from string import Template

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from demoire.errors import DemoireError, LinkGoneError
from demoire.shares.bundle import PREVIEW, Bundle
from demoire.shares.preview import HEIGHT, WIDTH
from demoire.ui.parts import ASSETS
from demoire.ui.share_links import Links
from demoire.ui.texts import LANGUAGES, TEXTS, error_texts
from demoire.ui.theme import COLOURS

#: Links are for those who have them: no search engine, no copies in shared caches, no address in others' logs.
PRIVATE = {
    "Cache-Control": "private, no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow, noarchive",
}
_POLICY = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'"}


def public_base(request: Request | None, public_url: str | None) -> str:
    """What links begin with, without a slash at the end: the setting, else the address that was asked."""
    return public_url or (str(request.base_url).rstrip("/") if request else "")


def share_routes(links: Links) -> list[BaseRoute]:
    """The routes, to be given to Gradio's server."""

    def card(request: Request) -> Response:
        share_id, language = request.path_params["id"], _language(request)
        try:
            bundle = links.library.look(share_id)
        except DemoireError as error:
            return HTMLResponse(_gone(error, language), _status(error), {**PRIVATE, **_POLICY})
        base = public_base(request, links.library.settings.public_url)
        return HTMLResponse(_card(share_id, bundle, base, language), 200, {**PRIVATE, **_POLICY})

    def file(request: Request) -> Response:
        share_id, name = request.path_params["id"], request.path_params["name"]
        try:
            path = links.file(share_id, name)
            shown = {pane.file: pane.name for pane in links.library.look(share_id).panes}
        except DemoireError as error:
            return PlainTextResponse(error_texts(error)[_language(request)], _status(error), PRIVATE)
        kind = guess_type(name)[0] or "application/octet-stream"
        return FileResponse(path, headers=PRIVATE, media_type=kind, filename=shown.get(name))

    return [Route("/s/{id}", card), Route("/s/{id}/{name}", file)]


def _status(error: DemoireError) -> int:
    return 404 if isinstance(error, LinkGoneError) else 503


def _language(request: Request) -> str:
    """The first language of the browser that the page speaks."""
    for part in request.headers.get("accept-language", "").split(","):
        tag = part.split(";")[0].strip().lower().split("-")[0]
        for language in LANGUAGES:
            if tag == language.split("-")[0]:
                return language
    return LANGUAGES[0]


def _card(share_id: str, bundle: Bundle, base: str, language: str) -> str:
    title = _say("shared.card.title", language).format(title=bundle.title)
    return _page(
        language,
        title=title,
        text=_say("shared.card.text", language),
        address=f"{base}/s/{share_id}",
        picture=f"{base}/s/{share_id}/{PREVIEW}",
        forward=f'<meta http-equiv="refresh" content="0; url=../?r={share_id}">',
        target=f"../?r={share_id}",
        action=_say("shared.card.open", language),
    )


def _gone(error: DemoireError, language: str) -> str:
    return _page(
        language,
        title=error_texts(error)[language],
        text=_say("shared.gone.hint", language),
        address="",
        picture="",
        forward="",
        target="../",
        action=_say("shared.start", language),
    )


def _say(key: str, language: str) -> str:
    return TEXTS[key].per_language()[language]


def _page(
    language: str, *, title: str, text: str, address: str, picture: str, forward: str, target: str, action: str
) -> str:
    """``assets/card.template`` filled; every text is escaped, ``forward`` is markup."""
    template = Template((ASSETS / "card.template").read_text(encoding="utf-8"))
    texts = {"language": language, "title": title, "text": text, "address": address, "picture": picture}
    shown = {name: escape(value) for name, value in {**texts, "target": target, "action": action}.items()}
    colours = "".join(f"--{name}: light-dark({shade.light}, {shade.dark});" for name, shade in COLOURS.items())
    return template.substitute(shown, forward=forward, height=HEIGHT, width=WIDTH, colours=colours)
