"""The page on problems: every error document that the API answers with, and the errors of failed runs."""

from collections.abc import Iterator
from typing import Any

from api.app import create_app
from api.errors import ServiceError
from api.http.problems import FRAMEWORK_STATUSES, MEDIA_TYPE, UNPROCESSABLE, Problem, code_of
from api.settings import Settings
from guide.reference.markdown import code, table
from guide.reference.schema import model_tables
from td3core.errors import ExportError, InvalidLogError, Td3Error

OF_RUNS = {
    "deadline_exceeded": "The deadline passed before the run had ended",
    "internal_error": "An unexpected error occurred; the log of the worker has the details",
    "out_of_memory": "The run needs more memory than its worker has or may use",
    "time_limit_exceeded": "A worker has executed the run for longer than `TD3_RUN_SECONDS`",
    "worker_lost": "The workers, or their processes, that executed the run vanished `TD3_MAX_ATTEMPTS` times",
}
"""Errors of runs that are no exceptions of the method."""


def problems_page() -> str:
    """Codes, statuses and titles of all problems, and the operations that document them."""
    where = _operations_by_code()
    rows = [
        (code(kind.code), str(kind.status), kind.title(), where.get(kind.code, "any"))
        for kind in _kinds(ServiceError)
    ]
    rows += [
        (code(kind.code), str(UNPROCESSABLE), _title(kind), where.get("bad_rows", ""))
        for kind in _kinds(InvalidLogError)
    ]
    rows += [
        (code(code_of(status)), str(int(status)), status.phrase, "any")
        for status in FRAMEWORK_STATUSES
        if code_of(status) not in {kind.code for kind in _kinds(ServiceError)}
    ]
    rows.sort(key=lambda row: (row[1], row[0]))
    faults = {kind.code: _title(kind) for kind in _kinds(Td3Error) if kind not in (Td3Error, ExportError)}
    return f"""# Problems

Every error of the API is a problem document after [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457), of type
`{MEDIA_TYPE}`, on every path. Programs tell problems apart by `code`.

{model_tables(Problem)}
## Codes

{table(("code", "status", "title", "operations"), rows)}
A problem of "any" operation belongs to no operation in particular. `database_unavailable` comes with `Retry-After`.

## Errors of failed runs

A job or an evaluation that failed has an `error` with `code`, `detail` and, for logs, `errors`. Besides the codes
of storage and database above:

{table(("code", "meaning"), ((code(name), text) for name, text in sorted((faults | OF_RUNS).items())))}"""


def _kinds(base: type[Any]) -> Iterator[type[Any]]:
    """The class and all classes that derive from it, each code once."""
    seen = set[str]()
    queue = [base]
    while queue:
        kind = queue.pop(0)
        queue += kind.__subclasses__()
        if kind.code not in seen:
            seen.add(kind.code)
            yield kind


def _title(kind: type[Td3Error]) -> str:
    return (kind.__doc__ or "").partition("\n")[0].rstrip(".")


def _operations_by_code() -> dict[str, str]:
    """The operations that document a problem, by its code."""
    found: dict[str, list[str]] = {}
    for path, operations in create_app(Settings()).openapi()["paths"].items():
        for method, operation in operations.items():
            for response in operation["responses"].values():
                for name in response.get("content", {}).get(MEDIA_TYPE, {}).get("examples", {}):
                    found.setdefault(name, []).append(code(f"{method.upper()} {path}"))
    return {name: ", ".join(operations) for name, operations in found.items()}
