"""What an artefact says of itself."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from td3core.config import JobSpec, SummaryKind
from td3core.formats import MANIFEST
from td3core.interactions import LogProfile

FORMAT: Literal["td3-summary"] = "td3-summary"

_FORMULAS: dict[SummaryKind, str] = {
    "tucker": "X = softmax(H V^T) V with H = G x1 U x2 T. "
    "factors.safetensors holds G as `core`, U as `users`, T as `time` and V as `items`; "
    "row r of V is the item of `row` r in items.parquet.",
    "farzi": "X = softmax(D M^T / tau) V, tau being the temperature of the spec. "
    "factors.safetensors holds D as `latents`, M as `decoder` and V as `items`; "
    "row r of M and V is the item of `row` r in items.parquet.",
}


def usage(kind: SummaryKind) -> str:
    """Say how an artefact of a kind is read, with this library and without."""
    return (
        "Python: `from td3core import load_summary; summary = load_summary('summary.zip')`. "
        "`summary.train().recommend(history)` trains a learner and recommends; `summary.sample(n)` draws item "
        "sequences, `python -m td3core.export summary.zip out.csv` writes them; "
        f"`summary.expected_embeddings()` is {_FORMULAS[kind]}"
    )


class DatasetInfo(BaseModel):
    """The log that was distilled."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str | None = Field(description="The client's file name.")
    sha256: str = Field(description="Of the file as it was submitted.")
    given: LogProfile = Field(description="The log as it came.")
    kept: LogProfile = Field(description="The log after the filters; what was distilled.")


class Manifest(BaseModel):
    """The artefact's `manifest.json`; fields that a later version added are kept."""

    model_config = ConfigDict(frozen=True, extra="allow")

    format: Literal["td3-summary"] = FORMAT
    format_version: int = MANIFEST.current
    code_version: str
    seed: int
    spec: JobSpec
    dataset: DatasetInfo
    lr_factor: float = Field(
        default=1.0,
        description="On the learning rate of `spec.inner`, if that was learned beside the summary.",
    )
    metrics: dict[str, Any] = Field(
        description="Validation figures of `teacher` and `summary`, and the quick `certificate`."
    )
    usage: str
    files: dict[str, str] = Field(default_factory=dict, description="SHA-256 of each other member.")
