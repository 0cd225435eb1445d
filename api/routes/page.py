"""What a browser opens: the operations-centre page with its files, and the documentation page."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from starlette.responses import FileResponse
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from api.reference import STYLE, render
from api.responses import not_modified

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def documentation(request: Request) -> Response:
    app: FastAPI = request.app
    return Response(_page(app.openapi), media_type="text/html", headers={"Cache-Control": "no-cache"})


@router.get("/docs.css")
async def style() -> Response:
    return Response(STYLE, media_type="text/css", headers={"Cache-Control": "max-age=3600"})


@cache
def _page(openapi: Callable[[], dict[str, Any]]) -> str:
    return render(openapi())


class Files(BaseRoute):
    """Files of a folder at the root, ``index.html`` at ``/``.

    A path without a file is no match, so that whatever is unknown ends in the one 404 of the application.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] == "http" and scope["method"] in ("GET", "HEAD") and (file := self._file(scope["path"])):
            return Match.FULL, {"endpoint": self.handle, "file": file, "route": self, "path_params": {}}
        return Match.NONE, {}

    path = "/{file}"  # as metrics name it

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        file: Path = scope["file"]
        # the page has no hashed names: a browser asks each time and mostly hears that nothing changed
        response: Response = FileResponse(file, headers={"Cache-Control": "no-cache"}, stat_result=file.stat())
        if not_modified(Request(scope), response.headers["etag"]):
            response = Response(status_code=304, headers={k: response.headers[k] for k in ("etag", "cache-control")})
        await response(scope, receive, send)

    def _file(self, path: str) -> Path | None:
        name = path.lstrip("/") or "index.html"
        if "\x00" in name or any(part.startswith(".") for part in name.split("/")):
            return None
        try:
            file = (self._folder / name).resolve()
            return file if file.is_relative_to(self._folder) and file.is_file() else None
        except OSError:
            return None
