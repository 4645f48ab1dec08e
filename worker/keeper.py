"""`python -m worker.keeper`: recovers runs and cleans up. Any number of keepers may run.

Every few seconds it requeues or ends the runs whose worker has disappeared, and sends messages that were lost or never
sent. All the time it sends webhooks. At longer intervals it deletes unneeded objects from storage. It is its own
process and not a Celery task, which busy workers would delay.
"""

import argparse
import signal
import sys
import threading
from collections.abc import Callable
from datetime import timedelta

import structlog
from sqlalchemy.exc import SQLAlchemyError

from api.audit import service as audit
from api.db import Database
from api.errors import SettingsError
from api.idempotency import keys
from api.limits import service as limits
from api.models import RUN_KINDS
from api.outbox import Outbox
from api.queue import make_celery
from api.runs.deadline import sweep_overdue
from api.runs.preemption import make_room
from api.runs.sweep import sweep_expired
from api.settings import Settings, load_settings
from api.storage import open_storage
from api.telemetry.logs import configure_logging
from api.telemetry.tracing import configure_tracing
from api.webhooks import deliveries
from api.workers import service as workers
from worker.checkpoints import remove_ended
from worker.cleaning import clean
from worker.metrics import KeeperMetrics, process_registry, serving
from worker.webhooks import send

STOP_SECONDS = 5.0

log = structlog.get_logger("worker.keeper")


def sweep(database: Database, outbox: Outbox, metrics: KeeperMetrics, settings: Settings) -> None:
    """Do one round. Other keepers may do the same concurrently."""
    requeued: list[str] = []
    for model in RUN_KINDS:
        with database.transaction() as session:
            swept = sweep_expired(session, model, max_attempts=settings.max_attempts)
            overdue = sweep_overdue(session, model)
        for outcome, run_ids in (
            ("requeued", swept.requeued),
            ("failed", swept.failed),
            ("cancelled", swept.cancelled),
            ("paused", swept.paused),
        ):
            metrics.expired.labels(outcome).inc(len(run_ids))
            for run_id in run_ids:
                log.warning("keeper.lease_expired", run=run_id, outcome=outcome)
        for run_id in overdue:
            log.warning("keeper.deadline_exceeded", run=run_id)
        requeued += swept.requeued
    with database.transaction() as session:
        asked = make_room(
            session,
            silent_after=settings.silent_after,
            begun_before=timedelta(seconds=settings.preempt_after_seconds),
        )
    for run_id in asked:
        log.info("keeper.preempted", run=run_id)
    with database.transaction() as session:
        keys.sweep(session)
        limits.sweep(session)
        audit.sweep(session, retention=timedelta(days=settings.keep_audit_days))
        workers.sweep(session, retention=timedelta(seconds=settings.worker_retention_seconds))
    sent = (outbox.deliver(requeued) if requeued else 0) + outbox.deliver_due()
    metrics.sent.inc(sent)
    metrics.swept_at.set_to_current_time()
    if sent:
        log.info("keeper.sent", messages=sent)


def keep(settings: Settings, stop: threading.Event) -> None:
    """Sweep and clean until `stop` is set. If database or storage are unavailable, the next round tries again.

    Cleaning has its own threads: listing a large bucket takes long, and so do the timeouts of an unavailable one, and
    the recovery of runs must not wait for that. So does sending webhooks; if that ends, the keeper does.
    """
    database = Database(settings.database_url, limits=settings.database_limits, name="td3 keeper")
    celery = make_celery(settings.required_broker_url, settings.queue)
    outbox = Outbox(database, celery, resend=timedelta(seconds=settings.resend_seconds))
    storage = open_storage(settings.storage_url)

    def clean_storage() -> None:
        clean(database, storage, settings)

    def clean_runs() -> None:
        for model in RUN_KINDS:
            remove_ended(database, storage, model)

    def clean_deliveries() -> None:
        retention = timedelta(days=settings.webhook_retention_days)
        deleted = deliveries.BATCH
        while deleted == deliveries.BATCH:
            with database.transaction() as session:
                deleted = deliveries.sweep(session, retention=retention)

    def send_webhooks() -> None:
        try:
            send(database, settings, metrics, stop)
        finally:
            stop.set()

    registry = process_registry()
    metrics = KeeperMetrics(registry)
    repeated = (
        (clean_storage, settings.clean_seconds),
        (clean_deliveries, settings.clean_seconds),
        (clean_runs, settings.sweep_seconds),
    )
    # Daemons: what they do not finish, the next keeper does.
    threads = [
        threading.Thread(target=_repeat, args=(work, seconds, stop), name=work.__name__, daemon=True)
        for work, seconds in repeated
    ]
    threads.append(threading.Thread(target=send_webhooks, name="send_webhooks", daemon=True))
    log.info("keeper.started", every_seconds=settings.sweep_seconds)
    with serving(settings, registry):
        for thread in threads:
            thread.start()
        _repeat(
            lambda: sweep(database, outbox, metrics, settings),
            settings.sweep_seconds,
            stop,
        )
    for thread in threads:
        thread.join(STOP_SECONDS)
    celery.close()
    database.close()
    log.info("keeper.stopped")


def _repeat(work: Callable[[], None], seconds: float, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            work()
        except SQLAlchemyError as error:  # unavailable, or not migrated yet
            log.warning("keeper.database_unavailable", error=str(error))
        stop.wait(seconds)


def main() -> None:
    """Run until SIGTERM or Ctrl-C."""
    argparse.ArgumentParser(prog="python -m worker.keeper", description=__doc__).parse_args()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        settings = load_settings()
        settings.open_folders()
        configure_logging(level=settings.log_level, style=settings.log_format)
        configure_tracing(settings, process="keeper")
        keep(settings, stop)
    except SettingsError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
