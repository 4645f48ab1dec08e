"""`python -m guide [FOLDER]`: build the site. Dead links, missing anchors and pages outside the navigation fail it."""

import argparse
import logging
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort, MkDocsException

from api.documentation.guide import GUIDE

ROOT = Path(__file__).parents[1]


def build_site(folder: Path, *, docs: Path = ROOT / "docs") -> None:
    """Build the site and put it in the place of `folder`, which stays as it was if the build fails.

    Args:
        folder: Where the site is put.
        docs: The pages that are written by hand.

    Raises:
        Abort: MkDocs warned of something, which it has printed.
        MkDocsException: The configuration is wrong.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Beside its place, so that it gets there by a rename.
    with TemporaryDirectory(prefix=".guide-", dir=folder.parent) as temporary:
        built, replaced = Path(temporary) / "built", Path(temporary) / "replaced"
        build(load_config(str(ROOT / "mkdocs.yml"), site_dir=str(built), docs_dir=str(docs)))
        (built / "404.html").unlink()  # the API answers with a problem document instead
        (built / "sitemap.xml.gz").unlink(missing_ok=True)
        if folder.exists():
            folder.rename(replaced)
        built.rename(folder)


def main() -> int:
    """Build the site; the exit code is 1 if it is not complete."""
    parser = argparse.ArgumentParser(prog="python -m guide", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=GUIDE, help="where to (default: %(default)s)")
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    folder: Path = parser.parse_args().folder
    try:
        build_site(folder)
    except (Abort, MkDocsException) as error:
        sys.exit(f"The site was not built: {error}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
