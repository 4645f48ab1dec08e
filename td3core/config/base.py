"""The base class of all configs."""

from pydantic import BaseModel, ConfigDict


class Config(BaseModel):
    """An immutable config: unknown fields are rejected and types are not coerced."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
