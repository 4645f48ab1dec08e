"""The spec of an evaluation, and the configuration of the quick certificate."""

from math import prod
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, Strict, model_validator

from td3core.config.base import FEW, Config
from td3core.config.faults import FieldError
from td3core.config.learner import LearnerKind
from td3core.config.sources import NAME_SINCE, SOURCES, EvaluationSource


class CertificateConfig(Config):
    """The quick certificate in the artefact: scores of learners trained on the summary and on baselines."""

    learners: int = Field(
        default=3,
        ge=0,
        le=50,
        description="Number of fresh learners per source, which are scored on the validation items; 0 makes no "
        "certificate and saves their training time.",
    )


def _named_now(name: object) -> object:
    """Reject the old name of a renamed source and tell the new one, which the results will have."""
    if isinstance(name, str) and name in NAME_SINCE:
        raise FieldError(name, expected=f"{NAME_SINCE[name]!r}, the new name of this source")
    return name


def _all_or_given(sources: object) -> object:
    """Expand `all`."""
    return tuple(source.name for source in SOURCES) if sources == "all" else sources


_SourceName = Annotated[EvaluationSource, BeforeValidator(_named_now)]


class TrendConfig(Config):
    """Comparison of rankings: does training on the summary rank learner configurations as training on the log does?

    The configurations are all combinations of the four lists.
    """

    learners: Annotated[tuple[LearnerKind, ...], Strict(False)] = Field(
        default=("sasrec", "gru4rec", "narm", "bert4rec"),
        min_length=1,
        json_schema_extra=FEW,
        description="Architectures to compare.",
    )
    layers: Annotated[tuple[Annotated[int, Field(ge=1, le=12)], ...], Strict(False)] = Field(
        default=(1, 2), min_length=1, json_schema_extra=FEW, description="Numbers of layers to compare."
    )
    inner_sizes: Annotated[tuple[Annotated[int, Field(ge=1, le=8192)], ...], Strict(False)] | None = Field(
        default=None,
        min_length=1,
        json_schema_extra=FEW,
        description="Inner sizes to compare. Default: `learner.inner_size` of the job.",
    )
    embedding_sizes: Annotated[tuple[Annotated[int, Field(ge=2, le=1024)], ...], Strict(False)] | None = (
        Field(
            default=None,
            min_length=1,
            json_schema_extra=FEW,
            description="Widths of the item embedding to compare. Default: that of the job. A learner with another "
            "width learns its own item embedding from scratch.",
        )
    )
    seeds: int = Field(
        default=1,
        ge=1,
        le=50,
        description="Number of fresh learners per configuration, on the summary and on the log each.",
    )

    @property
    def trainings(self) -> int:
        """Number of learners that are trained."""
        lists = (self.learners, self.layers, self.inner_sizes, self.embedding_sizes)
        return 2 * self.seeds * prod(len(values) for values in lists if values is not None)


class EvaluationSpec(Config):
    """The spec of an evaluation: what is trained, how often, and how it is scored. Every field has a default."""

    learners: Annotated[tuple[LearnerKind, ...], Strict(False)] = Field(
        default=("sasrec",),
        min_length=1,
        json_schema_extra=FEW,
        description="Architectures of the learners that are trained on every source.",
    )
    seeds: int = Field(
        default=3,
        ge=1,
        le=50,
        description="Number of fresh learners per source. At least 2 are needed for "
        "confidence intervals; more make them narrower and take more time.",
    )
    seed: int = Field(default=0, ge=0, lt=2**31, description="First seed; learner i uses `seed` + i.")
    sources: Annotated[
        tuple[_SourceName, ...],
        Strict(False),
        BeforeValidator(
            _all_or_given,
            json_schema_input_type=Literal["all"] | Annotated[tuple[_SourceName, ...], Strict(False)],
        ),
    ] = Field(
        default=tuple(source.name for source in SOURCES if source.in_evaluations),
        min_length=1,
        json_schema_extra=FEW,
        description="What the learners are trained on; `all` is every source there is. Those that need the teacher "
        "are left out of evaluations of archives that have none. `recovery` needs `summary` and `full`, and "
        "`lift_recovery` also `floor`. "
        + " ".join(f"`{source.name}`: {source.description}" for source in SOURCES),
    )
    own_embedding_size: int = Field(
        default=64,
        ge=2,
        le=1024,
        description="Width of the item embedding of `full_own_embedding` and `summary_own_embedding`.",
    )
    trend: TrendConfig | None = Field(
        default=None,
        description="Also measure how well the summary ranks learner configurations, by training each of them on the "
        "summary and on the log. Null: do not, which saves much time.",
    )
    worth: bool = Field(
        default=False,
        description="Also measure how many real users with the teacher's labels the summary is worth, of `summary` "
        "(`summary_untaught` for learners of another kind than the job's) and of `summary_own_embedding`, as far as "
        "`sources` has them. Learners are trained on as many users as the summary has rows, on twice as many, and so "
        "on, until they are as good or there are no more, which can take longer than all else.",
    )
    protocol: Literal["full", "uni100"] = Field(
        default="full",
        description="`full`: rank the held-out item among all items. `uni100`: rank it among 100 unseen items, sampled "
        "uniformly; only for comparison with publications that do this.",
    )
    cutoffs: Annotated[tuple[Annotated[int, Field(ge=1, le=1000)], ...], Strict(False)] = Field(
        default=(5, 10, 20),
        min_length=1,
        json_schema_extra=FEW,
        description="Cut-offs k of HR@k, NDCG@k and MRR@k.",
    )
    exclude_seen: bool | None = Field(
        default=None,
        description="Rank only among items that are not in the user's history; used only with the `full` protocol. "
        "Default: `data.exclude_seen` of the job.",
    )
    split: Literal["test", "valid"] = Field(
        default="test",
        description="Which held-out interaction is predicted. Use `valid` while you tune, and "
        "`test` for final results.",
    )
    steps: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="Number of training steps on the summary and on real users. Default: `inner.steps` of the job. "
        "Students of another learner take a fixed number of steps instead.",
    )

    @property
    def trainings(self) -> int:
        """Number of learners that are trained at most, without those that `worth` needs."""
        of_sources = len(self.learners) * len(self.sources) * self.seeds
        return of_sources + (0 if self.trend is None else self.trend.trainings)

    @model_validator(mode="after")
    def _worth_is_of_a_summary(self) -> Self:
        summaries = [source.name for source in SOURCES if source.role == "summary" and source.steps is None]
        if self.worth and not set(summaries) & set(self.sources):
            raise FieldError(
                self.worth, field="worth", reason=f"needs one of the sources {', '.join(summaries)}"
            )
        return self
