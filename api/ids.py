"""Identifiers of resources: a prefix that names the kind, and a UUID that sorts by time of creation."""

from typing import Literal

import uuid_utils

Prefix = Literal["job", "eval", "ds", "put"]

LENGTH = 40
"""What an id column holds: the prefix, an underscore and 32 hex digits, with room to spare."""


def new_id(prefix: Prefix) -> str:
    """A new identifier, later in the alphabet than those this process made before."""
    return f"{prefix}_{uuid_utils.uuid7().hex}"
