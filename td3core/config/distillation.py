"""Configuration of the summary, the inner loop, the outer loop and early stopping."""

from math import ceil
from typing import Literal, Self

from pydantic import Field, model_validator

from td3core.config.base import Config
from td3core.config.faults import FieldError

Precision = Literal["float32", "bfloat16"]
Compilation = Literal["auto", "always", "never"]
InnerTargets = Literal["summary", "teacher", "mixed"]
SummaryKind = Literal["tucker", "farzi"]
SummaryStart = Literal["rollouts", "noise"]
SummaryPrecision = Literal["float32", "float16", "int8"]
_SHORT_LIFE, _LONG_LIFE, _FEW_ITEMS = 20, 60, 2048
_GPU_LEARNERS = 8  # on an H200 they take about a half more time than one


class SummaryConfig(Config):
    """Kind and size of the synthetic sequence summary."""

    kind: SummaryKind = Field(
        default="tucker",
        description="Factorisation of the summary. `tucker`: a core tensor with user, time and item factors (TD3). "
        "`farzi`: latent sequences and a decoder with one row per item; its size grows with the catalogue.",
    )
    users: int = Field(
        default=60,
        ge=1,
        le=10_000,
        description="Number of synthetic users (mu). More users cost size and time, and can raise recovery.",
    )
    length: int = Field(
        default=50,
        ge=2,
        le=2048,
        description="Number of steps in each synthetic sequence (zeta); at most `learner.max_length`.",
    )
    rank_users: int | None = Field(
        default=None,
        ge=1,
        description="Number of columns of the user factor U (d1), for `kind: tucker` only; at most `users`. Default: "
        "min(users, 32).",
    )
    rank_time: int | None = Field(
        default=None,
        ge=1,
        description="Number of columns of the time factor T (d2), for `kind: tucker` only; at most `length`. Default: "
        "min(length, 32).",
    )
    rank: int | None = Field(
        default=None,
        ge=1,
        le=1024,
        description="Width of the latent sequences and of the decoder (d), for `kind: farzi` only. Default: 32.",
    )
    temperature: float | None = Field(
        default=None,
        gt=0,
        le=100,
        description="Divisor of the logits before the softmax (tau), for `kind: farzi` only. Default: 1.",
    )
    start: SummaryStart | None = Field(
        default=None,
        description="What the factors are before the first outer step. `rollouts`: sequences that the teacher "
        "samples, as far as the ranks allow, for `kind: tucker` only; `noise`: random numbers, as in the TD3 paper. "
        "Default: `rollouts` for `kind: tucker` if the log has more than 2,048 items, `noise` otherwise.",
    )
    precision: SummaryPrecision = Field(
        default="int8",
        description="How the artefact stores its tensors: as 32-bit or 16-bit floats, or as 8-bit integers with a "
        "scale for each row. The summary is rounded before it is validated, so that its figures are those of what is "
        "stored.",
    )

    @property
    def d1(self) -> int:
        """Number of columns of the user factor U."""
        return self.rank_users or min(self.users, 32)

    @property
    def d2(self) -> int:
        """Number of columns of the time factor T."""
        return self.rank_time or min(self.length, 32)

    @property
    def d(self) -> int:
        """Width of the latent sequences and of the decoder."""
        return self.rank or 32

    @property
    def tau(self) -> float:
        """Divisor of the logits before the softmax."""
        return self.temperature or 1.0

    def settled(self, *, items: int) -> Self:
        """Return the same with what the factors of a log of so many items start as by default."""
        default = "noise" if items <= _FEW_ITEMS or self.kind != "tucker" else "rollouts"
        return self.model_copy(update={"start": self.start or default})

    @property
    def starts_with(self) -> SummaryStart:
        """What the factors are before the first outer step: `start`, or before it is settled that of a small log."""
        return self.start or "noise"

    @model_validator(mode="after")
    def _fields_are_of_the_kind(self) -> Self:
        for kind, names in (("tucker", ("rank_users", "rank_time")), ("farzi", ("rank", "temperature"))):
            for name in names:
                value = getattr(self, name)
                if kind != self.kind and value is not None:
                    raise FieldError(value, field=name, reason=f"needs kind {kind}, but kind is {self.kind}")
        if self.start == "rollouts" and self.kind != "tucker":
            raise FieldError(self.start, field="start", reason=f"needs kind tucker, but kind is {self.kind}")
        return self

    @model_validator(mode="after")
    def _ranks_fit(self) -> Self:
        for name, rank, bound_name, bound in (
            ("rank_users", self.d1, "users", self.users),
            ("rank_time", self.d2, "length", self.length),
        ):
            if rank > bound:
                raise FieldError(
                    rank, field=name, reason=f"is too large: at most {bound_name} = {bound} is allowed"
                )
        return self


