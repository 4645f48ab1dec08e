"""The table of sources: everything that an evaluation can train learners on, in the order in which results list it."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Literal, cast

from td3core.config.learner import LearnerConfig

EvaluationSource = Literal[
    "full",
    "summary",
    "summary_untaught",
    "summary_long",
    "full_own_embedding",
    "summary_own_embedding",
    "floor",
    "farzi",
    "farzi_small",
    "coreset",
    "coreset_stopped",
    "random",
    "random_stopped",
    "longest",
    "longest_stopped",
    "random_labelled",
    "random_labelled_long",
    "random_labelled_own_embedding",
    "random_labelled_bytes",
    "random_labelled_bytes_long",
    "random_labelled_bytes_own_embedding",
    "sampled_labelled",
    "sampled_labelled_long",
    "sampled_labelled_own_embedding",
    "sampled_labelled_bytes",
    "sampled_labelled_bytes_long",
    "sampled_labelled_bytes_own_embedding",
    "tokens_labelled",
    "tokens_labelled_long",
    "tokens_labelled_own_embedding",
    "tokens_labelled_bytes",
    "tokens_labelled_bytes_long",
    "tokens_labelled_bytes_own_embedding",
    "teacher",
    "popularity",
]

Role = Literal["ceiling", "summary", "floor", "rival", "reference"]
"""A summary is set against its ceiling and its floor, and against each rival; a reference is only shown."""

TrainsOn = Literal[
    "log",
    "summary",
    "nothing",
    "farzi",
    "small_farzi",
    "coreset_users",
    "random_users",
    "longest_users",
    "sampled_sequences",
    "popular_tokens",
    "teacher",
    "item_counts",
]
"""What a source is made of; `td3core.evaluation.sequences` makes it."""

Budget = Literal["rows", "bytes"]
"""How many sequences a rival has: as many as the summary, or as many as fit into the bytes of the archive."""

Taught = Literal["never", "other learners", "always"]
"""Which learners are students of the teacher; without one in the archive, of a labeller that the summary trains."""

_TAUGHT_COST = 10.0


@dataclass(frozen=True, slots=True)
class Source:
    """One row of the table."""

    name: EvaluationSource
    role: Role
    trains_on: TrainsOn
    description: str
    taught: Taught = "never"
    own_embedding: bool = False
    """Whether learners have an item embedding of their own, of `own_embedding_size`."""
    labelled: bool = False
    """Whether learners are told what the teacher predicts at every step, in place of the next item."""
    budget: Budget = "rows"
    steps: int | None = None
    """Steps of a training; None: as many as on the summary."""
    lr: float | None = None
    """The rate at which these begin, falling along a cosine; None: as on the summary."""
    stopped: bool = False
    """Whether the weights are those of the best validation instead of the last step."""
    ceiling: EvaluationSource | None = None
    """Of a summary: what its recovery is measured against."""
    floor: EvaluationSource | None = None
    """Of a summary: what its lift recovery is measured from."""
    former_name: str | None = None
    """What requests called it before; they are told its name."""
    in_evaluations: bool = False
    """Whether an evaluation has it unless told otherwise."""
    in_certificates: bool = False
    """Whether the certificate in the artefact has it."""
    cost: float = 0.2
    """About what share of the time a training takes, relative to the others; for the progress alone."""
    preparation_cost: float = 0.0
    """The same of what is done once before the first training."""

    @property
    def needs_teacher(self) -> bool:
        """Tell whether there is none of it without the teacher's weights, which archives of format 1 lack."""
        return self.labelled or self.trains_on == "teacher"

    def teaches(self, learner: LearnerConfig, *, distilled: LearnerConfig) -> bool:
        """Tell whether it trains `learner` as a student; `distilled` is the learner of the distillation."""
        if self.taught == "other learners":
            return (learner.kind, learner.embedding_size) != (distilled.kind, distilled.embedding_size)
        return self.taught == "always"

    def training_cost(self, learner: LearnerConfig, *, distilled: LearnerConfig) -> float:
        """Return the cost of training `learner`; to teach costs more than to train."""
        return _TAUGHT_COST if self.teaches(learner, distilled=distilled) else self.cost


_LABELLED: tuple[tuple[str, TrainsOn, str], ...] = (
    ("random", "random_users", "Real users drawn uniformly, each cut to as many steps as the summary has"),
    (
        "sampled",
        "sampled_sequences",
        "Sequences rolled out by the teacher, from the frequencies of first items in the log",
    ),
    ("tokens", "popular_tokens", "Sequences of items drawn by popularity"),
)
_BUDGETS: tuple[tuple[str, Budget, str], ...] = (
    ("", "rows", "as many as the summary has"),
    ("_bytes", "bytes", "as many as fit into the bytes of the archive beyond item factor, teacher and ids"),
)
_LONG_STEPS, _LONG_LR = 200, 5e-3


