"""What MkDocs does beyond its configuration: it writes the reference pages and lists the pages of folders."""

from pathlib import PurePosixPath
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

from guide.reference import reference_pages


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Put the pages that are generated from the code in place of those that say so, and folders into the navigation.

    Raises:
        PluginError: A page of the reference has no page in the repository, where links to it lead.
    """
    for path, text in reference_pages().items():
        committed = files.get_file_from_path(path)
        if committed is None:
            raise PluginError(f"docs/{path} does not exist: expected a page that says where the reference is")
        files.remove(committed)
        files.append(File.generated(config, path, content=text))
    sources = [file.src_uri for file in files.documentation_pages()]
    config.nav = [_expanded(entry, sources) for entry in config.nav or []]
    return files


def _expanded(entry: Any, sources: list[str]) -> Any:
    """An entry `title: folder/` with the folder's pages, its index first; any other entry as it is."""
    if not isinstance(entry, dict):
        return entry
    ((title, target),) = entry.items()
    if not isinstance(target, str) or not target.endswith("/"):
        return entry
    folder = PurePosixPath(target)
    pages = [path for path in sources if PurePosixPath(path).parent == folder]
    return {title: sorted(pages, key=lambda path: (PurePosixPath(path).name != "index.md", path))}
