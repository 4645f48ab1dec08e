"""The formats of evaluation results, which say theirs in the key `format`; without it, it is 1.

1. As of 0.1.0.
2. The sources `own_full` and `own_soft` are called `full_own_embedding` and `summary_own_embedding`.
3. Intervals are over seeds and users, and comparisons have that of the difference; `intervals` says which,
   and `unavailable` which sources there were not. `worth` says how many real users a summary is worth.
"""

from typing import Any

from td3core.formats.evaluation_spec import RENAMED_SOURCES
from td3core.formats.format import Document

_BY_SOURCE = ("results", "seconds")  # learner -> source -> figures


def upgrade_1_to_2(stored: Document) -> Document:
    """Rename sources."""
    for part in _BY_SOURCE:
        if stored.get(part):
            stored[part] = {learner: _renamed(sources) for learner, sources in stored[part].items()}
    if stored.get("diverged"):
        stored["diverged"] = {
            learner: [RENAMED_SOURCES.get(source, source) for source in sources]
            for learner, sources in stored["diverged"].items()
        }
    return {**stored, "format": 2}


def upgrade_2_to_3(stored: Document) -> Document:
    """Say that the intervals are over seeds alone, that no source was left out, and that there is no more to say."""
    return {**stored, "intervals": "seeds", "unavailable": [], "worth": {}, "warnings": [], "format": 3}


def _renamed(by_source: dict[str, Any]) -> dict[str, Any]:
    return {RENAMED_SOURCES.get(source, source): figures for source, figures in by_source.items()}
