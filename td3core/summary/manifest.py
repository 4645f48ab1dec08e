"""The manifest of an artefact."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from td3core.config import JobSpec, SummaryKind
from td3core.formats import MANIFEST
from td3core.interactions import LogProfile, LogStudy
from td3core.results import ReadingReport

FORMAT: Literal["td3-summary"] = "td3-summary"

_FORMULAS: dict[SummaryKind, str] = {
    "tucker": "X = softmax(H V^T) V with H = G x1 U x2 T. "
    "factors.safetensors holds G as `core`, U as `users`, T as `time` and V as `items`; "
    "row r of V is the item of row r in items.parquet.",
    "farzi": "X = softmax(D M^T / tau) V, tau being the temperature of the spec. "
    "factors.safetensors holds D as `latents`, M as `decoder` and V as `items`; "
    "row r of M and V is the item of row r in items.parquet.",
}


def usage(kind: SummaryKind) -> str:
    """Explain how an artefact of this kind is read, with this library and without it."""
    return (
        "Python: `from td3core import load_summary; summary = load_summary('summary.zip')`. "
        "`summary.train().recommend(history)` trains a learner and recommends; `summary.sample(n)` draws item "
        "sequences, `python -m td3core.export summary.zip out.csv` writes them; "
        f"`summary.expected_embeddings()` is {_FORMULAS[kind]} "
        "teacher.safetensors holds the weights of the teacher, a learner of the spec that reads and predicts rows of "
        "V. A tensor of 8-bit integers is to be multiplied, each row along its last axis, by a number of the tensor "
        "with the same name and `.row_scale`."
    )


class DatasetInfo(BaseModel):
    """The log that was distilled."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str | None = Field(description="File name given by the client.")
    sha256: str = Field(description="SHA-256 of the submitted file.")
    given: LogProfile = Field(description="Statistics of the log before filtering.")
    kept: LogProfile = Field(description="Statistics of the log after filtering, which was distilled.")
    reading: ReadingReport | None = Field(
        default=None,
        description="How the log was read, and what is to be said of it; null if an earlier version did.",
    )

    @classmethod
    def of(cls, study: LogStudy, *, name: str | None, sha256: str) -> "DatasetInfo":
        """Build from what is known of the log, which must have been read to its end."""
        if study.kept is None:
            raise ValueError("only the beginning of the log was read")
        return cls(name=name, sha256=sha256, given=study.given, kept=study.kept, reading=study.reading)


class Manifest(BaseModel):
    """`manifest.json` of an artefact. Fields that a later version has added are kept."""

    model_config = ConfigDict(frozen=True, extra="allow")

    format: Literal["td3-summary"] = Field(default=FORMAT, description="Always `td3-summary`.")
    format_version: int = Field(default=MANIFEST.current, description="Number of the format.")
    code_version: str = Field(description="Version of the code that wrote the artefact.")
    seed: int = Field(description="Seed of the distillation.")
    spec: JobSpec = Field(description="Spec of the distillation.")
    dataset: DatasetInfo = Field(description="The log that was distilled.")
    lr_factor: float = Field(
        default=1.0,
        gt=0,
        allow_inf_nan=False,
        description="Factor on the learning rate of `spec.inner`; 1 unless it was learned with the summary.",
    )
    metrics: dict[str, Any] = Field(
        description="Validation metrics of `teacher` and `summary`, the quick `certificate`, and `log_parquet_bytes`, "
        "the size of the log after the filters as Parquet with zstd. `warnings`, if there are any, say what "
        "went wrong in the training of the teacher."
    )
    usage: str = Field(description="How to read the artefact.")
    files: dict[str, str] = Field(
        default_factory=dict, description="SHA-256 of each other file in the archive."
    )
