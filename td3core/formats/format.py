"""A kind of stored document, in all the formats it ever had."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from td3core.errors import UnsupportedFormatError

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Format:
    """The name of a kind of document, and how each of its formats becomes the next."""

    name: str
    steps: tuple[Callable[[Document], Document], ...] = ()
    """From format 1 to 2, from 2 to 3, and so on: the newest last. Each may change the document that it is given."""

    @property
    def current(self) -> int:
        """The format that this version writes."""
        return len(self.steps) + 1

    def upgrade(self, stored: Mapping[str, Any], *, version: int) -> Document:
        """Return a copy of a document of format `version` in the current format.

        Raises:
            UnsupportedFormatError: A later version of the software wrote it.
        """
        if not 1 <= version <= self.current:
            raise UnsupportedFormatError(
                f"the {self.name} is of format {version}, and this version reads formats 1 to {self.current}: "
                "a later version wrote it, and reads it"
            )
        document = copy.deepcopy(dict(stored))
        for step in self.steps[version - 1 :]:
            document = step(document)
        return document
