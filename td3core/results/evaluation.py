"""What an evaluation found: the fidelity certificate of a summary."""

from pydantic import BaseModel, ConfigDict, Field

from td3core.results.figures import Comparison, Recovery, Spread
from td3core.results.timing import Timing
from td3core.results.trend import Trend


class Size(BaseModel):
    """The summary against the log."""

    model_config = ConfigDict(frozen=True)

    summary_bytes: int = Field(description="Of the artefact, item factor and ids included.")
    summary_parameters: int = Field(description="Numbers in the learned factors.")
    item_parameters: int = Field(description="Numbers in the item factor V.")
    log_bytes: int = Field(description="Of the log as it was submitted.")
    log_interactions: int = Field(description="Of the log after the filters.")


class EvaluationResult(BaseModel):
    """Learners trained on the summary, beside the same learners trained on other sources."""

    model_config = ConfigDict(frozen=True)

    results: dict[str, dict[str, dict[str, Spread]]] = Field(description="learner -> source -> metric")
    recovery: dict[str, dict[str, Recovery]] = Field(description="learner -> metric")
    own_recovery: dict[str, dict[str, Recovery]] = Field(
        description="learner -> metric: `summary_own_embedding` against `full_own_embedding`, which has no floor."
    )
    comparison: dict[str, dict[str, dict[str, Comparison]]] = Field(
        description="learner -> rival -> metric: the summary against each source of its size, all trained alike: of "
        "learners of another kind than the job's it is `summary_untaught` that is compared."
    )
    diverged: dict[str, tuple[str, ...]] = Field(
        description="learner -> sources that are left out, for a learner's training on them diverged."
    )
    seconds: dict[str, dict[str, float]] = Field(
        description="learner -> source -> mean seconds of training, validations not counted"
    )
    timing: dict[str, Timing] = Field(description="learner -> timing; needs `summary` and `full`.")
    trend: Trend | None = Field(description="If asked for; without configurations whose training diverged.")
    size: Size | None
    seeds: tuple[int, ...]
    split: str
    protocol: str
    exclude_seen: bool
