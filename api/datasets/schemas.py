"""What a client sees of a dataset."""

from typing import Any

from pydantic import BaseModel, Field

from api.models import Dataset


class DatasetOut(BaseModel):
    """The log as it was uploaded."""

    id: str = Field(examples=["ds_0199b2f0c3d47c7e9c3d7d3b8c9f1a2b"])
    name: str | None = Field(description="The client's name for the file.", examples=["ratings.csv"])
    bytes: int = Field(examples=[1979173])
    sha256: str = Field(examples=["06416e597f82b7342361e41163890c81036900f418ad91315590814211dca490"])
    profile: dict[str, Any] | None = Field(
        description="Counts after filtering; null until a large log has been read whole.",
        examples=[{"users": 943, "items": 1349, "interactions": 99287}],
    )

    @classmethod
    def of(cls, dataset: Dataset) -> "DatasetOut":
        """Shape a row."""
        return cls(
            id=dataset.id,
            name=dataset.name,
            bytes=dataset.bytes,
            sha256=dataset.sha256,
            profile=dataset.profile,
        )
