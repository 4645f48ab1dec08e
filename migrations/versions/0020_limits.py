"""Limits of projects, uploads in progress, and what jobs reserve.

Revision: 0020, after 0019
"""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """No project has limits, and nothing is reserved for the jobs of before."""
    op.add_column("projects", sa.Column("limits", sa.JSON))
    op.add_column("jobs", sa.Column("reserved_bytes", sa.BigInteger))
    op.create_index("ix_datasets_tenant_id_storage_key", "datasets", ["tenant_id", "storage_key"])
    op.create_index("ix_summaries_tenant_id", "summaries", ["tenant_id"])
    op.create_table(
        "uploads",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("tenant_id", sa.String(40), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_uploads"),
    )
    op.create_index("ix_uploads_tenant_id", "uploads", ["tenant_id"])


def downgrade() -> None:
    """Drop them, with the limits."""
    op.drop_table("uploads")
    op.drop_index("ix_summaries_tenant_id", "summaries")
    op.drop_index("ix_datasets_tenant_id_storage_key", "datasets")
    op.drop_column("jobs", "reserved_bytes")
    op.drop_column("projects", "limits")
