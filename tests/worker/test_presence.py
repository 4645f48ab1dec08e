import os
import signal

from api.db import Database
from api.settings import Settings
from api.workers import service
from api.workers.service import Identity
from worker.presence import Presence

FORKS = 20
PATIENCE = 20  # seconds, less than a writer waits for SQLite's lock


def write(settings: Settings) -> None:
    """What the child of a pool does first: it writes to the database."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(PATIENCE)  # ends the process
    child = Identity(id="child", host="here", pid=os.getpid(), queues=[], device="cpu", version="0")
    with Database(settings.database_url).transaction() as session:
        service.beat(session, child, stopping=False)


def test_a_child_that_is_forked_in_the_middle_of_a_heartbeat_can_write(settings: Settings) -> None:
    presence = Presence("parent", settings.model_copy(update={"heartbeat_seconds": 0.001}))
    presence.start([])
    try:
        for _ in range(FORKS):
            child = os.fork()
            if not child:
                status = 1
                try:
                    write(settings)
                    status = 0
                finally:
                    os._exit(status)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        presence.stop()
