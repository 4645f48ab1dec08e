"""Deleted runs.

Revision: 0019, after 0018
"""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

RUNS = ("jobs", "evaluations")
DELETED = sa.text("deleted_at IS NOT NULL")


def upgrade() -> None:
    """No run of before is deleted."""
    for table in RUNS:
        op.add_column(table, sa.Column("deleted_at", sa.DateTime(timezone=True)))
        op.create_index(
            f"ix_{table}_deleted_at", table, ["deleted_at"], sqlite_where=DELETED, postgresql_where=DELETED
        )


def downgrade() -> None:
    """Show again what was deleted and is still there."""
    for table in RUNS:
        op.drop_index(f"ix_{table}_deleted_at", table)
        op.drop_column(table, "deleted_at")
