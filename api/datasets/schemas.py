"""Response models of datasets."""

from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, Field

from api.datasets.received import ReceivedLog
from api.models import Dataset
from api.runs.stored import Stored
from td3core.interactions import LogStudy
from td3core.results import DroppedByFilter, ReadingCode, ReadingReport, ReadingWarning

READING_EXAMPLE: dict[str, Any] = ReadingReport(
    whole=True,
    format="csv",
    compression=None,
    encoding="utf-8",
    layout="rows",
    separator=",",
    quoting="standard",
    header="found",
    columns={"user": "user_id", "item": "item_id", "timestamp": "timestamp"},
    passed_over=("rating",),
    time_unit="seconds",
    first_time=datetime(1997, 9, 20, 3, 5, 10, tzinfo=UTC),
    last_time=datetime(1998, 4, 22, 23, 10, 38, tzinfo=UTC),
    users=943,
    items=1682,
    interactions=100_000,
    shortest_sequence=20,
    longest_sequence=737,
    headers_left_out=0,
    null_ids_left_out=0,
    dropped=(
        DroppedByFilter(filter="min_item_interactions", users=0, items=333, interactions=713, share=0.00713),
    ),
    kept_share=0.99287,
    ties=0.7,
    repeat_consumption=0.0,
    warnings=(
        ReadingWarning(
            code=ReadingCode.MANY_TIES,
            detail="70.0% of the interactions have the time of another one of their user: among these the order of the "
            "file counts.",
        ),
    ),
).model_dump(mode="json")


class LogOut(BaseModel):
    """A log that was sent, and how it was read."""

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
    reading: Stored[ReadingReport] = Field(
        description="How the log was read, and what is to be said of it. Of a large log it is the report on its "
        "beginning, with `whole` false, until a worker has read it completely. Null if an earlier version read it."
    )


class ValidatedLog(LogOut):
    """A log that a job would be accepted for. Nothing of it was kept."""

    @classmethod
    def of(cls, log: ReceivedLog, study: LogStudy) -> "ValidatedLog":
        """Build from what is known of it."""
        profile = study.kept and study.kept.model_dump(mode="json")
        return cls(name=log.name, bytes=log.size, sha256=log.sha256, profile=profile, reading=study.reading)


class DatasetOut(LogOut):
    """An uploaded log."""

    id: str = Field(description="Id of the dataset.", examples=["ds_0199b2f0c3d47c7e9c3d7d3b8c9f1a2b"])

    @classmethod
    def of(cls, dataset: Dataset) -> "DatasetOut":
        """Build from a database row."""
        reading: Any = dataset.reading
        return cls(
            id=dataset.id,
            name=dataset.name,
            bytes=dataset.bytes,
            sha256=dataset.sha256,
            profile=dataset.profile,
            reading=reading,
        )
