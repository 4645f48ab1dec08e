"""Authentication. There are no API keys yet: every request belongs to the default tenant."""

from typing import Annotated

from fastapi import Depends

from api.models import DEFAULT_TENANT


def current_tenant() -> str:
    """The tenant of the request, to which all its queries are restricted."""
    return DEFAULT_TENANT


Tenant = Annotated[str, Depends(current_tenant)]
