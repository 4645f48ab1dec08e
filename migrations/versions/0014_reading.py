"""How a log was read.

Revision: 0014, after 0013
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add an empty column, which is filled as logs are read."""
    op.add_column("datasets", sa.Column("reading", sa.JSON))


def downgrade() -> None:
    """Drop the column with the reports."""
    op.drop_column("datasets", "reading")
