"""Runs keep the request and the trace that created them, and the outbox since when a run waits.

Revision: 0003, after 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

RUNS = ("jobs", "evaluations")


def upgrade() -> None:
    """Runs of before know neither; messages of before have waited since about when they were due."""
    for table in RUNS:
        op.add_column(table, sa.Column("request_id", sa.String(64)))
        op.add_column(table, sa.Column("traceparent", sa.String(64)))
    op.add_column("outbox", sa.Column("queued_at", sa.DateTime(timezone=True)))
    op.execute("UPDATE outbox SET queued_at = due_at")
    with op.batch_alter_table("outbox") as outbox:
        outbox.alter_column("queued_at", existing_type=sa.DateTime(timezone=True), nullable=False)


def downgrade() -> None:
    """Forget them."""
    op.drop_column("outbox", "queued_at")
    for table in RUNS:
        op.drop_column(table, "traceparent")
        op.drop_column(table, "request_id")
