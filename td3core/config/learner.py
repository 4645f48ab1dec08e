"""Learners, and how they are trained on a log and on a summary."""

from math import gcd
from typing import Literal, Self

from pydantic import Field, model_validator

from td3core.config.base import Config

LearnerKind = Literal["sasrec", "gru4rec", "narm", "bert4rec"]


class LearnerConfig(Config):
    """The recommender that is trained: the teacher, the inner learner and, by default, the evaluated one."""

    kind: LearnerKind = "sasrec"
    embedding_size: int = Field(default=32, ge=2, le=1024, description="Width d3 of the item embedding.")
    layers: int = Field(default=1, ge=1, le=12, description="Transformer blocks, or recurrent layers.")
    heads: int = Field(
        default=1, ge=1, le=16, description="Attention heads of SASRec and BERT4Rec; the others have none."
    )
    inner_size: int = Field(
        default=64,
        ge=1,
        le=8192,
        description="Width of the feed-forward layer (SASRec, BERT4Rec) or of the state (GRU4Rec, NARM).",
    )
    max_length: int = Field(
        default=50,
        ge=2,
        le=2048,
        description="How many of the latest interactions it sees; BERT4Rec one less, for the step it predicts.",
    )
    dropout: float = Field(default=0.2, ge=0.0, lt=1.0, description="On real logs only; never on a summary.")

    def of_width(self, embedding_size: int) -> Self:
        """Return the same learner with another embedding size, and as many of its heads as divide that."""
        heads = gcd(self.heads, embedding_size)
        return self.model_copy(update={"embedding_size": embedding_size, "heads": heads})

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        if self.embedding_size % self.heads:
            raise ValueError(f"embedding_size {self.embedding_size} is not a multiple of heads {self.heads}")
        return self


class TeacherConfig(Config):
    """Ordinary training on the real log: the teacher, its item embedding V, and the full-data ceiling."""

    max_epochs: int = Field(
        default=30, ge=1, le=10_000, description="Epochs over which the learning rate falls to zero (cosine)."
    )
    batch_size: int = Field(
        default=2048, ge=1, le=1_048_576, description="About how many interactions are predicted a step."
    )
    lr: float = Field(default=5e-3, gt=0, le=1)
    weight_decay: float = Field(default=0.0, ge=0, le=1)
    patience: int = Field(
        default=10, ge=1, le=1000, description="Validations without a better NDCG@10 before it stops."
    )


class StudentConfig(Config):
    """How a learner that the summary was not made for is trained on it: of another kind or embedding."""

    steps: int = Field(
        default=300,
        ge=1,
        le=100_000,
        description="Steps over which the learning rate falls to zero (cosine); BERT4Rec, which is asked for a fifth "
        "of the positions at a time, takes five times as many.",
    )
    lr: float = Field(default=5e-3, gt=0, le=1)
    batch_users: int | None = Field(
        default=None, ge=1, description="Synthetic users a step; left out: half of them, at least one."
    )
    inputs: Literal["drawn", "mixed"] = Field(
        default="drawn",
        description="`drawn`: reads items drawn anew from each step's distribution; `mixed`: the mixture itself.",
    )
    targets: Literal["labelled", "summary"] = Field(
        default="labelled",
        description="`labelled`: what a learner on the shared item factor, trained on the summary, predicts at the "
        "same inputs; `summary`: the summary's own distributions.",
    )
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)

    def batch_of(self, users: int) -> int:
        """Synthetic users a step, of so many."""
        return min(users, self.batch_users or max(1, users // 2))
