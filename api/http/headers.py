"""Headers of responses that tell browsers and caches what not to do."""

from starlette.datastructures import MutableHeaders

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
CACHE_CONTROL = "no-store"
"""Of documents that tell the present state, which clients poll."""


def complete(headers: MutableHeaders) -> None:
    """Add what the response does not say itself."""
    for name, value in HEADERS.items():
        headers.setdefault(name, value)
    if "json" in headers.get("content-type", ""):
        headers.setdefault("Cache-Control", CACHE_CONTROL)
