"""`python -m worker.keeper`: looks after what others left behind. Any number of keepers may run.

Every few seconds it queues again, or ends, the runs whose worker vanished, and sends the messages that a crash or a
lost broker kept from arriving. A process of its own rather than a Celery task, for a busy worker would starve it.
"""

import argparse
import signal
import sys
import threading
from datetime import timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError

from api.db import Database
from api.errors import SettingsError
from api.logs import configure_logging
from api.models import Evaluation, Job
from api.outbox import Outbox
from api.queue import make_celery
from api.runs.sweep import sweep_expired
from api.settings import Settings, load_settings
from api.tracing import configure_tracing
from worker.metrics import KeeperMetrics, process_registry, serving

RUNS = (Job, Evaluation)

log = structlog.get_logger("worker.keeper")


def sweep(database: Database, outbox: Outbox, metrics: KeeperMetrics, *, max_attempts: int) -> None:
    """One round; safe beside another keeper's."""
    requeued: list[str] = []
    for model in RUNS:
        with database.transaction() as session:
            swept = sweep_expired(session, model, max_attempts=max_attempts)
        for outcome, run_ids in (
            ("requeued", swept.requeued),
            ("failed", swept.failed),
            ("cancelled", swept.cancelled),
        ):
            metrics.expired.labels(outcome).inc(len(run_ids))
            for run_id in run_ids:
                log.warning("keeper.lease_expired", run=run_id, outcome=outcome)
        requeued += swept.requeued
    sent = (outbox.deliver(requeued) if requeued else 0) + outbox.deliver_due()
    metrics.sent.inc(sent)
    metrics.swept_at.set_to_current_time()
    if sent:
        log.info("keeper.sent", messages=sent)


def keep(settings: Settings, stop: threading.Event) -> None:
    """Sweep until told to stop; a database that is away is waited for."""
    database = Database(settings.database_url, limits=settings.database_limits, name="td3 keeper")
    celery = make_celery(settings.required_broker_url)
    outbox = Outbox(database, celery, resend=timedelta(seconds=settings.resend_seconds))
    registry = process_registry()
    metrics = KeeperMetrics(registry)
    log.info("keeper.started", every_seconds=settings.sweep_seconds)
    with serving(settings, registry):
        while not stop.is_set():
            try:
                sweep(database, outbox, metrics, max_attempts=settings.max_attempts)
            except SQLAlchemyError as error:  # away, or not migrated yet
                log.warning("keeper.database_unavailable", error=str(error))
            stop.wait(settings.sweep_seconds)
    celery.close()
    database.close()
    log.info("keeper.stopped")


def main() -> None:
    """Run until SIGTERM or Ctrl-C."""
    argparse.ArgumentParser(prog="python -m worker.keeper", description=__doc__).parse_args()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        settings = load_settings()
        configure_logging(level=settings.log_level, style=settings.log_format)
        configure_tracing(settings, process="keeper")
        keep(settings, stop)
    except SettingsError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
