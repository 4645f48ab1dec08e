"""The page on the report of how a log was read: its fields and its warnings."""

from guide.reference.markdown import code, table
from guide.reference.schema import model_tables
from td3core.results import READING_CODES, DroppedByFilter, ReadingReport, ReadingWarning


def reading_page() -> str:
    """The codes of the warnings and the fields of the report."""
    codes = table(("code", "when"), ((code(name), text) for name, text in READING_CODES.items()))
    return f"""# How a log was read

A job says how its log was read: `dataset.reading`. So do the event `reading` of the job, the manifest of its archive
(`dataset.reading`), `td3 submit`, and without a job `POST /v1/jobs/validate` and `td3 validate`.

A large log is read to its end by the worker alone. Until then `dataset.reading` reports on its beginning, with `whole`
false, and there is no event.

## Warnings

A log that is read can still be another one than its owner has in mind. `warnings` says so, the gravest first; programs
tell warnings apart by `code`, and later versions may add codes.

{codes}
## Fields

{model_tables(ReadingReport)}
### Entries of `dropped`

{model_tables(DroppedByFilter)}
### Entries of `warnings`

{model_tables(ReadingWarning)}"""
