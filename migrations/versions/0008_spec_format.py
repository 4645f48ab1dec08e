"""The format of a stored spec.

Revision: 0008, after 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

RUNS = ("jobs", "evaluations")


def upgrade() -> None:
    """Specs from before are of the first format, as are those that older processes still write."""
    for table in RUNS:
        op.add_column(table, sa.Column("spec_format", sa.Integer, nullable=False, server_default="1"))


def downgrade() -> None:
    """Drop it; older code refuses what it cannot read."""
    for table in RUNS:
        op.drop_column(table, "spec_format")