def _labelled() -> Iterator[Source]:
    """Yield rivals that carry the teacher's labels, as the summary does."""
    for material, trains_on, what in _LABELLED:
        for suffix, budget, many in _BUDGETS:
            name = f"{material}_labelled{suffix}"
            told = f"{what}, {many}; at every step learners are told what the teacher predicts."
            by_rows = budget == "rows"
            row = partial(Source, role="rival", trains_on=trains_on, labelled=True, budget=budget)
            yield row(
                cast(EvaluationSource, name),
                description=told,
                in_evaluations=by_rows,
                in_certificates=by_rows,
            )
            yield row(
                cast(EvaluationSource, f"{name}_long"),
                description=f"As `{name}`, in {_LONG_STEPS} steps.",
                steps=_LONG_STEPS,
                lr=_LONG_LR,
                in_evaluations=by_rows,
                cost=2.0,
            )
            yield row(
                cast(EvaluationSource, f"{name}_own_embedding"),
                description=f"As `{name}`, for learners with an item embedding of their own, of width "
                "`own_embedding_size`, trained as those of `summary_own_embedding`.",
                taught="always",
                own_embedding=True,
            )


SOURCES: tuple[Source, ...] = (
    Source(
        "full",
        role="ceiling",
        trains_on="log",
        description="The training split of the log, from scratch.",
        in_evaluations=True,
        cost=20.0,
    ),
    Source(
        "summary",
        role="summary",
        trains_on="summary",
        description="The summary. A learner of another kind than the job's is a student of the teacher in the "
        "archive.",
        taught="other learners",
        ceiling="full",
        floor="floor",
        in_evaluations=True,
        in_certificates=True,
    ),
    Source(
        "summary_untaught",
        role="summary",
        trains_on="summary",
        description="The summary, and no learner is a student. Rivals are compared with it where `summary` has "
        "students.",
    ),
    Source(
        "summary_long",
        role="summary",
        trains_on="summary",
        description=f"As `summary_untaught`, in {_LONG_STEPS} steps. Rivals that take as many are compared with it.",
        steps=_LONG_STEPS,
        lr=_LONG_LR,
        in_evaluations=True,
        cost=2.0,
    ),
    Source(
        "full_own_embedding",
        role="ceiling",
        trains_on="log",
        description="As `full`, for learners with an item embedding of their own, of width `own_embedding_size`.",
        own_embedding=True,
        former_name="own_full",
        cost=30.0,
    ),
    Source(
        "summary_own_embedding",
        role="summary",
        trains_on="summary",
        description="As `summary`, for learners with an item embedding of their own, of width `own_embedding_size`, "
        "all of them students.",
        taught="always",
        own_embedding=True,
        ceiling="full_own_embedding",
        former_name="own_soft",
    ),
    Source(
        "floor",
        role="floor",
        trains_on="nothing",
        description="Nothing: an untrained learner on the summary's item factor.",
        in_evaluations=True,
        in_certificates=True,
    ),
    Source(
        "farzi",
        role="rival",
        trains_on="farzi",
        description="A summary of kind `farzi` with as many synthetic users and steps, distilled during the "
        "evaluation; takes as long as the job.",
        preparation_cost=70.0,
    ),
    Source(
        "farzi_small",
        role="rival",
        trains_on="small_farzi",
        description="As `farzi`, with no more parameters than the summary, or of rank 1 if that still has more.",
        preparation_cost=70.0,
    ),
    Source(
        "coreset",
        role="rival",
        trains_on="coreset_users",
        description="Real users chosen by herding, as many as the summary has, each cut to as many steps.",
        in_evaluations=True,
        in_certificates=True,
    ),
    Source(
        "coreset_stopped",
        role="rival",
        trains_on="coreset_users",
        description="As `coreset`, with the weights of the best validation.",
        stopped=True,
        in_evaluations=True,
    ),
    Source(
        "random",
        role="rival",
        trains_on="random_users",
        description="Real users drawn uniformly, as many as the summary has, each cut to as many steps.",
        in_evaluations=True,
        in_certificates=True,
    ),
    Source(
        "random_stopped",
        role="rival",
        trains_on="random_users",
        description="As `random`, with the weights of the best validation.",
        stopped=True,
        in_evaluations=True,
    ),
    Source(
        "longest",
        role="rival",
        trains_on="longest_users",
        description="The real users with the longest sequences, as many as the summary has, each cut to as many steps.",
        in_evaluations=True,
        in_certificates=True,
    ),
    Source(
        "longest_stopped",
        role="rival",
        trains_on="longest_users",
        description="As `longest`, with the weights of the best validation.",
        stopped=True,
    ),
    *_labelled(),
    Source(
        "teacher",
        role="reference",
        trains_on="teacher",
        description="The teacher itself, on the item factor, both as they are in the archive.",
        in_evaluations=True,
    ),
    Source(
        "popularity",
        role="reference",
        trains_on="item_counts",
        description="No learner: items by the number of their interactions in the training split.",
        in_evaluations=True,
    ),
)

NAME_SINCE: dict[str, EvaluationSource] = {
    source.former_name: source.name for source in SOURCES if source.former_name is not None
}
SOURCE_BY_NAME: dict[EvaluationSource, Source] = {source.name: source for source in SOURCES}
