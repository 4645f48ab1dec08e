"""What an evaluation found: the fidelity certificate of a summary."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from td3core.errors import UnsupportedFormatError
from td3core.formats import EVALUATION_RESULT, Document
from td3core.results.base import Result
from td3core.results.figures import Comparison, IntervalsOver, Recovery, Spread
from td3core.results.timing import Timing
from td3core.results.training import TrainingWarning
from td3core.results.trend import Trend
from td3core.results.worth import Worth


class Size(Result):
    """The summary against the log."""

    summary_bytes: int = Field(description="Of the artefact, item factor and ids included.")
    summary_parameters: int = Field(description="Numbers in the learned factors.")
    item_parameters: int = Field(description="Numbers in the item factor V.")
    teacher_parameters: int | None = Field(
        default=None,
        description="Numbers in the teacher's weights, which the artefact holds too; null: it does not, or unknown.",
    )
    log_bytes: int = Field(description="Of the log as it was submitted.")
    log_parquet_bytes: int | None = Field(
        default=None,
        description="Of the log after the filters, compressed: users and items in order, as Parquet with zstd. With "
        "this the bytes of the summary are to be compared. Null: unknown, as in results of 0.1.0.",
    )
    log_interactions: int = Field(description="Of the log after the filters.")


class EvaluationResult(Result):
    """Learners trained on the summary, beside the same learners trained on other sources."""

    format: int = Field(default=EVALUATION_RESULT.current, description="See `td3core.formats`.")
    results: dict[str, dict[str, dict[str, Spread]]] = Field(
        description="Figures by learner, source and metric; sources in the order in which they are to be shown."
    )
    recovery: dict[str, dict[str, Recovery]] = Field(
        description="Recovery of `summary`, by learner and metric; empty without `full`."
    )
    own_recovery: dict[str, dict[str, Recovery]] = Field(
        description="Recovery of `summary_own_embedding` against `full_own_embedding`, by learner and metric; it has "
        "no floor."
    )
    comparison: dict[str, dict[str, dict[str, Comparison]]] = Field(
        description="The summary against each rival, by learner, rival and metric. Both are trained alike: for "
        "learners of another kind than the job's it is `summary_untaught` that is compared, and with rivals that are "
        "trained for long `summary_long`."
    )
    worth: dict[str, dict[str, Worth]] = Field(
        description="How many labelled real users each summary is worth, by learner and source: `summary` "
        "(`summary_untaught` for learners of another kind than the job's) and `summary_own_embedding`. Empty unless "
        "the spec asks for it.",
    )
    diverged: dict[str, tuple[str, ...]] = Field(
        description="By learner, the sources that are left out because the training of a learner on them diverged."
    )
    unavailable: tuple[str, ...] = Field(
        description="Sources that are left out because the archive has no teacher, as those of releases before 0.2.0, "
        "and `worth` if it was asked for."
    )
    warnings: tuple[TrainingWarning, ...] = Field(
        description="Trainings on the log that did not go well: a recovery against them may flatter."
    )
    seconds: dict[str, dict[str, float]] = Field(
        description="Mean seconds of training by learner and source, without validations."
    )
    timing: dict[str, Timing] = Field(
        description="What training on the summary saves, by learner; empty without `summary` and `full`."
    )
    trend: Trend | None = Field(
        description="Learner configurations in the order of the summary and of the log; null unless the spec asks for "
        "it."
    )
    size: Size | None = Field(description="Size of the summary and of the log.")
    seeds: tuple[int, ...] = Field(description="Seeds of the learners; each source has one learner a seed.")
    intervals: IntervalsOver = Field(
        description="What the intervals of ranking metrics are over: `seeds and users`, or only `seeds` in results of "
        "releases before 0.2.0."
    )
    split: str = Field(description="Which held-out interaction was predicted: `test` or `valid`.")
    protocol: str = Field(
        description="Among which items the target was ranked: `full`, all of them, or `uni100`, 100 drawn ones."
    )
    exclude_seen: bool = Field(
        description="Whether items of the user's history were left out of the ranking: as the spec says, or the job's."
    )


def current_format(stored: Mapping[str, Any]) -> Document:
    """Upgrade a stored result to the current format; one of a later format stays as it is.

    The fields are not validated.
    """
    try:
        return EVALUATION_RESULT.upgrade(stored, version=stored.get("format", 1))
    except UnsupportedFormatError:
        return dict(stored)
