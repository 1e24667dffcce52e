"""The page's own addresses beside Gradio's: its health, tiles of views, and excerpts of the examples."""

import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from demoire.errors import DemoireError
from demoire.ui.files import Files
from demoire.ui.parts import ASSETS
from demoire.ui.views import Views

#: The modules of the viewer by name.
SCRIPTS = {path.stem: path for path in (ASSETS / "viewer").glob("*.js")}
#: How much of an example its button shows, in pixels (height, width).
SHOWN = (220, 620)


@dataclass(frozen=True)
class Example:
    """A photo to try, and the corner (top, left) of what its button shows: at its own pixels, scaled it would lie."""

    path: Path
    corner: tuple[int, int]


def _example_file(name: str) -> Path:
    return Path(__file__).parent / "examples" / f"{name}.jpg"


#: The examples by their name in the catalogue of texts.
EXAMPLES = {
    "sheet": Example(_example_file("sheet"), (130, 330)),
    "ticket": Example(_example_file("ticket"), (300, 200)),
    "clean": Example(_example_file("clean"), (500, 60)),
}
#: What is shown whole. The first screen compares the first two; the second of them is made by ``python -m demoire
#: restore`` of the first. The third is what the simulator photographs until it is given another picture.
TASTES = {"before": _example_file("sheet"), "after": _example_file("sheet_demoired"), "scene": _example_file("clean")}


_LASTING = {"Cache-Control": "public, max-age=3600"}


@cache
def _excerpt(name: str) -> bytes:
    example = EXAMPLES[name]
    top, left = example.corner
    png = io.BytesIO()
    with Image.open(example.path) as picture:
        picture.crop((left, top, left + SHOWN[1], top + SHOWN[0])).save(png, "PNG", compress_level=1)
    return png.getvalue()


def _health(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


def _example(request: Request) -> Response:
    name = request.path_params["name"]
    if name in TASTES:
        return FileResponse(TASTES[name], headers=_LASTING)
    if name not in EXAMPLES:
        return Response(status_code=404)
    return Response(_excerpt(name), media_type="image/png", headers=_LASTING)


def _script(request: Request) -> Response:
    """A module of the viewer; browsers ask each time whether it changed, so that modules always fit together."""
    path = SCRIPTS.get(request.path_params["name"])
    if path is None:
        return Response(status_code=404)
    return FileResponse(path, media_type="text/javascript", headers={"Cache-Control": "no-cache"})


def routes(views: Views, files: Files) -> list[BaseRoute]:
    """The routes, to be given to Gradio's server."""

    def tile(request: Request) -> Response:
        place = request.path_params
        png = views.tile(place["token"], place["level"], place["row"], place["column"])
        if png is None:
            return Response(status_code=404)
        return Response(png, media_type="image/png", headers={"Cache-Control": "private, max-age=3600, immutable"})

    def download(request: Request) -> Response:
        try:
            found = files.find(request.path_params["token"])
        except DemoireError as error:
            return PlainTextResponse(str(error), status_code=503)
        if found is None:
            return Response(status_code=404)
        path, name = found
        return FileResponse(path, filename=name, headers={"Cache-Control": "private, no-store"})

    return [
        Route("/health", _health),
        Route("/scripts/{name}.js", _script),
        Route("/files/{token}/{name}", download),
        Route("/examples/{name}", _example),
        Route("/views/{token}/{level:int}/{row:int}/{column:int}", tile),
    ]
