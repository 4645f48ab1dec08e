"""The compose files as compose reads them."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]


class ComposeLoader(yaml.SafeLoader):
    """Reads compose's own tags, such as `!reset`, as what they replace."""


ComposeLoader.add_multi_constructor("!", lambda _loader, _suffix, node: node.value)


def interpolated(text: str, variables: Mapping[str, str]) -> str:
    """The file as compose reads it when only these variables are set."""
    return re.sub(r"\$\{(\w+):-([^}]*)\}", lambda found: variables.get(found[1], found[2]), text)


def load(name: str, **variables: str) -> dict[str, Any]:
    """A file of the repository's root, when only these variables are set."""
    return yaml.load(interpolated((ROOT / name).read_text(), variables), ComposeLoader)
