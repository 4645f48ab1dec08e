"""The spec of a distillation job."""

from collections.abc import Mapping
from typing import Any, Self, cast

from pydantic import Field, model_validator

from td3core.config.base import Config
from td3core.config.data import DataConfig
from td3core.config.distillation import InnerConfig, OuterConfig, StopConfig, SummaryConfig
from td3core.config.evaluation import CertificateConfig
from td3core.config.faults import FieldError
from td3core.config.learner import LearnerConfig, TeacherConfig
from td3core.config.presets import Preset, with_preset


class JobSpec(Config):
    """The spec of a distillation job. Every field has a default."""

    preset: Preset | None = Field(
        default=None,
        description="Defaults of other fields. `paper`: the settings of the TD3 paper for MovieLens-100k, for "
        "comparison; fields that are given override it. Null: the defaults of each field.",
    )
    seed: int = Field(
        default=0,
        ge=0,
        lt=2**63,
        description="Seed of all random numbers. The same seed on the same machine, with the same number of "
        "threads, gives the same bytes.",
    )
    data: DataConfig = DataConfig()
    learner: LearnerConfig = LearnerConfig()
    teacher: TeacherConfig = TeacherConfig()
    summary: SummaryConfig = SummaryConfig()
    inner: InnerConfig = InnerConfig()
    outer: OuterConfig = OuterConfig()
    stop: StopConfig = StopConfig()
    certificate: CertificateConfig = CertificateConfig()

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, given: object) -> object:
        return with_preset(cast(Mapping[str, Any], given)) if isinstance(given, Mapping) else given

    @model_validator(mode="after")
    def _learner_sees_whole_sequence(self) -> Self:
        if self.summary.length > self.learner.max_length:
            raise FieldError(
                self.summary.length,
                field="summary.length",
                reason=f"is larger than learner.max_length = {self.learner.max_length}",
            )
        return self

    def settled(self, *, items: int) -> Self:
        """Return the same with what a log of so many items takes by default."""
        return self.model_copy(
            update={"summary": self.summary.settled(items=items), "inner": self.inner.settled(items=items)}
        )
