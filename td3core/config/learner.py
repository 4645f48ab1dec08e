"""Configuration of learners, and of their training on a log and on a summary."""

from math import gcd
from typing import Literal, Self

from pydantic import Field, model_validator

from td3core.config.base import Config
from td3core.config.faults import FieldError

_CHEAP_SCORES = 500_000_000  # of a training's epoch
LearnerKind = Literal["sasrec", "gru4rec", "narm", "bert4rec"]


class LearnerConfig(Config):
    """Architecture of the recommender: of the teacher, of the inner-loop learners and, by default, of evaluations."""

    kind: LearnerKind = Field(default="sasrec", description="Architecture of the learner.")
    embedding_size: int = Field(default=32, ge=2, le=1024, description="Width of the item embedding (d3).")
    layers: int = Field(
        default=1, ge=1, le=12, description="Number of Transformer blocks or recurrent layers."
    )
    heads: int = Field(
        default=1,
        ge=1,
        le=16,
        description="Number of attention heads of SASRec and BERT4Rec; must divide `embedding_size`. GRU4Rec and "
        "NARM ignore it.",
    )
    inner_size: int = Field(
        default=64,
        ge=1,
        le=8192,
        description="Width of the feed-forward layer (SASRec, BERT4Rec) or of the hidden state (GRU4Rec, NARM).",
    )
    max_length: int = Field(
        default=50,
        ge=2,
        le=2048,
        description="Maximum number of latest interactions of a user that the learner reads (BERT4Rec: one less, for "
        "the mask token). Raise it if long histories matter; attention takes quadratic time.",
    )
    dropout: float = Field(
        default=0.2,
        ge=0.0,
        lt=1.0,
        description="Dropout rate of training on the real log. Training on a summary does not use it.",
    )

    def of_width(self, embedding_size: int) -> Self:
        """Return this config with another embedding size; the number of heads becomes the greatest common divisor."""
        heads = gcd(self.heads, embedding_size)
        return self.model_copy(update={"embedding_size": embedding_size, "heads": heads})

    @model_validator(mode="after")
    def _heads_divide_width(self) -> Self:
        if self.embedding_size % self.heads:
            raise FieldError(
                self.embedding_size,
                field="embedding_size",
                reason=f"is not a multiple of heads = {self.heads}",
            )
        return self


class TeacherConfig(Config):
    """Training on the real log: the teacher with its item embedding V, and the full-data ceiling of evaluations."""

    members: int | None = Field(
        default=None,
        ge=1,
        le=16,
        description="Number of trainings whose ensemble the teacher takes over, on sequences that they make up. One "
        "training is a matter of luck, above all on small logs; each member takes the time of a training. 1: the "
        "teacher is a single training, as the full-data ceiling of evaluations always is. Default: 3 where a training "
        "is cheap, its interactions times its items being at most 5e8, and 1 otherwise.",
    )
    max_epochs: int = Field(
        default=30,
        ge=1,
        le=10_000,
        description="Maximum number of epochs; the learning rate decays to zero over them along a cosine.",
    )
    batch_size: int = Field(
        default=2048,
        ge=1,
        le=1_048_576,
        description="Approximate number of interactions predicted in one step.",
    )
    lr: float = Field(
        default=5e-3, gt=0, le=1, description="Peak learning rate. Lower it if the training diverges."
    )
    scale_lr: bool = Field(
        default=True,
        description="Multiply `lr` by sqrt(64 / (`embedding_size` * `layers`)) for learners that are wider or deeper "
        "than that: large learners may learn nothing at the rate of small ones.",
    )
    warm_up: float = Field(
        default=2.0,
        ge=0,
        le=100,
        description="Epochs over which the learning rate rises to `lr`. Without it, deep and wide learners may learn "
        "nothing.",
    )
    weight_decay: float = Field(default=0.0, ge=0, le=1, description="Weight decay.")
    patience: int = Field(
        default=10,
        ge=1,
        le=1000,
        description="Stop after this many epochs without a better validation NDCG@10.",
    )

    def members_of(self, *, interactions: int, items: int) -> int:
        """Number of members for a training split of this size."""
        return self.members or (3 if interactions * items <= _CHEAP_SCORES else 1)


class StudentConfig(Config):
    """Training on a summary of a learner that it was not distilled for: of another kind, or with its own embedding."""

    steps: int = Field(
        default=300,
        ge=1,
        le=100_000,
        description="Number of training steps; the learning rate decays to zero over them along a cosine. BERT4Rec "
        "takes five times as many, because each of its steps predicts only a fifth of the positions.",
    )
    lr: float = Field(default=5e-3, gt=0, le=1, description="Initial learning rate.")
    batch_users: int | None = Field(
        default=None,
        ge=1,
        description="Batch size of a step, in synthetic users. Default: half of them, at least one.",
    )
    inputs: Literal["drawn", "mixed"] = Field(
        default="drawn",
        description="Inputs of the student. `drawn`: items sampled from the distribution of each step; `mixed`: "
        "the expected embedding under that distribution.",
    )
    targets: Literal["labelled", "summary"] = Field(
        default="labelled",
        description="Targets of the student. `labelled`: what the teacher predicts for the same inputs (in "
        "archives without a teacher: a learner that was trained on the summary); `summary`: the distributions in "
        "the summary.",
    )
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0, description="Dropout rate of the student.")

    def batch_of(self, users: int) -> int:
        """Batch size of a step, given the number of synthetic users."""
        return min(users, self.batch_users or max(1, users // 2))
