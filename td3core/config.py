"""What a job can ask for: frozen, torch-free models that hold the schema and the only defaults."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, Strict, model_validator


class Config(BaseModel):
    """Unknown fields are refused, types are not coerced, values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


LogFormat = Literal["auto", "csv", "tsv", "jsonl", "parquet", "inter"]
LearnerKind = Literal["sasrec", "gru4rec", "narm", "bert4rec"]
Precision = Literal["float32", "bfloat16"]
SummaryKind = Literal["tucker", "farzi"]


class ColumnsConfig(Config):
    """Names of the log's columns; a name left out is guessed from the usual ones (`user_id`, ...)."""

    user: str | None = Field(default=None, min_length=1, description="Column that identifies the user.")
    item: str | None = Field(default=None, min_length=1, description="Column that identifies the item.")
    timestamp: str | None = Field(
        default=None,
        min_length=1,
        description="Column to order by; without one the order of the file counts.",
    )
    rating: str | None = Field(
        default=None, min_length=1, description="Column that `min_rating` is compared with."
    )


class DataConfig(Config):
    """How the log is read and which interactions are kept."""

    format: LogFormat = Field(
        default="auto", description="`auto` goes by the file's name, then by its first bytes."
    )
    columns: ColumnsConfig = ColumnsConfig()
    min_rating: float | None = Field(default=None, description="Drop interactions rated lower than this.")
    min_user_interactions: int = Field(
        default=5,
        ge=3,
        le=1000,
        description="Users with fewer interactions are dropped; 3 is what leave-last-out needs.",
    )
    min_item_interactions: int = Field(
        default=5, ge=1, le=1000, description="Items with fewer interactions are dropped."
    )
    core_filter: Literal["single", "iterated"] = Field(
        default="single",
        description="Apply the two minima once to the whole log, or until nothing changes (k-core).",
    )
    exclude_seen: bool = Field(
        default=True,
        description="Rank a held-out item among the items not in its user's history; false: all.",
    )


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

    steps: int = Field(default=60, ge=1, le=10_000, description="Steps of a learner's life.")
    window: int = Field(default=30, ge=1, le=1000, description="Differentiated steps (RaT-BPTT window).")
    optimizer: Literal["adam", "sgd"] = "adam"
    lr: float = Field(default=1e-2, gt=0, le=10)
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
        default=None, ge=1, description="Synthetic users a step; left out: half of them, at least one."
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
        "undifferentiated steps, `fixed` all but the window's; with either, `window` = `steps` is the full "
        "back-propagation. `pool` keeps learners alive from one outer step to the next.",
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

    def batch_of(self, users: int) -> int:
        """Synthetic users a step, of so many."""
        return min(users, self.batch_users or max(1, users // 2))

    @model_validator(mode="after")
    def _window_fits(self) -> Self:
        if self.window > self.steps:
            raise ValueError(f"window {self.window} is longer than the inner loop of {self.steps} steps")
        if self.warm_up == "pool" and self.learners > self.pool_size:
            raise ValueError(f"learners {self.learners} is more than the pool_size of {self.pool_size}")
        return self


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


class OuterConfig(Config):
    """The outer loop: the summary's factors move along the hypergradient."""

    steps: int = Field(default=300, ge=1, le=100_000)
    lr: float = Field(default=3e-2, gt=0, le=10)
    weight_decay: float = Field(default=1e-4, ge=0, le=1)
    clip: float = Field(
        default=0.1,
        gt=0,
        description="Largest gradient norm. Hardly a gradient is smaller than the default: that of a young "
        "learner is many times that of an old one, and all are to count alike.",
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
        description="So long after the run began, teacher included; the learning rate falls accordingly.",
    )


class CertificateConfig(Config):
    """What the artefact says of the summary's worth, beside full training, floor and real users."""

    learners: int = Field(
        default=3,
        ge=0,
        le=50,
        description="Fresh learners a source, scored on the validation items; 0: no certificate.",
    )


class JobSpec(Config):
    """Everything a distillation job can be told; every field has a default."""

    seed: int = Field(default=0, ge=0, lt=2**63)
    data: DataConfig = DataConfig()
    learner: LearnerConfig = LearnerConfig()
    teacher: TeacherConfig = TeacherConfig()
    summary: SummaryConfig = SummaryConfig()
    inner: InnerConfig = InnerConfig()
    outer: OuterConfig = OuterConfig()
    stop: StopConfig = StopConfig()
    certificate: CertificateConfig = CertificateConfig()

    @model_validator(mode="after")
    def _learner_sees_whole_sequence(self) -> Self:
        if self.summary.length > self.learner.max_length:
            raise ValueError(
                f"summary.length {self.summary.length} exceeds learner.max_length {self.learner.max_length}"
            )
        return self


SamplingMethod = Literal["ancestral", "independent"]


class SamplingConfig(Config):
    """How discrete sequences are drawn from a summary."""

    method: SamplingMethod = Field(
        default="ancestral",
        description="`ancestral`: each item as a learner that was trained on the summary predicts after those before "
        "it; `independent`: each step from its own distribution.",
    )
    length: int | None = Field(
        default=None,
        ge=2,
        le=2048,
        description="Items of a sequence; left out: half the steps of the summary (ancestral), or all of them "
        "(independent).",
    )
    temperature: float | None = Field(
        default=None,
        gt=0,
        le=100,
        description="What the logits are divided by, below 1 sharpens; left out: 0.6 (ancestral) or 1 (independent).",
    )
    first_temperature: float = Field(
        default=1.0, gt=0, le=100, description="The same for the first item (ancestral)."
    )
    learners: int = Field(
        default=4, ge=1, le=64, description="Learners that share the sequences among them (ancestral)."
    )
    distinct: bool = Field(default=True, description="No item comes twice in a sequence.")

    @property
    def divisor(self) -> float:
        """What the logits are divided by."""
        return self.temperature or (0.6 if self.method == "ancestral" else 1.0)


EvaluationSource = Literal[
    "full",
    "summary",
    "summary_untaught",
    "floor",
    "random",
    "longest",
    "coreset",
    "random_stopped",
    "longest_stopped",
    "coreset_stopped",
    "farzi",
    "own_full",
    "own_soft",
    "popularity",
]


class TrendConfig(Config):
    """Learner configurations to put in order, by training on the summary and by training on the log."""

    learners: Annotated[tuple[LearnerKind, ...], Strict(False)] = Field(
        default=("sasrec", "gru4rec", "narm", "bert4rec"),
        min_length=1,
        description="Kinds of learners, each with every one of `layers` and `inner_sizes`.",
    )
    layers: Annotated[tuple[Annotated[int, Field(ge=1, le=12)], ...], Strict(False)] = Field(
        default=(1, 2), min_length=1, description="Depths."
    )
    inner_sizes: Annotated[tuple[Annotated[int, Field(ge=1, le=8192)], ...], Strict(False)] | None = Field(
        default=None, min_length=1, description="Widths; left out: the job's `learner.inner_size`."
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
    sources: Annotated[tuple[EvaluationSource, ...], Strict(False)] = Field(
        default=(
            "full",
            "summary",
            "floor",
            "random",
            "longest",
            "coreset",
            "random_stopped",
            "coreset_stopped",
            "popularity",
        ),
        min_length=1,
        description="What the learners are trained on. `recovery` needs `full`, `lift_recovery` `floor` too. `farzi` "
        "distils another summary first, which takes as long as the job. `own_full` and `own_soft` are `full` and "
        "`summary` for learners with an item embedding of their own, trained from nothing. Learners of another kind "
        "than the job's are taught by one of the job's; `summary_untaught` shows them without.",
    )
    own_embedding_size: int = Field(
        default=64, ge=2, le=1024, description="Width of the item embedding of `own_full` and `own_soft`."
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
        description="Training steps on the summary and on the subsets; left out: the job's `inner.steps`.",
    )
