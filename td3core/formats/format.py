"""A kind of stored document, with all its formats."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from td3core.errors import UnsupportedFormatError

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Format:
    """The name of a kind of document, and the functions that upgrade each of its formats to the next."""

    name: str
    steps: tuple[Callable[[Document], Document], ...] = ()
    """Upgrade functions, from the oldest format to the newest. Each may modify its argument."""
    oldest: int = 1
    """The oldest format that can be read."""

    @property
    def current(self) -> int:
        """The format that this version writes."""
        return self.oldest + len(self.steps)

    def upgrade(self, stored: Mapping[str, Any], *, version: int) -> Document:
        """Return a copy of a document of format `version` in the current format.

        Raises:
            UnsupportedFormatError: A later version of the software wrote it, or a version that is too old.
        """
        if not self.oldest <= version <= self.current:
            writer = "an earlier version" if version < self.oldest else "a later version"
            raise UnsupportedFormatError(
                f"the {self.name} has format {version}, which {writer} wrote; expected format {self.oldest} to "
                f"{self.current}"
            )
        document = copy.deepcopy(dict(stored))
        for step in self.steps[version - self.oldest :]:
            document = step(document)
        return document
