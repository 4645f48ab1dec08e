"""The limits of a project, and how much of one is used."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from td3core.config.ceilings import Ceilings

SOFT = 0.8
"""Share of a limit from which on a submission is answered with a warning."""


class Limit(StrEnum):
    """What is limited; the names of the fields of `Bounds`."""

    QUEUED_RUNS = "queued_runs"
    """Jobs and evaluations that wait or are paused."""
    STORED_BYTES = "stored_bytes"
    """Logs and summaries that are kept, and what unfinished jobs will add."""
    UPLOADS = "uploads"
    """Logs that are received at once."""
    LOG_BYTES = "log_bytes"
    """Size of one log, as sent."""
    RUN_STEPS = "run_steps"
    """Training steps on a summary that one spec comes to, by `td3core.config.ceilings`."""


def known(own: Mapping[str, int]) -> dict[str, int]:
    """The limits of a project without those that only a later version knows."""
    return {name: own[name] for name in Limit if name in own}


@dataclass(frozen=True, slots=True)
class Bounds:
    """The limits of a project; None: unlimited."""

    queued_runs: int | None = None
    stored_bytes: int | None = None
    uploads: int | None = None
    log_bytes: int | None = None
    run_steps: int | None = None

    def __getitem__(self, name: Limit) -> int | None:
        return getattr(self, name)

    def of_a_project(self, own: Mapping[str, int]) -> "Bounds":
        """These, with a project's own in their place.

        What one request may ask for is limited to protect the machines, so a project's own limit only lowers that.
        """
        given = known(own)
        for name in (Limit.LOG_BYTES, Limit.RUN_STEPS):
            if name in given and (most := self[name]) is not None:
                given[name] = min(given[name], most)
        return replace(self, **given)

    def ceilings(self, service: Ceilings) -> Ceilings:
        """What a spec of the project may come to."""
        return replace(service, steps=self.run_steps or service.steps)

    @property
    def reserves(self) -> bool:
        """Whether a new run has to reserve something."""
        return self.queued_runs is not None or self.stored_bytes is not None


@dataclass(frozen=True, slots=True)
class Usage:
    """How much of a limit is used."""

    name: Limit
    limit: int | None
    """None: unlimited."""
    used: int | None
    """None of a limit that each run has for itself."""

    @property
    def left(self) -> int | None:
        """How much more may be used; None: unlimited."""
        return None if self.limit is None else max(0, self.limit - (self.used or 0))

    @property
    def nearly_reached(self) -> bool:
        """Whether most of it is used."""
        return self.limit is not None and self.used is not None and self.used >= SOFT * self.limit


_UNITS = {Limit.STORED_BYTES: ';qu="content-bytes"', Limit.UPLOADS: ';qu="concurrent-requests"'}


def rate_limit_fields(usages: Iterable[Usage]) -> dict[str, str]:
    """The header fields that tell of these limits, after draft-ietf-httpapi-ratelimit-headers-10.

    There is no time after which a limit is fresh again, so none is told.
    """
    told = [usage for usage in usages if usage.limit is not None]
    if not told:
        return {}
    return {
        "RateLimit-Policy": ", ".join(
            f'"{usage.name}";q={usage.limit}{_UNITS.get(usage.name, "")}' for usage in told
        ),
        "RateLimit": ", ".join(f'"{usage.name}";r={usage.left}' for usage in told),
    }
