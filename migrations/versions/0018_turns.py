"""Whose turn it is: classes of runs, weights of projects and what they have used of the workers.

Revision: 0018, after 0017
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
RUNS = ("jobs", "evaluations")
QUEUED = sa.text("state = 'queued'")


def upgrade() -> None:
    """Add the columns, with values that treat all runs and all projects alike."""
    op.create_table(
        "device_use",
        sa.Column("tenant_id", sa.String(40), nullable=False),
        sa.Column("at", TIME, nullable=False),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("claims", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_device_use"),
    )
    op.add_column("projects", sa.Column("weight", sa.Double, nullable=False, server_default="1"))
    for table in RUNS:
        op.add_column(table, sa.Column("priority", sa.SmallInteger, nullable=False, server_default="1"))
        op.add_column(table, sa.Column("claimed_at", TIME))
        op.add_column(table, sa.Column("yields", sa.Boolean, nullable=False, server_default=sa.false()))
        op.create_index(
            f"ix_{table}_priority_tenant_id_created_at_id",
            table,
            ["priority", "tenant_id", "created_at", "id"],
            postgresql_where=QUEUED,
            sqlite_where=QUEUED,
        )


def downgrade() -> None:
    """Drop them."""
    for table in RUNS:
        op.drop_index(f"ix_{table}_priority_tenant_id_created_at_id", table)
        op.drop_column(table, "yields")
        op.drop_column(table, "claimed_at")
        op.drop_column(table, "priority")
    op.drop_column("projects", "weight")
    op.drop_table("device_use")
