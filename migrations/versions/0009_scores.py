"""Ranking metrics of a run in progress, apart from its losses.

Revision: 0009, after 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

RUNS = ("jobs", "evaluations")


def upgrade() -> None:
    """Add an empty column; older processes leave it so, and write the metrics among the losses."""
    for table in RUNS:
        op.add_column(table, sa.Column("scores", sa.JSON))


def downgrade() -> None:
    """Drop it; a run in progress reports the metrics anew."""
    for table in RUNS:
        op.drop_column(table, "scores")
