"""The events of a run."""

from sqlalchemy import select

from api.db import Database
from api.models import Event


def log_of(database: Database, run_id: str) -> list[Event]:
    """All of them, in order."""
    with database.reading() as session:
        return list(session.scalars(select(Event).where(Event.run_id == run_id).order_by(Event.seq)))


def kinds(database: Database, run_id: str) -> list[str]:
    """Their kinds, in order."""
    return [event.kind for event in log_of(database, run_id)]
