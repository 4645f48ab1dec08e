"""The GPU of a worker.

Revision: 0011, after 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add an empty column; workers of older releases leave it so."""
    op.add_column("workers", sa.Column("gpu", sa.JSON))


def downgrade() -> None:
    """Drop it; heartbeats write it again."""
    op.drop_column("workers", "gpu")
