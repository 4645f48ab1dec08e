"""Who is asking. Until API keys are switched on, everybody is the one default tenant."""

from typing import Annotated

from fastapi import Depends

from api.models import DEFAULT_TENANT


def current_tenant() -> str:
    """The tenant that every query of this request is scoped by."""
    return DEFAULT_TENANT


Tenant = Annotated[str, Depends(current_tenant)]
