"""The key of the first platform administrator, which the environment names by its hash."""

import anyio
import structlog
from anyio.to_thread import run_sync
from sqlalchemy.exc import SQLAlchemyError

from api.access.scopes import ROLES
from api.db import Database
from api.keys import service

NAME = "First administrator"
RETRY_SECONDS = 2.0

log = structlog.get_logger(__name__)


async def let_in(database: Database, sha256: str) -> None:
    """Store the key unless it is, or was, there; as soon as the database is available and migrated."""
    while True:
        try:
            made = await run_sync(_adopt, database, sha256)
        except SQLAlchemyError as error:
            log.warning("keys.database_unavailable", error=str(error))
            await anyio.sleep(RETRY_SECONDS)
            continue
        if made is not None:
            log.info("keys.first_admin", key_id=made)
        return


def _adopt(database: Database, sha256: str) -> str | None:
    with database.transaction() as session:
        row = service.adopt(session, sha256, name=NAME, scopes=ROLES["platform"])
        return None if row is None else row.id
