"""The summary, the inner and the outer loop."""

from math import ceil
from typing import Literal, Self

from pydantic import Field, model_validator

from td3core.config.base import Config

Precision = Literal["float32", "bfloat16"]
Compilation = Literal["auto", "always", "never"]
SummaryKind = Literal["tucker", "farzi"]


class SummaryConfig(Config):
    """Kind and size of the synthetic sequence summary."""

    kind: SummaryKind = Field(
        default="tucker",
        description="`tucker`: a product of three small factors with the item factor (TD3); `farzi`: a table of latent "
        "sequences and a decoder with a row for each item.",
    )
    users: int = Field(default=60, ge=1, le=10_000, description="Synthetic users, mu.")
    length: int = Field(default=50, ge=2, le=2048, description="Steps of each synthetic sequence, zeta.")
    rank_users: int | None = Field(
        default=None,
        ge=1,
        description="`tucker`: width d1 of the user factor U, at most `users`; left out: min(users, 32).",
    )
    rank_time: int | None = Field(
        default=None,
        ge=1,
        description="`tucker`: width d2 of the time factor T, at most `length`; left out: min(length, 32).",
    )
    rank: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        description="`farzi`: width d of latents and decoder; left out: 32.",
    )
    temperature: float | None = Field(
        default=None, gt=0, le=100, description="`farzi`: what its logits are divided by, tau; left out: 1."
    )

    @property
    def d1(self) -> int:
        """Width of U."""
        return self.rank_users or min(self.users, 32)

    @property
    def d2(self) -> int:
        """Width of T."""
        return self.rank_time or min(self.length, 32)

    @property
    def d(self) -> int:
        """Width of latents and decoder."""
        return self.rank or 32

    @property
    def tau(self) -> float:
        """What the logits are divided by."""
        return self.temperature or 1.0

    @model_validator(mode="after")
    def _fields_are_of_the_kind(self) -> Self:
        for kind, names in (("tucker", ("rank_users", "rank_time")), ("farzi", ("rank", "temperature"))):
            for name in names:
                if kind != self.kind and getattr(self, name) is not None:
                    raise ValueError(f"{name} is for a summary of kind {kind}, and this one is {self.kind}")
        return self

    @model_validator(mode="after")
    def _ranks_fit(self) -> Self:
        for name, rank, bound_name, bound in (
            ("rank_users", self.d1, "users", self.users),
            ("rank_time", self.d2, "length", self.length),
        ):
            if rank > bound:
                raise ValueError(
                    f"{name} {rank} is out of range: a factor has at most {bound_name} = {bound} columns"
                )
        return self


