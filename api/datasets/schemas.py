"""Response models of datasets."""

from typing import Any

from pydantic import BaseModel, Field

from api.models import Dataset


class DatasetOut(BaseModel):
    """An uploaded log."""

    id: str = Field(description="Id of the dataset.", examples=["ds_0199b2f0c3d47c7e9c3d7d3b8c9f1a2b"])
    name: str | None = Field(description="File name given by the client.", examples=["ratings.csv"])
    bytes: int = Field(description="Size of the uploaded file in bytes.", examples=[1979173])
    sha256: str = Field(
        description="SHA-256 of the uploaded file.",
        examples=["06416e597f82b7342361e41163890c81036900f418ad91315590814211dca490"],
    )
    profile: dict[str, Any] | None = Field(
        description="Number of users, items and interactions after filtering. Null for a large log until a worker "
        "has read it completely.",
        examples=[{"users": 943, "items": 1349, "interactions": 99287}],
    )

    @classmethod
    def of(cls, dataset: Dataset) -> "DatasetOut":
        """Build from a database row."""
        return cls(
            id=dataset.id,
            name=dataset.name,
            bytes=dataset.bytes,
            sha256=dataset.sha256,
            profile=dataset.profile,
        )
