"""Configuration of sampling item sequences from a summary."""

from typing import Literal

from pydantic import Field

from td3core.config.base import Config

SamplingMethod = Literal["ancestral", "independent"]


class SamplingConfig(Config):
    """How discrete item sequences are sampled from a summary."""

    method: SamplingMethod = Field(
        default="ancestral",
        description="`ancestral`: each item is sampled from the predictions that a learner trained on the summary "
        "makes after the items before it. `independent`: each step is sampled from its own distribution in the "
        "summary.",
    )
    length: int | None = Field(
        default=None,
        ge=2,
        le=2048,
        description="Number of items in a sequence. Default: half the steps of the summary (ancestral) or all of them "
        "(independent).",
    )
    temperature: float | None = Field(
        default=None,
        ge=0.001,
        le=100,
        description="Divisor of the logits; below 1, likely items are sampled more often. Default: 0.6 (ancestral) "
        "or 1 (independent).",
    )
    first_temperature: float = Field(
        default=1.0,
        ge=0.001,
        le=100,
        description="Temperature of the first item of a sequence; used only with `ancestral`.",
    )
    learners: int = Field(
        default=4,
        ge=1,
        le=64,
        description="Number of learners, each of which samples an equal share of the sequences; used only with "
        "`ancestral`.",
    )
    distinct: bool = Field(default=True, description="Sample each item at most once per sequence.")

    @property
    def divisor(self) -> float:
        """Divisor of the logits: `temperature` or its default for the method."""
        return self.temperature or (0.6 if self.method == "ancestral" else 1.0)
