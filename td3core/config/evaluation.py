"""Everything that an evaluation can be told."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, Strict

from td3core.config.base import Config
from td3core.config.learner import LearnerKind
from td3core.config.sources import NAME_SINCE, SOURCES, EvaluationSource


class CertificateConfig(Config):
    """What the artefact says of the summary's worth, beside full training, floor and real users."""

    learners: int = Field(
        default=3,
        ge=0,
        le=50,
        description="Fresh learners a source, scored on the validation items; 0: no certificate.",
    )


def _named_now(name: object) -> object:
    """Tell the new name of a source; results have that, so what reads them has to know it before they are there."""
    if isinstance(name, str) and name in NAME_SINCE:
        raise ValueError(f"the source {name!r} is now called {NAME_SINCE[name]!r}")
    return name


class TrendConfig(Config):
    """Learner configurations to put in order, by training on the summary and by training on the log.

    They are every combination of the four lists.
    """

    learners: Annotated[tuple[LearnerKind, ...], Strict(False)] = Field(
        default=("sasrec", "gru4rec", "narm", "bert4rec"),
        min_length=1,
        description="Kinds of learners.",
    )
    layers: Annotated[tuple[Annotated[int, Field(ge=1, le=12)], ...], Strict(False)] = Field(
        default=(1, 2), min_length=1, description="Depths."
    )
    inner_sizes: Annotated[tuple[Annotated[int, Field(ge=1, le=8192)], ...], Strict(False)] | None = Field(
        default=None, min_length=1, description="Widths; left out: the job's `learner.inner_size`."
    )
    embedding_sizes: Annotated[tuple[Annotated[int, Field(ge=2, le=1024)], ...], Strict(False)] | None = (
        Field(
            default=None,
            min_length=1,
            description="Widths of the item embedding; left out: the job's. Learners of another width than the job's "
            "have an item embedding of their own, learned from nothing.",
        )
    )
    seeds: int = Field(default=1, ge=1, le=50, description="Fresh learners a configuration and source.")


class EvaluationSpec(Config):
    """What an evaluation trains, how often, and how it ranks."""

    learners: Annotated[tuple[LearnerKind, ...], Strict(False)] = Field(
        default=("sasrec",), min_length=1, description="Learners trained afresh on every source."
    )
    seeds: int = Field(
        default=3, ge=1, le=50, description="Fresh learners a source; their spread is reported."
    )
    seed: int = Field(default=0, ge=0, lt=2**31, description="First of the seeds.")
    sources: Annotated[
        tuple[Annotated[EvaluationSource, BeforeValidator(_named_now)], ...], Strict(False)
    ] = Field(
        default=tuple(source.name for source in SOURCES if source.in_evaluations),
        min_length=1,
        description="What the learners are trained on. `recovery` needs `summary` and `full`, `lift_recovery` "
        "`floor` too. " + " ".join(f"`{source.name}`: {source.description}" for source in SOURCES),
    )
    own_embedding_size: int = Field(
        default=64,
        ge=2,
        le=1024,
        description="Width of the item embedding of `full_own_embedding` and `summary_own_embedding`.",
    )
    trend: TrendConfig | None = Field(
        default=None,
        description="Also tell how far the summary puts learner configurations in the order that the log does; "
        "trains each of them on both.",
    )
    protocol: Literal["full", "uni100"] = Field(
        default="full",
        description="Rank the target among all items, or among 100 drawn uniformly from the unseen ones.",
    )
    cutoffs: Annotated[tuple[Annotated[int, Field(ge=1, le=1000)], ...], Strict(False)] = Field(
        default=(5, 10, 20), min_length=1, description="The k of HR@k, NDCG@k and MRR@k."
    )
    exclude_seen: bool | None = Field(
        default=None,
        description="As `data.exclude_seen` of the job, which it takes when left out (full protocol).",
    )
    split: Literal["test", "valid"] = Field(
        default="test", description="Which held-out interaction is predicted."
    )
    steps: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="Training steps on the summary and on the subsets; left out: the job's `inner.steps`. Taught "
        "learners take a number of their own.",
    )
