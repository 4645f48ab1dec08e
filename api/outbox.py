"""Transactional outbox: a message is written with the run it announces, and sent after the commit.

What a crash or a broker left unsent, or sent and lost again, the keeper finds here and sends once more.
A message too many does no harm, for it finds nothing to claim.
"""

from collections.abc import Sequence
from datetime import timedelta

import structlog
from celery import Celery
from kombu.exceptions import OperationalError
from opentelemetry.trace import SpanKind
from sqlalchemy import Update, select, update
from sqlalchemy.orm import Session

from api.db import Database, now
from api.models import OutboxMessage, Run
from api.telemetry.correlation import continued
from api.telemetry.tracing import tracer

GRACE = timedelta(seconds=5)
"""How long whoever commits a message has for sending it before the keeper does."""
TAKEN = timedelta(seconds=30)
"""How long a keeper has for sending a batch before another one does."""
BATCH = 500
MAX_DOUBLINGS = 8

log = structlog.get_logger(__name__)


def add(session: Session, model: type[Run], run_id: str) -> None:
    """Announce the run when this transaction commits; `Outbox.deliver` then sends what was written."""
    at = now(session)
    session.add(OutboxMessage(run_id=run_id, task=model.task, queued_at=at, due_at=at + GRACE))


class Outbox:
    """Sends what was committed."""

    def __init__(self, database: Database, celery: Celery, *, resend: timedelta) -> None:
        self._database = database
        self._celery = celery
        self._resend = resend

    def deliver(self, run_ids: Sequence[str]) -> int:
        """Send the messages of these runs now, and say how many went out.

        A broker that does not answer is no error here: the keeper will find them.
        """
        with self._database.reading() as session:
            messages = session.scalars(select(OutboxMessage).where(OutboxMessage.run_id.in_(run_ids))).all()
        return self._send(messages)

    def deliver_due(self) -> int:
        """Send what should have been sent, or claimed, by now; oldest first. Two keepers share the work."""
        sent = 0
        while True:
            messages = self._take_due()
            done = self._send(messages)
            self._put_back(messages[done:])
            sent += done
            if done < BATCH:
                return sent

    def _take_due(self) -> Sequence[OutboxMessage]:
        """Put off what is due, so that nobody else takes it while it is being sent."""
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
        """Let what could not be sent be due again."""
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
        """Put off the next sending, each time twice as long, of what nobody has claimed meanwhile."""
        with self._database.transaction() as session:
            at = now(session)
            for message in messages:
                wait = self._resend * 2 ** min(message.sends, MAX_DOUBLINGS)
                session.execute(_same(message).values(sends=message.sends + 1, due_at=at + wait))


def _same(message: OutboxMessage) -> Update:
    """Change the message, unless somebody has taken or sent it since it was read."""
    return update(OutboxMessage).where(
        OutboxMessage.run_id == message.run_id, OutboxMessage.due_at == message.due_at
    )
