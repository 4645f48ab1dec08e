"""The formats of job specs.

1. As of 0.1.0.
2. There are `data.encoding`, `data.events`, `data.header`, `data.layout`, `data.null_ids`, `data.quoting`,
   `data.repeats`, `data.rules`, `data.separator`, `data.time_format`, `inner.targets`, `summary.precision`,
   `summary.start`, `teacher.members`, `teacher.scale_lr`, `teacher.warm_up` and `preset`; `inner.learners` and
   `inner.steps` may be null.
"""

from typing import Any

from td3core.formats.format import Document

_BEFORE: dict[str, dict[str, Any]] = {
    "data": {
        "encoding": "utf-8",
        "events": None,
        "header": None,
        "layout": "rows",
        "null_ids": "refuse",
        "quoting": "standard",
        "repeats": "keep",
        "rules": 1,
        "separator": None,
        "time_format": None,
    },
    "inner": {"learners": 1, "steps": 20, "targets": "summary"},
    "summary": {"precision": "float32", "start": "noise"},
    "teacher": {"members": 1, "scale_lr": False, "warm_up": 0.0},
}
"""Part of the spec -> field that format 1 lacks or may lack -> the value with which a run does what it did then."""


def upgrade_1_to_2(stored: Document) -> Document:
    """Say what was the only way, so that a stored spec does not follow a default that came later."""
    for part, fields in _BEFORE.items():
        given = stored.get(part, {})
        if isinstance(given, dict):  # whatever else it is, validation names it
            stored[part] = {**fields, **given}
    return stored
