"""What projects use of the workers: the seconds for which workers hold their runs, the latest counting most.

A sum halves in `HALF_LIFE`, so that a project which has used everything for long waits no longer than about that for
those which have used nothing, and then takes turns with them again.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.db import now, one_at_a_time
from api.models import DeviceUse, Run

HALF_LIFE = timedelta(hours=1)


@dataclass(slots=True)
class Use:
    """What one project uses."""

    weight: float = 1.0
    seconds: float = 0.0
    """Of the claims that have ended."""
    claims: float = 0.0
    """Number of those."""
    running: float = 0.0
    """Seconds of the claims that go on."""

    @property
    def share(self) -> float:
        """What is compared between projects."""
        return (self.seconds + self.running) / self.weight


def settle(session: Session, model: type[Run], run_ids: Collection[str]) -> None:
    """Charge the claims of these runs, which have just ended, to their projects.

    The rows of the runs must have been written or locked before. Projects are charged in the order of their ids, so
    that no two transactions wait for each other.
    """
    if not run_ids:
        return
    at = now(session)
    ended: defaultdict[str, list[float]] = defaultdict(list)
    began = select(model.tenant_id, model.claimed_at).where(model.id.in_(run_ids))
    for tenant_id, claimed_at in session.execute(began):
        if claimed_at is not None:
            ended[tenant_id].append(max((at - claimed_at).total_seconds(), 0.0))
    for tenant_id, seconds in sorted(ended.items()):
        one_at_a_time(session, f"device use of {tenant_id}")
        use = session.get(DeviceUse, tenant_id, populate_existing=True)
        if use is None:
            use = DeviceUse(tenant_id=tenant_id, at=at, seconds=0.0, claims=0.0)
            session.add(use)
        left = _left(at - use.at)
        use.seconds = use.seconds * left + sum(seconds)
        use.claims = use.claims * left + len(seconds)
        use.at = at
        session.flush()


def use_of(
    weight: float | None,
    since: datetime | None,
    seconds: float | None,
    claims: float | None,
    *,
    at: datetime,
) -> Use:
    """Return what a project uses: its weight and, if there is one, its row of `DeviceUse`."""
    left = 0.0 if since is None else _left(at - since)
    return Use(weight or 1.0, seconds=(seconds or 0.0) * left, claims=(claims or 0.0) * left)


def count_going(uses: Mapping[str, Use], going: Mapping[str, Sequence[datetime]], *, at: datetime) -> None:
    """Add the claims that go on, by their beginnings.

    One counts at least as much as a claim usually takes, so that idle workers do not all turn to one project in the
    same moment.
    """
    usual = usual_seconds(uses.values()) or 0.0
    for tenant_id, beginnings in going.items():
        spans = ((at - began).total_seconds() for began in beginnings)
        uses[tenant_id].running = sum(max(span, usual) for span in spans)


def usual_seconds(uses: Iterable[Use]) -> float | None:
    """Return how long a worker has held a run of these projects, on average; None if none has."""
    known = list(uses)
    claims = sum(use.claims for use in known)
    return sum(use.seconds for use in known) / claims if claims else None


def _left(passed: timedelta) -> float:
    """Return what is left of a sum after this time."""
    return 0.5 ** (max(passed, timedelta()) / HALF_LIFE)
