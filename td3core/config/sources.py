"""The table of sources: everything that an evaluation can train learners on, in the order in which results list it."""

from dataclasses import dataclass
from typing import Literal

from td3core.config.learner import LearnerConfig

EvaluationSource = Literal[
    "full",
    "summary",
    "summary_untaught",
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
    "item_counts",
]
"""What a source is made of; `td3core.evaluation.sources` makes it."""

Taught = Literal["never", "other learners", "always"]
"""Which learners are trained as students of a labeller, which the summary trains first."""

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

    def teaches(self, learner: LearnerConfig, *, distilled: LearnerConfig) -> bool:
        """Tell whether it trains `learner` as a student; `distilled` is the learner of the distillation."""
        if self.taught == "other learners":
            return (learner.kind, learner.embedding_size) != (distilled.kind, distilled.embedding_size)
        return self.taught == "always"

    def training_cost(self, learner: LearnerConfig, *, distilled: LearnerConfig) -> float:
        """Return the cost of training `learner`; to teach costs more than to train."""
        return _TAUGHT_COST if self.teaches(learner, distilled=distilled) else self.cost


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
        description="The summary. A learner of another kind than the job's is the student of one of the job's kind, "
        "which the summary trains first.",
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
