"""Messages as Celery's main process sees them: one that has nothing to claim takes no child.

Each run has a child of its own, and to start one takes a fifth of a second. Runs that were cancelled while they
waited, and messages that came twice, would each cost that.
"""

import structlog
from celery.worker.request import Request
from celery.worker.state import task_ready
from sqlalchemy.exc import SQLAlchemyError

from api.models import Run
from api.runs import claims
from worker.main_database import MainDatabase

log = structlog.get_logger(__name__)


def requests_of(model: type[Run], database: MainDatabase, *, max_attempts: int) -> type[Request]:
    """Return the class of the requests to execute runs of this kind.

    Celery asks `revoked` when a child is free for the request, which is then acknowledged and dropped.
    """

    class RunRequest(Request):
        def revoked(self) -> bool:
            if super().revoked():
                return True
            run_id = self.kwargs["run_id"]
            try:
                with database.reading() as session:
                    waiting = claims.claimable(session, model, run_id, max_attempts=max_attempts)
            except SQLAlchemyError:
                return False  # the child finds out, and says so
            if not waiting:
                log.info("run.nothing_to_claim", run=run_id)
                task_ready(self)
                self.acknowledge()
                self._already_revoked = True
            return not waiting

    return RunRequest