class InnerConfig(Config):
    """The inner loop: training learners on the summary."""

    steps: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="Number of training steps that each learner takes on the summary, in the inner loop and, by "
        "default, later. Default: 20, or 60 if the log has more than 2,048 items. More steps serve larger catalogues "
        "better; outer steps and trainings on the summary take longer.",
    )
    window: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="Number of consecutive inner steps that one outer step differentiates through (the truncation "
        "window of RaT-BPTT). Default: all `steps`, or if there are more than 30, equal parts of at most 30. With "
        "`warm_up: pool`, the last window of a learner may extend beyond `steps`.",
    )
    optimizer: Literal["adam", "sgd"] = Field(
        default="adam", description="Optimizer of the inner-loop learners."
    )
    lr: float = Field(
        default=2e-2,
        gt=0,
        le=10,
        description="Initial learning rate of the inner-loop learners. Lower it if a run diverges.",
    )
    momentum: float = Field(default=0.9, ge=0, lt=1, description="Momentum; used only with `optimizer: sgd`.")
    weight_decay: float = Field(
        default=5e-5, ge=0, le=1, description="Weight decay of the inner-loop learners."
    )
    schedule: Literal["cosine", "constant"] = Field(
        default="cosine",
        description="Learning rate schedule over a learner's `steps`: `cosine` decays to a fiftieth of `lr`, "
        "`constant` stays at `lr`.",
    )
    learn_lr: bool = Field(
        default=False,
        description="Also learn a factor that multiplies the inner learning rate; it is stored in the artefact and "
        "used whenever a learner is trained on the summary.",
    )
    batch_users: int | None = Field(
        default=None,
        ge=1,
        description="Batch size of an inner step, in synthetic users. Default: all of them, but at most 32.",
    )
    supervision: Literal["all", "paper"] = Field(
        default="all",
        description="Positions of a synthetic sequence that give training targets. `all`: every position, subject to "
        "`positions`; `paper`: the last one and one random one, as in the TD3 paper.",
    )
    targets: InnerTargets = Field(
        default="teacher",
        description="What learners are to predict at a step of the summary. `teacher`: what the teacher predicts "
        "there, which takes fewer outer steps; `summary`: the distribution of the step, as in the TD3 paper; `mixed`: "
        "the mean of both.",
    )
    positions: int | None = Field(
        default=16,
        ge=1,
        description="Number of random positions per sequence that are supervised in each inner step; used only with "
        "`supervision: all`. Null: all positions, which is slower.",
    )
    warm_up: Literal["pool", "rat", "fixed"] = Field(
        default="pool",
        description="How a learner is brought to the start of the differentiated window. `pool`: learners are kept "
        "from one outer step to the next and continue where they stopped. `rat`: a fresh learner first takes a "
        "random number of undifferentiated steps (RaT-BPTT). `fixed`: it first takes all steps before the last "
        "window. No warm-up is needed, and all three are full back-propagation, if `window` equals `steps`.",
    )
    initial: Literal["random", "trajectory", "mixed"] = Field(
        default="random",
        description="Initial weights of inner-loop learners. `random`: fresh weights; `trajectory`: the teacher's "
        "weights after a random epoch; `mixed`: one or the other with equal probability.",
    )
    pool_size: int = Field(
        default=8, ge=1, le=256, description="Number of learners in the pool; used only with `warm_up: pool`."
    )
    learners: int | None = Field(
        default=None,
        ge=1,
        le=64,
        description="Number of learners whose hypergradients are averaged in an outer step. More learners give "
        "less noise and take more time. Default: 1 on a CPU; 8 on a GPU, which a single learner leaves idle, or "
        "`pool_size` if that is fewer and `warm_up` is `pool`.",
    )
    precision: Precision = Field(
        default="float32",
        description="Precision of the learner's matrix products. `bfloat16` uses autocast and is for GPUs that "
        "support it; weights, optimizer state and losses stay in float32.",
    )
    compile: Compilation = Field(
        default="auto",
        description="Compile the differentiated steps with torch.compile, which makes them up to three times "
        "faster. It needs a C++ compiler and takes about half a minute the first time on a machine, and seconds "
        "after that. `auto`: on a CPU, compile if the run is long enough to benefit, and continue uncompiled if "
        "compilation fails; on a GPU, record the steps as a CUDA graph in place of compiling them. `always`: compile, "
        "and record on a GPU; the run fails if compilation does. `never`: neither.",
    )

    def settled(self, *, items: int) -> Self:
        """Return the same with the number of steps that a log of so many items takes by default."""
        default = _SHORT_LIFE if items <= _FEW_ITEMS else _LONG_LIFE
        return self.model_copy(update={"steps": self.steps or default})

    @property
    def life(self) -> int:
        """Number of steps that a learner takes: `steps`, or before it is settled those of a small log."""
        return self.steps or _SHORT_LIFE

    @property
    def differentiated(self) -> int:
        """Number of differentiated steps: `window`, or the size that divides a life into equal parts of at most 30."""
        return self.window or ceil(self.life / ceil(self.life / 30))

    def learners_on(self, device: str) -> int:
        """Number of learners of an outer step, given the type of its device."""
        if self.learners is not None:
            return self.learners
        if device == "cpu":
            return 1
        return min(_GPU_LEARNERS, self.pool_size) if self.warm_up == "pool" else _GPU_LEARNERS

    def batch_of(self, users: int) -> int:
        """Batch size of an inner step, given the number of synthetic users."""
        return min(users, self.batch_users or 32)

    @model_validator(mode="after")
    def _window_fits(self) -> Self:
        if self.differentiated > self.life:
            raise FieldError(self.window, field="window", reason=f"is longer than steps = {self.life}")
        if self.warm_up == "pool" and self.learners_on("cpu") > self.pool_size:
            raise FieldError(
                self.learners, field="learners", reason=f"is more than pool_size = {self.pool_size}"
            )
        return self


