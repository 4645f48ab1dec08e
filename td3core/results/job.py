"""The final figures of a distillation job."""

from typing import Literal

from pydantic import Field

from td3core.results.base import Result
from td3core.results.certificate import QuickCertificate
from td3core.results.training import TrainingWarning


class Stopped(Result):
    """Why a distillation ended before its last outer step."""

    reason: Literal["recovery", "seconds", "diverged"] = Field(
        description="`recovery` or `seconds`: the limit of the spec's `stop` that was reached; `diverged`: the outer "
        "loss diverged, and the summary is the best one before."
    )
    detail: str | None = Field(default=None, description="What happened, of a distillation that diverged.")


class JobMetrics(Result):
    """The final figures of a distillation job."""

    teacher: dict[str, float] = Field(
        description="Validation metrics of the teacher, such as `valid_ndcg@10`."
    )
    summary: dict[str, int | float] = Field(
        description="Validation metrics of learners trained on the summary, such as `valid_ndcg@10`, and the "
        "`outer_step` that the summary is from."
    )
    log_parquet_bytes: int | None = Field(
        default=None,
        description="Size of the log after the filters, compressed: users and items in order, as Parquet with zstd; "
        "null if an earlier version ran the job.",
    )
    certificate: QuickCertificate | None = Field(
        default=None, description="The certificate in the archive; null if the spec asks for none."
    )
    stopped: Stopped | None = Field(
        default=None, description="Why the distillation stopped early; null if it took all outer steps."
    )
    warnings: tuple[TrainingWarning, ...] = Field(
        default=(), description="What is to be said of the training of the teacher; empty if it went well."
    )
    seconds: dict[str, float] | None = Field(
        default=None, description="Seconds that each stage took, by name of the stage."
    )
