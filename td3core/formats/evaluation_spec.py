"""The formats of evaluation specs.

1. As of 0.1.0.
2. The sources `own_full` and `own_soft` are called `full_own_embedding` and `summary_own_embedding`.
"""

from td3core.formats.format import Document

RENAMED_SOURCES = {"own_full": "full_own_embedding", "own_soft": "summary_own_embedding"}


def upgrade_1_to_2(stored: Document) -> Document:
    """Rename sources; a spec without any has the defaults, none of which was renamed."""
    if "sources" in stored:
        stored["sources"] = [RENAMED_SOURCES.get(source, source) for source in stored["sources"]]
    return stored
