"""Checkpoints, and deadlines.

Revision: 0005, after 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

RUNS = ("jobs", "evaluations")


def upgrade() -> None:
    """Create the table; runs from before have no checkpoints and no deadline."""
    op.create_table(
        "checkpoints",
        sa.Column("run_id", sa.String(40), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("storage_key", sa.Text, nullable=False),
        sa.Column("bytes", sa.BigInteger),
        sa.Column("progress", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "number", name="pk_checkpoints"),
    )
    op.create_index("ix_checkpoints_storage_key", "checkpoints", ["storage_key"])
    for table in RUNS:
        op.add_column(table, sa.Column("deadline_at", sa.DateTime(timezone=True)))


def downgrade() -> None:
    """Drop them; what is paused looks abandoned to older code, which queues it again."""
    for table in RUNS:
        op.execute(
            f"UPDATE {table} SET state = 'running', lease_expires_at = coalesce(lease_expires_at, created_at) "
            "WHERE state IN ('pausing', 'paused')"
        )
        op.drop_column(table, "deadline_at")
    op.drop_table("checkpoints")
