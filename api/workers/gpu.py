"""What a worker says of its GPU."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Gpu:
    """The GPU that a worker computes on, at one moment."""

    name: str
    memory_used_bytes: int
    memory_total_bytes: int
    driver: str
