"""What the operations on one kind of resource need of the client: its requests, by the kind of answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Requests:
    """The requests of a client. Each reads the answer as the type that it is given first, and raises its errors."""

    call: Callable[..., Any]
    """`(kind, method, path, **options)`: sends a request once."""
    create: Callable[..., Any]
    """`(kind, path, **options)`: creates something, and sends the request again if no answer came."""
    end: Callable[..., None]
    """`(path, **options)`: deletes something, which is answered with nothing."""

    def page(self, kind: Any, path: str, *, limit: int, cursor: str | None, **wanted: Any) -> Any:
        """Get a page of a list; what is None is not asked for."""
        return self.call(kind, "GET", path, params=given(limit=limit, cursor=cursor, **wanted))


def given(**fields: Any) -> Mapping[str, Any]:
    """Return the fields that are not None."""
    return {name: value for name, value in fields.items() if value is not None}
