"""What every config is."""

from pydantic import BaseModel, ConfigDict


class Config(BaseModel):
    """Unknown fields are refused, types are not coerced, values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)
