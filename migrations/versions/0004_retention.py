"""When logs and summaries expired, and rows by what they point at in storage.

Revision: 0004, after 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLES = ("datasets", "summaries")


def upgrade() -> None:
    """Nothing has expired so far."""
    for table in TABLES:
        op.add_column(table, sa.Column("expired_at", sa.DateTime(timezone=True)))
        op.create_index(f"ix_{table}_storage_key", table, ["storage_key"])


def downgrade() -> None:
    """Older versions will miss in storage what has expired."""
    for table in TABLES:
        op.drop_index(f"ix_{table}_storage_key", table)
        op.drop_column(table, "expired_at")
