"""What every result is."""

from pydantic import BaseModel, ConfigDict


class Result(BaseModel):
    """Values never change; fields that a later version added are kept."""

    model_config = ConfigDict(frozen=True, extra="allow")
