"""The pages of the reference, written anew from the code whenever the site is built."""

from guide.reference.artefact import artefact_page
from guide.reference.commands import commands_page
from guide.reference.operations import operations_page
from guide.reference.problems import problems_page
from guide.reference.reading import reading_page
from guide.reference.settings import settings_page
from guide.reference.spec import spec_page

WRITERS = {
    "api": operations_page,
    "artefact": artefact_page,
    "cli": commands_page,
    "problems": problems_page,
    "reading": reading_page,
    "settings": settings_page,
    "spec": spec_page,
}


def reference_pages() -> dict[str, str]:
    """The Markdown of every page, by its path below `docs/`."""
    return {f"reference/{name}.md": write() for name, write in WRITERS.items()}