class OuterConfig(Config):
    """The outer loop: updating the factors of the summary with the hypergradient."""

    steps: int = Field(
        default=100,
        ge=1,
        le=100_000,
        description="Number of outer steps. The time of a distillation grows in proportion; raise it while the "
        "validation score still improves.",
    )
    lr: float = Field(
        default=3e-2,
        gt=0,
        le=10,
        description="Initial learning rate of the factors; it decays to zero along a cosine. Lower it if a run "
        "diverges.",
    )
    weight_decay: float = Field(default=1e-4, ge=0, le=1, description="Weight decay of the factors.")
    clip: float = Field(
        default=0.1,
        gt=0,
        description="Maximum norm of the hypergradient; larger ones are scaled down. Almost all of them exceed the "
        "default, so that steps with very different norms have equal weight.",
    )
    batch_size: int = Field(
        default=2048,
        ge=1,
        le=1_048_576,
        description="Approximate number of real interactions whose prediction gives the outer loss of one step.",
    )
    candidates: int | None = Field(
        default=2048,
        ge=16,
        description="Approximate number of sampled items that stand for the catalogue in an outer step, if it has "
        "more. They are drawn anew in each step, popular ones with higher probability, and corrected for (logQ). "
        "Null: always use all items, so that the cost of a step grows with the catalogue.",
    )
    averaging: float = Field(
        default=0.9,
        ge=0,
        lt=1,
        description="Decay of the exponential moving average of the factors, which becomes the summary; 0 disables "
        "averaging.",
    )
    alignment: float = Field(
        default=3.0,
        ge=0,
        description="Weight of the alignment loss (lambda), which pulls the learners' features towards the "
        "teacher's; 0 disables it.",
    )
    alignment_at: Literal["all", "last"] = Field(
        default="all",
        description="Positions of a real sequence at which features are aligned: `all`, or only the `last` one as "
        "in the TD3 paper.",
    )
    validate_every: int = Field(
        default=25, ge=1, description="Number of outer steps between two validations of the summary."
    )
    validation_learners: int = Field(
        default=4,
        ge=1,
        le=32,
        description="Number of fresh learners that each validation trains and averages over.",
    )


class StopConfig(Config):
    """Conditions that end the outer loop before its last step. The result is the best summary so far."""

    recovery: float | None = Field(
        default=None,
        gt=0,
        description="Stop when the summary's validation NDCG@10 reaches this fraction of the teacher's, such as 0.95. "
        "Null: do not stop early for this reason.",
    )
    seconds: float | None = Field(
        default=None,
        gt=0,
        description="Time budget of the run in seconds, including reading the log and training the teacher; the "
        "outer learning rate reaches zero at its end. If the teacher alone takes this long, the run fails with "
        "`out_of_time`. Null: no limit.",
    )
