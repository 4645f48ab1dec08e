"""Shapes of what the service answers; fields that a later version adds are there too, just not typed.

Written by `make client-types` from the service's OpenAPI document.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

DeliveryState = Literal["waiting", "delivered", "failed"]

Limit = Literal["queued_runs", "stored_bytes", "uploads", "log_bytes", "run_steps"]

Priority = Literal["high", "normal", "low"]

Reason = Literal["no_worker", "starting", "behind_priority", "project_share", "workers_busy"]

RunState = Literal["queued", "running", "pausing", "paused", "cancelling", "succeeded", "failed", "cancelled"]

Scope = Literal[
    "datasets:read",
    "datasets:write",
    "jobs:read",
    "jobs:write",
    "summaries:read",
    "evaluations:write",
    "webhooks:write",
    "admin",
    "metrics:read",
    "platform",
]


class Run(TypedDict):
    """What a job and an evaluation have in common."""

    id: str
    """Id of the run."""
    name: str | None
    """Name of the run, for people; null if it has none."""
    labels: dict[str, str]
    """Labels of the run, by key."""
    pinned: bool
    """Whether retention keeps what the run uses and what it made."""
    state: RunState
    """State of the run."""
    priority: Priority
    """Class of the run."""
    stage: str | None
    """Current stage: `reading`, `teacher`, `distilling`, `packing` or `evaluating`. Null if no worker has
    started the run.
    """
    queue: Queue | None
    """Where the run stands in the queue. Null unless it is queued, and in answers to requests that change
    something.
    """
    progress: float
    """Progress of the whole run, from 0 to 1."""
    step: int
    """Number of completed steps of the current stage."""
    steps: int
    """Total number of steps of the current stage."""
    losses: dict[str, float] | None
    """Latest training losses, by name."""
    scores: dict[str, float] | None
    """Latest ranking metrics, by name: of a job on the validation items, of an evaluation those of the
    last completed training.
    """
    eta_seconds: float | None
    """Estimated remaining time in seconds."""
    attempt: int
    """Number of times that a worker has started or continued the run."""
    error: RunError | None
    """Why the run failed; null unless it did."""
    created_at: str
    """When the run was submitted."""
    created_by: str | None
    """Id of the API key or the user that submitted the run; null without access control."""
    started_at: str | None
    """When a worker first started the run."""
    finished_at: str | None
    """When the run ended."""
    deleted_at: str | None
    """When the run was deleted; null unless it is listed among the deleted ones."""
    links: dict[str, str]
    """Paths of related resources and possible operations, by name."""


class AuditEntry(TypedDict):
    """A change, and who made it."""

    id: str
    """Id of the entry."""
    at: str
    """When the change was made."""
    action: str
    """What was done."""
    target: str
    """Id of what was changed."""
    before: dict[str, Any] | None
    """What was changed, as it was before; null if it is new."""
    after: dict[str, Any] | None
    """What was changed, as it was then."""
    key_id: str | None
    """Id of the API key of the request; null for users, without access control and for commands."""
    user_id: str | None
    """Id of the user whose token the request had; null for API keys."""
    user: User | None
    """Who that is, as the token said then."""
    address: str | None
    """Address that the request came from, which may be that of a gateway; null for commands."""
    request_id: str | None
    """Id of the request, as in the logs; null for commands."""


class AuditEntryPage(TypedDict):
    """A page of a list, newest first."""

    items: list[AuditEntry]
    """The items of this page."""
    next_cursor: str | None
    """Value of `cursor` for the next page; null on the last page."""


class Bulk(TypedDict):
    """How many runs a filter found, and whether it was done to them."""

    count: int
    """Number of runs to which it can be done."""
    done: bool
    """Whether it was done."""
    most: int
    """Maximum number of runs of one request."""
    frees_bytes: NotRequired[int | None]
    """Bytes in storage that are freed when what was deleted is removed; null unless it was deleted."""


class Comparison(TypedDict):
    """The summary against a rival of its size."""

    difference: float
    """Mean of the summary less that of the rival."""
    low: NotRequired[float | None]
    """Lower end of the 95% interval of the difference, over seeds and the same users for both; null where
    `intervals` is `seeds`.
    """
    high: NotRequired[float | None]
    """Upper end of that interval."""
    disjoint: bool | None
    """Whether the two are apart: whether zero lies outside that interval. Where `intervals` is `seeds`,
    whether the intervals of the two have no value in common; null for a single seed.
    """


class CreatedKey(TypedDict):
    """A key that was just created, with its text."""

    id: str
    """Id of the key."""
    project: str
    """Id of the project that the key belongs to."""
    name: str
    """What the key is for, or whose it is."""
    last_characters: str
    """The last four characters of its text; empty for the key of `TD3_FIRST_ADMIN_SHA256`, whose text the
    service was not told.
    """
    scopes: list[str]
    """What the key may do, as given."""
    created_at: str
    """When the key was created."""
    created_by: str | None
    """Id of the key or the user that created it; null if a command or a setting did, or without access
    control.
    """
    expires_at: str
    """When the key expires."""
    last_used_at: str | None
    """When the key was last used, to the minute."""
    revoked_at: str | None
    """When the key was revoked; null unless it was."""
    replaces: str | None
    """Id of the key that it replaced."""
    key: str
    """The text of the key, to be sent with requests. It is not shown again."""


class Dataset(TypedDict):
    """An uploaded log."""

    name: str | None
    """File name given by the client."""
    bytes: int
    """Size of the uploaded file in bytes."""
    sha256: str
    """SHA-256 of the uploaded file."""
    profile: dict[str, Any] | None
    """Number of users, items and interactions after filtering. Null for a large log until a worker has
    read it completely.
    """
    reading: ReadingReport | None
    """How the log was read, and what is to be said of it. Of a large log it is the report on its
    beginning, with `whole` false, until a worker has read it completely. Null if an earlier version
    read it.
    """
    id: str
    """Id of the dataset."""


class DeletedRun(TypedDict):
    """A run that is deleted and can be restored for a time."""

    id: str
    """Id of the run."""
    deleted_at: str
    """When it was deleted."""
    restorable_until: str
    """Until when it can be restored; then it is removed."""
    frees_bytes: int
    """Bytes in storage that are freed then. A log counts with the last of the jobs that share it."""
    links: dict[str, str]
    """Paths of possible operations, by name."""


class Delivery(TypedDict):
    """One event for one webhook, and the tries to deliver it."""

    id: str
    """Id of the delivery, which each try sends as `webhook-id`."""
    webhook_id: str
    """The webhook."""
    type: str
    """Type of the event."""
    run_id: str | None
    """The run that it tells of; null if it tells of none."""
    state: DeliveryState
    """Whether it waits for a try, was delivered, or has failed for good."""
    failures: int
    """Number of tries that have failed since it was made, or last sent again."""
    created_at: str
    """When it was made."""
    next_try_at: str | None
    """When it is tried next, or, while it is sent, taken over by another process. Null: not any more, or
    not before the webhook is on.
    """
    payload: dict[str, Any]
    """What is sent."""
    tries: list[Try]
    """The latest tries, oldest first; in a list only the last one."""
    links: dict[str, str]
    """Paths of what can be done with it."""


class DeliveryPage(TypedDict):
    """A page of a list, newest first."""

    items: list[Delivery]
    """The items of this page."""
    next_cursor: str | None
    """Value of `cursor` for the next page; null on the last page."""


class DroppedByFilter(TypedDict):
    """What one filter dropped of what those before it had left."""

    filter: str
    """`min_rating`, `repeats`, `min_user_interactions`, `min_item_interactions`, or `too_short`: users who
    were left with fewer interactions than leave-last-out needs.
    """
    users: int
    """Users of whom nothing was left."""
    items: int
    """Items of which nothing was left."""
    interactions: int
    """Interactions that it dropped."""
    share: float
    """Share of `interactions` in all that were read, from 0 to 1."""


class Evaluation(Run):
    """Learners trained on the summary, beside the same learners trained on other sources.

    All fields of the result are null until the evaluation has succeeded. Fields that a later version of
    the service stored are included as they are.
    """

    job_id: str
    """Id of the job whose summary is evaluated."""
    spec: dict[str, Any]
    """What was asked for, as it was stored: an `EvaluationSpec` with every default filled in, of the
    version that took the evaluation.
    """
    results: dict[str, dict[str, dict[str, Spread]]] | None
    """Figures by learner, source and metric; sources in the order in which they are to be shown."""
    recovery: dict[str, dict[str, Recovery]] | None
    """Recovery of `summary`, by learner and metric; empty without `full`."""
    own_recovery: dict[str, dict[str, Recovery]] | None
    """Recovery of `summary_own_embedding` against `full_own_embedding`, by learner and metric; it has no
    floor.
    """
    comparison: dict[str, dict[str, dict[str, Comparison]]] | None
    """The summary against each rival, by learner, rival and metric. Both are trained alike: for learners
    of another kind than the job's it is `summary_untaught` that is compared, and with rivals that are
    trained for long `summary_long`.
    """
    worth: dict[str, dict[str, Worth]] | None
    """How many labelled real users each summary is worth, by learner and source: `summary`
    (`summary_untaught` for learners of another kind than the job's) and `summary_own_embedding`. Empty
    unless the spec asks for it.
    """
    diverged: dict[str, list[str]] | None
    """By learner, the sources that are left out because the training of a learner on them diverged."""
    unavailable: list[str] | None
    """Sources that are left out because the archive has no teacher, as those of releases before 0.2.0, and
    `worth` if it was asked for.
    """
    warnings: list[TrainingWarning] | None
    """Trainings on the log that did not go well: a recovery against them may flatter."""
    seconds: dict[str, dict[str, float]] | None
    """Mean seconds of training by learner and source, without validations."""
    timing: dict[str, Timing] | None
    """What training on the summary saves, by learner; empty without `summary` and `full`."""
    trend: Trend | None
    """Learner configurations in the order of the summary and of the log; null unless the spec asks for it."""
    size: Size | None
    """Size of the summary and of the log."""
    seeds: list[int] | None
    """Seeds of the learners; each source has one learner a seed."""
    intervals: Literal["seeds", "seeds and users"] | None
    """What the intervals of ranking metrics are over: `seeds and users`, or only `seeds` in results of
    releases before 0.2.0.
    """
    split: str | None
    """Which held-out interaction was predicted: `test` or `valid`."""
    protocol: str | None
    """Among which items the target was ranked: `full`, all of them, or `uni100`, 100 drawn ones."""
    exclude_seen: bool | None
    """Whether items of the user's history were left out of the ranking: as the spec says, or the job's."""


class EvaluationPage(TypedDict):
    """A page of a list, newest first."""

    items: list[Evaluation]
    """The items of this page."""
    next_cursor: str | None
    """Value of `cursor` for the next page; null on the last page."""


class Event(TypedDict):
    """An event in the history of a run."""

    seq: int
    """Sequence number within the run: 1, 2, 3, ... without gaps."""
    at: str
    """When it happened."""
    attempt: int
    """Number of the attempt that it belongs to; 0 before the first."""
    kind: str
    """`submitted`, `reading`, `claimed`, `stage`, `metrics`, `warning`, `lease_expired`, `handed_back`,
    `preempted`, `checkpoint`, `restored`, `pausing`, `paused`, `resumed`, `cancelling`, `succeeded`,
    `failed`, `cancelled`; later versions may add kinds. `succeeded`, `failed` and `cancelled` are the
    last event of a run.
    """
    data: dict[str, Any]
    """Details, which depend on the kind."""


class EventPage(TypedDict):
    """A page of the events of a run, oldest first."""

    items: list[Event]
    """The events."""
    next_after: int
    """Value of `after` for the next page."""
    ended: bool
    """Whether the run has ended and this is its last page."""


class Gpu(TypedDict):
    """A GPU as its driver describes it: a whole one, or a part that MIG has cut off."""

    name: str
    """Name of the model."""
    memory_used_bytes: int
    """Memory in use, by any process."""
    memory_total_bytes: int
    """Memory that it has."""
    driver: str
    """Version of the driver."""


class Job(Run):
    """A distillation job."""

    deadline_at: str | None
    """Deadline of the job: it fails if it has not ended by then. Null: no deadline."""
    spec: dict[str, Any]
    """The spec as it was stored when the job was submitted: a `JobSpec` of that version of the service,
    with all defaults filled in.
    """
    dataset: Dataset
    """The log of the job."""
    summary: Summary | None
    """The archive of the summary; null until the job has succeeded."""
    metrics: JobMetrics | None
    """The final figures of the job, all on the validation items. Null until the job has succeeded."""


class JobMetrics(TypedDict):
    """The final figures of a distillation job."""

    teacher: dict[str, float]
    """Validation metrics of the teacher, such as `valid_ndcg@10`."""
    summary: dict[str, int | float]
    """Validation metrics of learners trained on the summary, such as `valid_ndcg@10`, and the `outer_step`
    that the summary is from.
    """
    log_parquet_bytes: NotRequired[int | None]
    """Size of the log after the filters, compressed: users and items in order, as Parquet with zstd; null
    if an earlier version ran the job.
    """
    certificate: NotRequired[QuickCertificate | None]
    """The certificate in the archive; null if the spec asks for none."""
    stopped: NotRequired[Stopped | None]
    """Why the distillation stopped early; null if it took all outer steps."""
    warnings: NotRequired[list[TrainingWarning]]
    """What is to be said of the training of the teacher; empty if it went well."""
    seconds: NotRequired[dict[str, float] | None]
    """Seconds that each stage took, by name of the stage."""


class JobPage(TypedDict):
    """A page of a list, newest first."""

    items: list[Job]
    """The items of this page."""
    next_cursor: str | None
    """Value of `cursor` for the next page; null on the last page."""


class Key(TypedDict):
    """An API key, without its text."""

    id: str
    """Id of the key."""
    project: str
    """Id of the project that the key belongs to."""
    name: str
    """What the key is for, or whose it is."""
    last_characters: str
    """The last four characters of its text; empty for the key of `TD3_FIRST_ADMIN_SHA256`, whose text the
    service was not told.
    """
    scopes: list[str]
    """What the key may do, as given."""
    created_at: str
    """When the key was created."""
    created_by: str | None
    """Id of the key or the user that created it; null if a command or a setting did, or without access
    control.
    """
    expires_at: str
    """When the key expires."""
    last_used_at: str | None
    """When the key was last used, to the minute."""
    revoked_at: str | None
    """When the key was revoked; null unless it was."""
    replaces: str | None
    """Id of the key that it replaced."""


class KeyPage(TypedDict):
    """A page of a list, newest first."""

    items: list[Key]
    """The items of this page."""
    next_cursor: str | None
    """Value of `cursor` for the next page; null on the last page."""


class LimitUse(TypedDict):
    """A limit, and how much of it is used."""

    name: Limit
    """What is limited."""
    limit: int | None
    """How much the project may use; null: any amount."""
    used: int | None
    """How much it uses; null of a limit that each upload or run has for itself."""
    left: int | None
    """How much more it may use; null: any amount."""


class Me(TypedDict):
    """Who sent the request, and what they may do."""

    project: str
    """Id of the project to which the request is restricted."""
    key_id: str | None
    """Id of the API key; null for users and without access control."""
    user: User | None
    """Whose token it is; null for API keys and without access control."""
    scopes: list[Scope]
    """What the key or the user may do, with the scopes that others include."""
    expires_at: str | None
    """When the key or the token expires; null without access control."""
    limits: list[LimitUse]
    """What the project may use, and what is left of it."""


class Member(TypedDict):
    """A member of a project."""

    user_id: str
    """Id of the user."""
    project: str
    """Id of the project."""
    issuer: str
    """URL of the issuer that knows the user."""
    subject: str
    """The `sub` of the user's tokens."""
    role: str
    """Role of the user in the project."""
    created_at: str
    """When the user was added."""
    created_by: str | None
    """Id of the key or the user that added them; null without access control."""


class MemberPage(TypedDict):
    """A page of a list, newest first."""

    items: list[Member]
    """The items of this page."""
    next_cursor: str | None
    """Value of `cursor` for the next page; null on the last page."""


class Project(TypedDict):
    """A project."""

    id: str
    """Id of the project."""
    name: str
    """Name of the project, for people."""
    weight: float
    """Share of the workers relative to those of other projects, while runs of several wait."""
    limits: ProjectLimits
    """Its own limits."""
    created_at: str
    """When the project was created."""


class ProjectLimits(TypedDict):
    """Limits of a project; null: that of the service."""

    queued_runs: NotRequired[int | None]
    """How many jobs and evaluations may wait or be paused."""
    stored_bytes: NotRequired[int | None]
    """How much may be stored: logs, summaries, and what unfinished jobs are expected to add."""
    uploads: NotRequired[int | None]
    """How many logs may be sent at once."""
    log_bytes: NotRequired[int | None]
    """Maximum size of a log, as sent. It cannot exceed that of the service."""
    run_steps: NotRequired[int | None]
    """Maximum number of training steps on a summary that a spec may come to. It cannot exceed that of the
    service.
    """


class ProjectPage(TypedDict):
    """A page of a list, newest first."""

    items: list[Project]
    """The items of this page."""
    next_cursor: str | None
    """Value of `cursor` for the next page; null on the last page."""


class Queue(TypedDict):
    """Where a run stands in the queue."""

    position: int
    """1 for the run that begins next. What is submitted later may change it."""
    reason: Reason
    """Why the run waits: `no_worker` (no worker is alive), `starting` (a worker is free for it),
    `behind_priority` (runs of a higher class go first), `project_share` (so do runs of projects that
    have used less of the workers), or `workers_busy`.
    """
    expected_start: str | None
    """When it will probably begin, judging by how long runs took lately; null if that is unknown."""


class QuickCertificate(TypedDict):
    """What the summary is worth on the validation items."""

    split: NotRequired[Literal["valid"]]
    """The interactions that are predicted."""
    learner: Literal["sasrec", "gru4rec", "narm", "bert4rec"]
    """Kind of the learners."""
    seeds: list[int]
    """Seeds of the learners; each source has one learner a seed."""
    intervals: NotRequired[Literal["seeds", "seeds and users"]]
    """What the intervals are over."""
    results: dict[str, dict[str, Spread]]
    """Figures by source and metric; `full` is the teacher."""
    recovery: dict[str, Recovery]
    """Recovery by metric."""
    comparison: dict[str, dict[str, Comparison]]
    """The summary against each rival, by metric."""
    diverged: list[str]
    """Sources that are left out because the training of a learner on them diverged."""


class RankAgreement(TypedDict):
    """How far two orders agree."""

    tau: float | None
    """Kendall's tau-b of the means: 1 the same order, -1 the reverse; null where all tie."""
    p_value: float | None
    """Two-sided probability of such a tau if all orders were alike likely; null where all tie."""
    over_seeds: Spread | None
    """Tau of each seed's figures by themselves; null where one of them has none."""


class ReadingReport(TypedDict):
    """How a log was read.

    Where only its beginning was, `whole` is false, and all figures are of the beginning, before filters
    count users and items.
    """

    whole: bool
    """Whether the log was read to its end."""
    format: str
    """Format of the file: `csv`, `tsv`, `jsonl`, `inter`, `parquet` or `arrow`."""
    compression: str | None
    """How the file is compressed, such as `gzip` or `zip`; null if it is not."""
    encoding: str | None
    """Encoding of the text; null for a binary format."""
    layout: str
    """What a line of text is: an interaction (`rows`), or a user and all of its items (`sequences`), as
    `data.layout` says.
    """
    separator: str | None
    """What separates fields; null unless the log is delimited."""
    quoting: str | None
    """What a double quote means: `standard`, `backslash` or `none`, as in `data.quoting`; null unless the
    log is delimited.
    """
    header: str | None
    """Where the names of the columns are from: `found` in the first line, or `given` in `data.header`;
    null unless the log is delimited.
    """
    columns: dict[str, str]
    """The columns in use, by role: `user`, `item`, and as far as used `timestamp` and `rating`."""
    passed_over: list[str]
    """Other columns, or keys among the first objects of JSON Lines; at most 50, with at most 100
    characters each.
    """
    time_unit: str | None
    """Unit of the timestamps, judged by their size: `seconds`, `milliseconds`, `microseconds` or
    `nanoseconds` since 1970, `dates`, or `other` for numbers that only order; null without timestamps,
    where the order of the file counts.
    """
    first_time: str | None
    """Earliest time, in UTC; null without a unit that tells it."""
    last_time: str | None
    """Latest time, in UTC; null without a unit that tells it."""
    users: int
    """Users, before filtering."""
    items: int
    """Items, before filtering."""
    interactions: int
    """Interactions, before filtering."""
    shortest_sequence: int
    """Smallest number of interactions of a user, before filtering."""
    longest_sequence: int
    """Largest number of interactions of a user, before filtering."""
    headers_left_out: int
    """Rows that were left out because they repeat the header, as in files that were appended."""
    null_ids_left_out: int
    """Rows that were left out because they have no user or no item, as `data.null_ids` says."""
    dropped: list[DroppedByFilter]
    """What the filters dropped, in their order; those that dropped nothing are left out."""
    kept_share: float
    """Share of the interactions that all filters left, from 0 to 1."""
    ties: float | None
    """Share of the interactions left that have the time of another one of their user, from 0 to 1; null
    without timestamps.
    """
    repeat_consumption: float
    """Share of the interactions left with an item that the user has met before, from 0 to 1."""
    warnings: NotRequired[list[ReadingWarning]]
    """What is to be said of it; empty if nothing is."""


class ReadingWarning(TypedDict):
    """Something in the log that may not be what its owner wants."""

    code: str
    """What it is about; a code never changes its meaning."""
    detail: str
    """What was found and what can be done, in a sentence."""


class Recovery(TypedDict):
    """A summary's metric against its ceiling and its floor; null where there is nothing to divide by."""

    recovery: float | None
    """summary / full, of the means"""
    low: NotRequired[float | None]
    """Lower end of the 95% interval of `recovery`, over seeds and the same users for both; null where it
    has no end.
    """
    high: NotRequired[float | None]
    """Upper end of that interval."""
    lift_recovery: NotRequired[float | None]
    """(summary - floor) / (full - floor); null without a floor."""
    lift_low: NotRequired[float | None]
    """Lower end of the 95% interval of `lift_recovery`; null where it has no end."""
    lift_high: NotRequired[float | None]
    """Upper end of that interval."""
    teacher_recovery: NotRequired[float | None]
    """summary / teacher: of the one learner that labels the summary, which took over the ensemble where
    the job has `teacher.members`; `recovery` is of the mean single training. Null without the source
    `teacher`.
    """
    teacher_low: NotRequired[float | None]
    """Lower end of the 95% interval of `teacher_recovery`; null where it has no end."""
    teacher_high: NotRequired[float | None]
    """Upper end of that interval."""


class Replayed(TypedDict):
    """What a replay has made due."""

    deliveries: int
    """Number of events that are sent again, or for the first time."""


class RunError(TypedDict):
    """Why a run failed."""

    code: str
    """Kind of error, for programs."""
    detail: str
    """What went wrong."""
    errors: NotRequired[list[dict[str, Any]] | None]
    """First problems of an invalid log: `line` and `column`, or the `field` of the spec that matters
    (`dataset`: the log as a whole), `value` and `reason`.
    """


class Size(TypedDict):
    """The summary against the log."""

    summary_bytes: int
    """Of the artefact, item factor and ids included."""
    summary_parameters: int
    """Numbers in the learned factors."""
    item_parameters: int
    """Numbers in the item factor V."""
    teacher_parameters: NotRequired[int | None]
    """Numbers in the teacher's weights, which the artefact holds too; null: it does not, or unknown."""
    log_bytes: int
    """Of the log as it was submitted."""
    log_parquet_bytes: NotRequired[int | None]
    """Of the log after the filters, compressed: users and items in order, as Parquet with zstd. With this
    the bytes of the summary are to be compared. Null: unknown, as in results of 0.1.0.
    """
    log_interactions: int
    """Of the log after the filters."""


class Spread(TypedDict):
    """A figure over seeds; of a ranking metric, over the users, too."""

    mean: float
    """Mean over the seeds."""
    std: NotRequired[float | None]
    """Sample standard deviation; null for a single seed."""
    low: NotRequired[float | None]
    """Lower end of the 95% interval of the mean. Of a ranking metric it is over seeds and users, as
    `intervals` says, and over users alone for a single seed; otherwise it is Student's over the seeds,
    and null for a single one.
    """
    high: NotRequired[float | None]
    """Upper end of that interval."""
    values: list[float]
    """The figure of each seed."""


class Stopped(TypedDict):
    """Why a distillation ended before its last outer step."""

    reason: Literal["recovery", "seconds", "diverged"]
    """`recovery` or `seconds`: the limit of the spec's `stop` that was reached; `diverged`: the outer loss
    diverged, and the summary is the best one before.
    """
    detail: NotRequired[str | None]
    """What happened, of a distillation that diverged."""


class SubmittedJob(Job):
    """The response to a submission: a new job, or an identical one that exists already."""

    deduplicated: bool
    """Whether this job existed before and is identical: same log, same spec including the seed, same
    version of the service.
    """
    webhook: WebhookWithSecret | None
    """The webhook that was submitted with it; null if there was none."""
    nearly_reached: list[LimitUse]
    """Limits of the project of which at least 80 % are used with this job."""


class Summary(TypedDict):
    """The archive with the summary of a job."""

    bytes: int
    """Size of the archive in bytes."""
    sha256: str
    """SHA-256 of the archive; also its ETag."""
    href: str
    """Path of the download."""
    expired_at: str | None
    """When the archive expired; null while it can be downloaded."""


class Timing(TypedDict):
    """What training on the summary saves."""

    summary_seconds: Spread
    """Of training on the summary."""
    full_seconds: Spread
    """Of the whole training on the log."""
    log_seconds: Spread
    """Of training on the log until its validation NDCG@10 is the mean of the learners trained on the
    summary; where it never is, of the whole training. Validations are not counted.
    """
    reached: int
    """Number of seeds of which the training on the log reaches that quality."""
    speedup: float | None
    """log_seconds / summary_seconds, of the means."""
    distil_seconds: float | None
    """Of the distillation, its teacher included; null: unknown."""
    break_even: float | None
    """After how many trainings the distillation has paid for itself: distil_seconds / (log_seconds -
    summary_seconds); null: never, or unknown.
    """


class TrainingWarning(TypedDict):
    """A training on the log that did not go well: a figure that is set against it may flatter."""

    reason: Literal["popularity", "fell", "restarted"]
    """`popularity`: it ended no better than popularity (less than 1.05 times its score), so that it
    learned nothing from histories; `fell`: its last epochs were far below its best one (less than 0.6
    times its score), which was kept; `restarted`: it learned, but only after it was started again.
    """
    training: str
    """Which training: `teacher`, a member of it, or one of an evaluation."""
    score: float
    """Validation NDCG@10 of its best epoch, which was kept."""
    last_score: float
    """Validation NDCG@10 of its last epoch."""
    popularity: float
    """Validation NDCG@10 of ranking items by popularity."""
    restarts: NotRequired[int]
    """How often it was started again, because it was no better than popularity."""
    detail: str
    """What happened and what can be done, in words."""


class Trend(TypedDict):
    """Learner configurations in the order of the summary and in that of the log."""

    configurations: list[TrendRow]
    """The configurations whose training diverged on neither."""
    agreement: dict[str, RankAgreement]
    """Agreement of the two orders, by metric."""


class TrendRow(TypedDict):
    """A learner configuration, trained on both."""

    learner: Literal["sasrec", "gru4rec", "narm", "bert4rec"]
    """Kind of the learner."""
    embedding_size: int
    """Width of its item embedding."""
    layers: int
    """Number of its layers."""
    inner_size: int
    """Width of its inner layers."""
    summary: dict[str, Spread]
    """Figures by metric, trained on the summary."""
    full: dict[str, Spread]
    """Figures by metric, trained on the log."""


class Try(TypedDict):
    """One request that was sent, and its answer."""

    at: str
    """When it was sent."""
    url: str
    """URL that it was sent to."""
    seconds: float
    """How long it took, in seconds."""
    status: int | None
    """Status of the answer; null if there was none."""
    headers: dict[str, str] | None
    """The first headers of the answer."""
    body: str | None
    """The beginning of the body of the answer."""
    error: str | None
    """Why there was no answer; null if there was one."""


class User(TypedDict):
    """Whose token a request had."""

    id: str
    """Id of the user."""
    issuer: str
    """URL of the issuer of the token."""
    subject: str
    """By which the issuer tells its users apart."""
    name: str | None
    """Name of the user, for people; null if the token has none."""


class ValidatedLog(TypedDict):
    """A log that a job would be accepted for. Nothing of it was kept."""

    name: str | None
    """File name given by the client."""
    bytes: int
    """Size of the uploaded file in bytes."""
    sha256: str
    """SHA-256 of the uploaded file."""
    profile: dict[str, Any] | None
    """Number of users, items and interactions after filtering. Null for a large log until a worker has
    read it completely.
    """
    reading: ReadingReport | None
    """How the log was read, and what is to be said of it. Of a large log it is the report on its
    beginning, with `whole` false, until a worker has read it completely. Null if an earlier version
    read it.
    """


class Webhook(TypedDict):
    """An endpoint that is told of events."""

    id: str
    """Id of the webhook."""
    url: str
    """URL that events are sent to."""
    events: list[str]
    """Types of the events that it is told of; later versions may add types."""
    job_id: str | None
    """The job whose events are its only ones, with those of its evaluations. Null: all runs."""
    enabled: bool
    """Whether anything is sent."""
    disabled_reason: str | None
    """Why the service has switched it off: its tries have failed for days, or it answered 410. Null if it
    is on, or if a client has switched it off.
    """
    failing_since: str | None
    """Since when every try has failed; null if the last did not."""
    secret_hint: str
    """The last four characters of the secret."""
    former_secret_until: str | None
    """Until when the secret before the last rotation signs as well."""
    created_at: str
    """When it was created."""
    links: dict[str, str]
    """Paths of what can be done with it."""


class WebhookPage(TypedDict):
    """A page of a list, newest first."""

    items: list[Webhook]
    """The items of this page."""
    next_cursor: str | None
    """Value of `cursor` for the next page; null on the last page."""


class WebhookWithSecret(TypedDict):
    """A webhook with its new secret, which is not shown again."""

    id: str
    """Id of the webhook."""
    url: str
    """URL that events are sent to."""
    events: list[str]
    """Types of the events that it is told of; later versions may add types."""
    job_id: str | None
    """The job whose events are its only ones, with those of its evaluations. Null: all runs."""
    enabled: bool
    """Whether anything is sent."""
    disabled_reason: str | None
    """Why the service has switched it off: its tries have failed for days, or it answered 410. Null if it
    is on, or if a client has switched it off.
    """
    failing_since: str | None
    """Since when every try has failed; null if the last did not."""
    secret_hint: str
    """The last four characters of the secret."""
    former_secret_until: str | None
    """Until when the secret before the last rotation signs as well."""
    created_at: str
    """When it was created."""
    links: dict[str, str]
    """Paths of what can be done with it."""
    secret: str
    """The secret that signs what is sent; it is shown only here."""


class Worker(TypedDict):
    """A process that takes runs from a queue and executes them, one at a time."""

    id: str
    """Id of the worker, as in the `worker` of events."""
    state: Literal["alive", "silent", "stopped"]
    """`alive`: it sends heartbeats. `silent`: no heartbeat for the duration of a lease, so it was killed
    or disconnected, and its run goes to another worker. `stopped`: it has shut down.
    """
    host: str | None
    """Host name of the machine; null without the scope `platform`."""
    pid: int | None
    """Process id; null without the scope `platform`."""
    queues: list[str]
    """Queues that it takes runs from."""
    device: str
    """Device that it computes on, as configured."""
    gpu: Gpu | None
    """The GPU that it computes on, as of the last heartbeat. Null if it computes on a CPU, or if the
    driver could not be asked.
    """
    version: str
    """Version of the service."""
    started_at: str
    """When it started."""
    seen_at: str
    """Time of its last heartbeat."""
    runs: list[str]
    """Ids of the jobs and evaluations that it is running."""


class Workers(TypedDict):
    """All known workers, the latest first."""

    items: list[Worker]
    """The workers."""


class Worth(TypedDict):
    """How many real users with the teacher's labels are as good to train on as the summary."""

    metric: str
    """The metric that is compared, such as `ndcg@10`."""
    summary: Spread
    """What learners trained on the summary reach."""
    teacher: Spread
    """What the teacher reaches, which labels both the summary and the real users; its interval is over
    users alone.
    """
    lead_over_teacher: Comparison
    """The summary against the teacher: where the two are not `disjoint`, the summary is level with what
    labels it, and no number of labelled users would be worth more.
    """
    rows: int
    """Synthetic users in the summary."""
    log_users: int
    """Real users in the log after the filters."""
    users: float | None
    """How many labelled real users the summary is worth, between two points of `curve` on a logarithmic
    scale; if the first point is already as good, its number of users, and the summary is worth at most
    that. Null: more than the last point has.
    """
    low: float | None
    """Lower end of the 95% interval of `users`, which are read anew from the same points for each resample
    of seeds and users; null as there.
    """
    high: float | None
    """Upper end of that interval; null as there."""
    times_rows: float | None
    """users / rows; null where `users` is."""
    curve: list[WorthPoint]
    """What was tried: as many users as the summary has rows, then twice as many each time, up to all users
    of the log or 65,536, until they are as good. Numbers on which every training diverged are left out.
    """


class WorthPoint(TypedDict):
    """Learners trained on so many real users with the teacher's labels."""

    users: int
    """How many real users; each learner has others, drawn uniformly."""
    source: str
    """As which source they were trained on: the stronger of `random_labelled` and `random_labelled_long`,
    or `random_labelled_own_embedding`; for more steps where it takes more to read each user once.
    """
    figure: Spread
    """What the learners reach."""