class InnerConfig(Config):
    """The inner loop: a fresh learner takes a few steps on the summary."""

    steps: int = Field(default=20, ge=1, le=10_000, description="Steps of a learner's life.")
    window: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="Differentiated steps (RaT-BPTT window); left out: the whole life, or equal parts of it of at most "
        "30 steps. With `warm_up: pool` a learner's last window may go beyond its life.",
    )
    optimizer: Literal["adam", "sgd"] = "adam"
    lr: float = Field(default=2e-2, gt=0, le=10)
    momentum: float = Field(default=0.9, ge=0, lt=1, description="Of `optimizer: sgd`.")
    weight_decay: float = Field(default=5e-5, ge=0, le=1)
    schedule: Literal["cosine", "constant"] = Field(
        default="cosine", description="How the learning rate goes over a learner's life."
    )
    learn_lr: bool = Field(
        default=False,
        description="Learn a factor on the learning rate beside the summary; it goes into the artefact.",
    )
    batch_users: int | None = Field(
        default=None, ge=1, description="Synthetic users a step; left out: all of them, at most 32."
    )
    supervision: Literal["all", "paper"] = Field(
        default="all",
        description="`paper`: the last and one random position of each sequence; `all`: every position.",
    )
    positions: int | None = Field(
        default=16,
        ge=1,
        description="With `supervision: all`, so many random positions a step, drawn anew; null: every one.",
    )
    warm_up: Literal["pool", "rat", "fixed"] = Field(
        default="pool",
        description="How a learner reaches the window: `rat` draws a fresh one and runs a random number of "
        "undifferentiated steps, `fixed` all but the window's; `pool` keeps learners alive from one outer step to the "
        "next. With `window` = `steps` they are the same: full back-propagation.",
    )
    initial: Literal["random", "trajectory", "mixed"] = Field(
        default="random",
        description="Where learners start: fresh, at an epoch of the teacher's training, or at either.",
    )
    pool_size: int = Field(default=8, ge=1, le=256, description="Learners kept alive with `warm_up: pool`.")
    learners: int = Field(default=1, ge=1, le=64, description="Learners unrolled at once in an outer step.")
    precision: Precision = Field(
        default="float32",
        description="`bfloat16`: the learner's products by autocast; everything else stays as it is.",
    )
    compile: Compilation = Field(
        default="auto",
        description="`always`: compile the differentiated steps, which makes them up to three times faster; it takes "
        "a C++ compiler, and half a minute the first time on a machine, seconds later. `auto`: if the run is long "
        "enough to gain by it, and as far as it can be done.",
    )

    @property
    def differentiated(self) -> int:
        """Steps of the window; of one that is left out, so many that windows fill the life."""
        return self.window or ceil(self.steps / ceil(self.steps / 30))

    def batch_of(self, users: int) -> int:
        """Synthetic users a step, of so many."""
        return min(users, self.batch_users or 32)

    @model_validator(mode="after")
    def _window_fits(self) -> Self:
        if self.differentiated > self.steps:
            raise ValueError(f"window {self.window} is longer than the inner loop of {self.steps} steps")
        if self.warm_up == "pool" and self.learners > self.pool_size:
            raise ValueError(f"learners {self.learners} is more than the pool_size of {self.pool_size}")
        return self


class OuterConfig(Config):
    """The outer loop: the summary's factors move along the hypergradient."""

    steps: int = Field(default=300, ge=1, le=100_000)
    lr: float = Field(default=3e-2, gt=0, le=10)
    weight_decay: float = Field(default=1e-4, ge=0, le=1)
    clip: float = Field(
        default=0.1,
        gt=0,
        description="Largest gradient norm. Hardly a gradient is smaller than the default: their norms differ many "
        "times over, and all are to count alike.",
    )
    batch_size: int = Field(
        default=2048,
        ge=1,
        le=1_048_576,
        description="About how many real interactions are predicted a step.",
    )
    candidates: int | None = Field(
        default=2048,
        ge=16,
        description="In a larger catalogue each outer step sees about so many items, drawn anew, the popular ones "
        "likelier, with the logQ correction; null: always all items.",
    )
    averaging: float = Field(
        default=0.9, ge=0, lt=1, description="Decay of the running mean of the factors; 0: the latest alone."
    )
    alignment: float = Field(
        default=3.0, ge=0, description="Weight lambda of the surrogate alignment objective."
    )
    alignment_at: Literal["all", "last"] = Field(
        default="all",
        description="Positions of a real sequence at which features are aligned; `last`: the paper's.",
    )
    validate_every: int = Field(
        default=25, ge=1, description="Outer steps between two validations of the summary."
    )
    validation_learners: int = Field(
        default=4, ge=1, le=32, description="Learners a validation averages over."
    )


class StopConfig(Config):
    """When the outer loop may end before its last step: the best summary so far is the result."""

    recovery: float | None = Field(
        default=None,
        gt=0,
        description="As soon as the summary's validation NDCG@10 is so much of the teacher's.",
    )
    seconds: float | None = Field(
        default=None,
        gt=0,
        description="So long after the run began, teacher included; the learning rate falls accordingly. If the "
        "teacher takes as long, there is no summary, and that is an error.",
    )
