"""Shapes of what the service answers; fields it adds later are there too, just not typed."""

from typing import Any, Literal, NotRequired, TypedDict

State = Literal["queued", "running", "pausing", "paused", "cancelling", "succeeded", "failed", "cancelled"]
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
    scores: NotRequired[dict[str, float] | None]
    """Services of older versions have none, and the scores among the losses."""
    eta_seconds: float | None
    attempt: int
    spec: dict[str, Any]
    error: Failure | None
    created_at: str
    started_at: str | None
    finished_at: str | None


class Dataset(TypedDict):
    """The log as the service received it."""

    name: str | None
    bytes: int
    sha256: str
    profile: dict[str, Any] | None


class Summary(TypedDict):
    """The archive of a job that succeeded."""

    bytes: int
    sha256: str
    href: str
    expired_at: str | None


class Job(Run):
    """A distillation job."""

    deadline_at: str | None
    dataset: Dataset
    summary: Summary | None
    metrics: dict[str, Any] | None
    deduplicated: NotRequired[bool]
    """In the answer to a submit: whether an identical job was there already, and is this one."""


class Spread(TypedDict):
    """A figure over the seeds; a single one has neither deviation nor interval."""

    mean: float
    std: float | None
    low: float | None
    high: float | None
    values: list[float]


class Comparison(TypedDict):
    """The summary against a source of its size."""

    difference: float
    disjoint: bool | None


class Timing(TypedDict):
    """What training on the summary saves."""

    summary_seconds: Spread
    full_seconds: Spread
    log_seconds: Spread
    reached: int
    speedup: float | None
    distil_seconds: float | None
    break_even: float | None


class TrendRow(TypedDict):
    """A learner configuration, trained on the summary and on the log: metric -> figure."""

    learner: str
    embedding_size: int
    layers: int
    inner_size: int
    summary: dict[str, Spread]
    full: dict[str, Spread]


class RankAgreement(TypedDict):
    """How far the two orders of the configurations agree."""

    tau: float | None
    p_value: float | None
    over_seeds: Spread | None


class Trend(TypedDict):
    """Learner configurations in the order of the summary and in that of the log."""

    configurations: list[TrendRow]
    agreement: dict[str, RankAgreement]


class Size(TypedDict):
    """The summary against the log."""

    summary_bytes: int
    summary_parameters: int
    item_parameters: int
    log_bytes: int
    log_interactions: int


class Evaluation(Run):
    """An evaluation of a job's summary: learner -> source -> metric -> spread over the seeds."""

    job_id: str
    results: dict[str, dict[str, dict[str, Spread]]] | None
    recovery: dict[str, dict[str, dict[str, float | None]]] | None
    own_recovery: dict[str, dict[str, dict[str, float | None]]] | None
    comparison: dict[str, dict[str, dict[str, Comparison]]] | None
    diverged: dict[str, list[str]] | None
    seconds: dict[str, dict[str, float]] | None
    timing: dict[str, Timing] | None
    trend: Trend | None
    size: Size | None


class Event(TypedDict):
    """Something that happened to a run; `data` has what there is to tell, by kind."""

    seq: int
    at: str
    attempt: int
    kind: str
    data: dict[str, Any]


class Page(TypedDict):
    """One page of a list of jobs."""

    items: list[Job]
    next_cursor: str | None
