"""The base class of all configs."""

from pydantic import BaseModel, ConfigDict
from pydantic.config import JsonDict

MOST_ITEMS = "maxItems"
FEW: JsonDict = {MOST_ITEMS: 100}
"""Extra of the schema of a list whose length is bounded where a new spec is accepted, see `td3core.config.ceilings`."""


class Config(BaseModel):
    """An immutable config: unknown fields are rejected and types are not coerced."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
