"""What is to be measured of a log: its job, its evaluation, and the jobs that are timed beside it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError

from td3core.config import EvaluationSpec, JobSpec
from td3core.config.faults import faults
from td3core.runs.base import sha256_of

Document = dict[str, Any]
M = TypeVar("M", bound=BaseModel)

LOGS = Path(__file__).with_name("logs.json")
"""What the logs that are known need beyond the default spec: name of a log -> what its spec has."""

EARLIER: dict[str, Document] = {
    "single teacher": {"teacher": {"members": 1}},
    "old default": {
        "teacher": {"members": 1},
        "inner": {"targets": "summary"},
        "outer": {"steps": 300},
    },
}
"""Jobs to time beside that of a log, by what they are called: what their specs have in place of its own."""


@dataclass(frozen=True)
class Request:
    """A log, and what is to be measured of it."""

    log: Path
    job: JobSpec
    evaluation: EvaluationSpec
    settings: Document
    """What of the spec is there because the log needs it."""
    beside: Mapping[str, JobSpec] = field(default_factory=dict[str, JobSpec])
    """Jobs whose distillation is timed in the same run, by what they are called."""
    threads: int = 1
    """Of torch."""
    keep: Path | None = None
    """Where the artefact goes."""

    @property
    def name(self) -> str:
        """The file name of the log, which reports are filed under."""
        return self.log.name


def name_of(log: Path) -> str:
    """Return the name of a log: that of its file up to the first dot."""
    return log.name.partition(".")[0]


def read_settings(path: Path) -> dict[str, Document]:
    """Read what each log needs beyond the default spec.

    Raises:
        ValueError: The file is none that says this.
    """
    found = json.loads(path.read_text())
    if not isinstance(found, dict) or not all(isinstance(part, dict) for part in found.values()):
        raise ValueError(f"{path}: expected an object of a spec for each name of a log")
    return cast("dict[str, Document]", found)


def job_spec(*parts: Mapping[str, Any]) -> JobSpec:
    """Return the spec that these say together; each comes before the ones to its left.

    Raises:
        ValueError: A field is unknown or has a value that is not allowed.
    """
    document: Document = {}
    for part in parts:
        document = merged(document, part)
    return _validated(JobSpec, document)


def evaluation_spec(*parts: Mapping[str, Any]) -> EvaluationSpec:
    """Return the spec of an evaluation, likewise."""
    document: Document = {}
    for part in parts:
        document = merged(document, part)
    return _validated(EvaluationSpec, document)


def parsed(text: str) -> Document:
    """Read an object of JSON.

    Raises:
        ValueError: It is something else.
    """
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError(f"expected an object of JSON (got {text})")
    return cast(Document, found)


def merged(first: Mapping[str, Any], then: Mapping[str, Any]) -> Document:
    """Return both; where they differ, what `then` says, down to single fields."""
    whole = dict(first)
    for name, value in then.items():
        before = whole.get(name)
        both = isinstance(before, Mapping) and isinstance(value, Mapping)
        whole[name] = merged(cast(Document, before), cast(Document, value)) if both else value
    return whole


def differences(report: Mapping[str, Any], request: Request) -> list[str]:
    """Name what a report was measured with that is not what is asked for."""
    found = job_differences(report, request)
    for name, job in request.beside.items():
        if name in report["beside"]:
            found += spec_differences(name, job, report["beside"][name]["spec"])
        else:
            found.append(f"it has no timing of the {name}")
    return found + spec_differences("evaluation", request.evaluation, report["evaluation"])


def job_differences(report: Mapping[str, Any], request: Request) -> list[str]:
    """Name what the summary of a report was distilled from that is not what is asked for."""
    found = [] if report["log_sha256"] == sha256_of(request.log) else ["the log is another file"]
    return found + spec_differences("spec", request.job, report["spec"])


def spec_differences(where: str, asked: BaseModel, stored: Mapping[str, Any]) -> list[str]:
    """Name the fields of a stored spec that are not as asked for; those it lacks are as they are by default."""
    try:
        before = type(asked).model_validate_json(json.dumps(stored))
    except ValidationError as error:
        return [f"{where} is of another version: {next(faults(error.errors()))}"]
    ours, theirs = _flat(asked.model_dump(mode="json")), _flat(before.model_dump(mode="json"))
    return [
        f"{where}.{name} was {theirs.get(name)!r}, is asked to be {ours.get(name)!r}"
        for name in ours | theirs
        if ours.get(name) != theirs.get(name)
    ]


def _flat(document: Mapping[str, Any], prefix: str = "") -> Document:
    flat: Document = {}
    for name, value in document.items():
        if isinstance(value, Mapping):
            flat |= _flat(cast(Document, value), f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def _validated(model: type[M], document: Mapping[str, Any]) -> M:
    try:
        return model.model_validate_json(json.dumps(document))
    except ValidationError as error:
        raise ValueError(str(next(faults(error.errors(), model)))) from error
