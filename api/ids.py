"""Ids of resources: a prefix for the kind, and a UUID that sorts by creation time."""

from typing import Literal

import uuid_utils

Prefix = Literal["job", "eval", "ds", "put", "proj", "key", "audit", "hook", "msg", "worker", "mem", "upload"]

LENGTH = 40
"""Maximum length of ids: prefix, underscore and 32 hexadecimal digits, with some room."""


def new_id(prefix: Prefix) -> str:
    """Return a new id, which sorts after all earlier ones of this process."""
    return f"{prefix}_{uuid_utils.uuid7().hex}"
