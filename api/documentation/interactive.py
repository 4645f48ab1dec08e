"""The interactive documentation at `/docs`: Swagger UI on the OpenAPI document, without anything from other hosts."""

from importlib.util import find_spec
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException

from api.documentation.files import Files

PAGES = Path(__file__).parent / "pages"
OWN = ("docs.html", "docs.js")
BUNDLED = ("swagger-ui.css", "swagger-ui-bundle.js", "favicon.png")

HEADERS = {
    # Swagger UI sets styles of elements; its icons are data within its style sheet.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; font-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
}


def swagger_ui() -> Path:
    """The folder of Swagger UI's scripts and styles within the package that brings them."""
    spec = find_spec("fastapi_offline")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "static"


def install(app: FastAPI) -> None:
    """Serve the interactive documentation at `/docs`, and what it loads below."""
    own = Files(PAGES, headers=HEADERS)
    bundled = Files(swagger_ui(), headers=HEADERS)

    async def page(request: Request) -> Response:
        return await own.respond(request, "docs.html")

    async def asset(request: Request) -> Response:
        name: str = request.path_params["name"]
        if name in OWN:
            return await own.respond(request, name)
        if name in BUNDLED:
            return await bundled.respond(request, name)
        if not name:
            return RedirectResponse("../docs")
        raise HTTPException(404)

    app.add_route("/docs", page, include_in_schema=False)
    app.add_route("/docs/{name:path}", asset, include_in_schema=False)
