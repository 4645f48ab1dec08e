"""Databases with our tables."""

from api.db import Database
from api.migrate import upgrade


def migrate(url: str) -> None:
    """Make all tables of the service."""
    database = Database(url)
    upgrade(database.engine)
    database.close()
