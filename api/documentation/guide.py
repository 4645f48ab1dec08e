"""The guide: the site that `make docs` builds from `docs/`, served at `/guide`."""

from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse

from api.documentation.files import Files
from api.errors import GuideNotBuiltError

GUIDE = Path(__file__).parents[1] / "static" / "guide"
"""Where the site is built, within the package, so that it is installed with it."""

HEADERS = {
    # The theme has small scripts and styles within its pages; nothing comes from another host.
    "content-security-policy": "default-src 'self'; script-src 'self' 'unsafe-inline'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; worker-src 'self' blob:; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
}


def install(app: FastAPI, folder: Path) -> None:
    """Serve the site in `folder` at `/guide`."""
    files = Files(folder, headers=HEADERS)

    async def start(request: Request) -> Response:
        """Redirect to where relative links lead on."""
        return RedirectResponse("./guide/")

    async def page(request: Request) -> Response:
        if not folder.is_dir():
            raise GuideNotBuiltError
        return await files.respond(request, request.path_params["path"])

    app.add_route("/guide", start, include_in_schema=False)
    app.add_route("/guide/{path:path}", page, include_in_schema=False)
