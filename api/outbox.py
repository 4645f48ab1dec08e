"""Transactional outbox: a message is written in the same transaction as its run, and sent after the commit.

The keeper sends messages again that were not sent or were lost. A duplicate message does no harm, because its run has
already been claimed.
"""

from collections.abc import Sequence
from datetime import timedelta

import structlog
from celery import Celery
from kombu.exceptions import OperationalError
from opentelemetry.trace import SpanKind
from sqlalchemy import Update, select, update
from sqlalchemy.orm import Session

from api.db import Sessions, now
from api.models import OutboxMessage, Run
from api.telemetry.correlation import continued
from api.telemetry.tracing import tracer

GRACE = timedelta(seconds=5)
"""Time that the process which has committed a message has to send it, before the keeper does."""
TAKEN = timedelta(seconds=30)
"""Time that a keeper has to send a batch, before another keeper does."""
BATCH = 500
MAX_DOUBLINGS = 8

log = structlog.get_logger(__name__)


def add(session: Session, model: type[Run], run_id: str) -> None:
    """Write the message of a run in this transaction; `Outbox.deliver` sends it after the commit."""
    at = now(session)
    session.add(OutboxMessage(run_id=run_id, task=model.task, queued_at=at, due_at=at + GRACE))


class Outbox:
    """Sends committed messages."""

    def __init__(self, database: Sessions, celery: Celery, *, resend: timedelta) -> None:
        self._database = database
        self._celery = celery
        self._resend = resend

    def deliver(self, run_ids: Sequence[str]) -> int:
        """Send the messages of these runs now, and return how many were sent.

        An unavailable broker is not an error: the keeper sends the messages later.
        """
        with self._database.reading() as session:
            messages = session.scalars(select(OutboxMessage).where(OutboxMessage.run_id.in_(run_ids))).all()
        return self._send(messages)

    def deliver_due(self) -> int:
        """Send all messages that are due, oldest first. Concurrent keepers share the work."""
        sent = 0
        while True:
            messages = self._take_due()
            done = self._send(messages)
            self._put_back(messages[done:])
            sent += done
            if done < BATCH:
                return sent

    def _take_due(self) -> Sequence[OutboxMessage]:
        """Return due messages and postpone them, so that no other keeper sends them meanwhile."""
        with self._database.transaction() as session:
            at = now(session)
            messages = session.scalars(
                select(OutboxMessage)
                .where(OutboxMessage.due_at <= at)
                .order_by(OutboxMessage.due_at)
                .limit(BATCH)
                .with_for_update(skip_locked=True)
            ).all()
            for message in messages:
                message.due_at = at + TAKEN
        return messages

    def _put_back(self, messages: Sequence[OutboxMessage]) -> None:
        """Make messages due again that could not be sent."""
        if messages:
            with self._database.transaction() as session:
                at = now(session)
                for message in messages:
                    session.execute(_same(message).values(due_at=at))

    def _send(self, messages: Sequence[OutboxMessage]) -> int:
        sent: list[OutboxMessage] = []
        for message in messages:
            try:
                with tracer.start_as_current_span(
                    f"send {message.task}",
                    context=continued(message.traceparent),
                    kind=SpanKind.PRODUCER,
                    attributes={"td3.run": message.run_id, "td3.sends": message.sends + 1},
                ):
                    self._celery.send_task(message.task, kwargs={"run_id": message.run_id})
            except OperationalError as error:
                log.warning("outbox.broker_unavailable", unsent=len(messages) - len(sent), error=str(error))
                break
            sent.append(message)
        if sent:
            self._mark(sent)
        return len(sent)

    def _mark(self, messages: Sequence[OutboxMessage]) -> None:
        """Postpone the next sending of messages that have not been claimed, each time by twice as long."""
        with self._database.transaction() as session:
            at = now(session)
            for message in messages:
                wait = self._resend * 2 ** min(message.sends, MAX_DOUBLINGS)
                session.execute(_same(message).values(sends=message.sends + 1, due_at=at + wait))


def _same(message: OutboxMessage) -> Update:
    """An update of the message, unless another process has changed it since it was read."""
    return update(OutboxMessage).where(
        OutboxMessage.run_id == message.run_id, OutboxMessage.due_at == message.due_at
    )
