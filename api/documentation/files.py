"""Static files of a folder, for browsers."""

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles
from starlette.types import Scope


class Files:
    """Serves files and, for a folder, its `index.html`; what does not exist is a 404 of the application.

    Types follow from the names. An `ETag` and `If-None-Match` spare what a browser has already, and no path leads out
    of the folder. Redirects are relative, so they work under whatever prefix a proxy puts before the path.
    """

    def __init__(self, folder: Path, *, headers: Mapping[str, str]) -> None:
        self._files = StaticFiles(directory=folder, check_dir=False)
        self._headers = headers

    async def respond(self, request: Request, path: str) -> Response:
        """Answer a GET or HEAD request for the file at `path`, relative to the folder.

        Raises:
            HTTPException: There is no such file.
        """
        response = await self._found(path, request.scope)
        response.headers.update(self._headers)
        # What was fetched before is asked for again, and answered with 304 until it changes.
        response.headers["cache-control"] = "no-cache"
        return response

    async def _found(self, path: str, scope: Scope) -> Response:
        if not path or path.endswith("/"):
            return await self._files.get_response(f"{path}index.html", scope)
        try:
            return await self._files.get_response(path, scope)
        except HTTPException:
            await self._files.get_response(f"{path}/index.html", scope)
            return RedirectResponse(f"./{quote(path.rpartition('/')[2], safe='')}/")
