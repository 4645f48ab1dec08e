"""The quick form of the fidelity certificate, which goes into every artefact."""

from typing import Literal

from pydantic import Field

from td3core.config import LearnerKind
from td3core.results.base import Result
from td3core.results.figures import Comparison, IntervalsOver, Recovery, Spread


class QuickCertificate(Result):
    """What the summary is worth on the validation items."""

    split: Literal["valid"] = Field(default="valid", description="The interactions that are predicted.")
    learner: LearnerKind = Field(description="Kind of the learners.")
    seeds: tuple[int, ...] = Field(description="Seeds of the learners; each source has one learner a seed.")
    intervals: IntervalsOver = Field(default="seeds", description="What the intervals are over.")
    results: dict[str, dict[str, Spread]] = Field(
        description="Figures by source and metric; `full` is the teacher."
    )
    recovery: dict[str, Recovery] = Field(description="Recovery by metric.")
    comparison: dict[str, dict[str, Comparison]] = Field(
        description="The summary against each rival, by metric."
    )
    diverged: tuple[str, ...] = Field(
        description="Sources that are left out because the training of a learner on them diverged."
    )
