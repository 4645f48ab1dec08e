"""All operations of the API, as the application itself lists them."""

from collections.abc import Mapping
from dataclasses import dataclass

import httpx
from fastapi.routing import APIRoute, iter_route_contexts

from api.app import create_app
from api.events.routes import STREAM, StreamRoute
from api.settings import Settings

BODIES = {"/webhooks/{webhook_id}/replay": {"since": "2026-01-15T00:00:00Z"}}
"""Bodies of operations that look at nothing else before."""


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation as the application serves it."""

    method: str
    path: str
    template: str
    """The path without version, as the table of permissions has it."""
    accept: str

    def request(
        self, api: httpx.Client, headers: Mapping[str, str], *, ids: Mapping[str, str]
    ) -> httpx.Response:
        """Send it, with these values of the parameters in its path."""
        path = self.path.format_map(ids)
        headers = {"Accept": self.accept, **headers}
        return api.request(self.method, path, headers=headers, json=BODIES.get(self.template))


def operations() -> list[Operation]:
    """Those of every version and of both kinds of answers, HEAD included."""
    return [
        Operation(
            method,
            context.path or "",
            route.path,
            STREAM if isinstance(route, StreamRoute) else "*/*",
        )
        for context in iter_route_contexts(create_app(Settings()).routes)
        if isinstance(route := context.original_route, APIRoute)
        for method in _methods(route)
    ]


def _methods(route: APIRoute) -> set[str]:
    methods = route.methods or set()
    return methods | {"HEAD"} if "GET" in methods else methods
