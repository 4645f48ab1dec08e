"""How item sequences are drawn from a summary."""

from typing import Literal

from pydantic import Field

from td3core.config.base import Config

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
        ge=0.001,
        le=100,
        description="What the logits are divided by, below 1 sharpens; left out: 0.6 (ancestral) or 1 (independent).",
    )
    first_temperature: float = Field(
        default=1.0, ge=0.001, le=100, description="The same for the first item (ancestral)."
    )
    learners: int = Field(
        default=4, ge=1, le=64, description="Learners that share the sequences among them (ancestral)."
    )
    distinct: bool = Field(default=True, description="No item comes twice in a sequence.")

    @property
    def divisor(self) -> float:
        """What the logits are divided by."""
        return self.temperature or (0.6 if self.method == "ancestral" else 1.0)
