"""Shapes of what the service answers; fields it adds later are there too, just not typed."""

from typing import Any, Literal, TypedDict

State = Literal["queued", "running", "cancelling", "succeeded", "failed", "cancelled"]
FINISHED: frozenset[State] = frozenset({"succeeded", "failed", "cancelled"})


class Failure(TypedDict):
    """Why a run failed."""

    code: str
    detail: str


class Run(TypedDict):
    """What a job and an evaluation have in common."""

    id: str
    state: State
    stage: str | None
    progress: float
    step: int | None
    steps: int | None
    losses: dict[str, float] | None
    eta_seconds: float | None
    attempt: int
    spec: dict[str, Any]
    error: Failure | None
    created_at: str
    started_at: str | None
    finished_at: str | None


class Dataset(TypedDict):
    """The log as the service received it."""

    name: str
    bytes: int
    sha256: str
    profile: dict[str, Any] | None


class Summary(TypedDict):
    """The archive of a job that succeeded."""

    bytes: int
    sha256: str
    href: str


class Job(Run):
    """A distillation job."""

    dataset: Dataset
    summary: Summary | None
    metrics: dict[str, Any] | None


class Spread(TypedDict):
    """A metric over the seeds."""

    mean: float
    std: float
    values: list[float]


class Evaluation(Run):
    """An evaluation of a job's summary: learner -> source -> metric -> spread over the seeds."""

    job_id: str
    results: dict[str, dict[str, dict[str, Spread]]] | None
    recovery: dict[str, dict[str, dict[str, float | None]]] | None
    seconds: dict[str, dict[str, float]] | None


class Page(TypedDict):
    """One page of a list of jobs."""

    items: list[Job]
    next_cursor: str | None
