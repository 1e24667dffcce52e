"""The page's own addresses beside Gradio's: its health, tiles of views, and excerpts of the examples."""

import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from demoire.ui.views import Views

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


@cache
def _excerpt(name: str) -> bytes:
    example = EXAMPLES[name]
    top, left = example.corner
    png = io.BytesIO()
    with Image.open(example.path) as picture:
        picture.crop((left, top, left + SHOWN[1], top + SHOWN[0])).save(png, "PNG")
    return png.getvalue()


def _health(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


def _example(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in EXAMPLES:
        return Response(status_code=404)
    return Response(_excerpt(name), media_type="image/png", headers={"Cache-Control": "public, max-age=3600"})


def routes(views: Views) -> list[Route]:
    """The routes, to be given to Gradio's server."""

    def tile(request: Request) -> Response:
        place = request.path_params
        png = views.tile(place["token"], place["level"], place["row"], place["column"])
        if png is None:
            return Response(status_code=404)
        return Response(png, media_type="image/png", headers={"Cache-Control": "private, max-age=3600, immutable"})

    return [
        Route("/health", _health),
        Route("/examples/{name}", _example),
        Route("/views/{token}/{level:int}/{row:int}/{column:int}", tile),
    ]
