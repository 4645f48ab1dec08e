"""The quick form of the fidelity certificate, which goes into every artefact."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from td3core.config import LearnerKind
from td3core.results.figures import Comparison, Recovery, Spread


class QuickCertificate(BaseModel):
    """What the summary is worth on the validation items."""

    model_config = ConfigDict(frozen=True)

    split: Literal["valid"] = "valid"
    learner: LearnerKind
    seeds: tuple[int, ...]
    results: dict[str, dict[str, Spread]] = Field(description="source -> metric; `full` is the teacher")
    recovery: dict[str, Recovery] = Field(description="metric -> recovery")
    comparison: dict[str, dict[str, Comparison]] = Field(description="rival -> metric")
    diverged: tuple[str, ...] = Field(description="Sources on which a learner's training did.")
