"""Members of projects, and users in the audit log.

Revision: 0017, after 0016
"""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table, and the columns that name a user."""
    op.create_table(
        "members",
        sa.Column("id", sa.String(40), nullable=False),
        sa.Column("tenant_id", sa.String(40), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("user_id", sa.String(40), nullable=False),
        sa.Column("issuer", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("created_by", sa.String(40)),
        sa.PrimaryKeyConstraint("id", name="pk_members"),
        sa.ForeignKeyConstraint(["tenant_id"], ["projects.id"], name="fk_members_tenant_id_projects"),
        sa.UniqueConstraint("tenant_id", "user_id", name="uq_members_tenant_id_user_id"),
    )
    op.create_index("ix_members_user_id", "members", ["user_id"])
    op.add_column("audit", sa.Column("user_id", sa.String(40)))
    op.add_column("audit", sa.Column("user", sa.JSON))


def downgrade() -> None:
    """Drop them; entries of users then name nobody."""
    op.drop_column("audit", "user")
    op.drop_column("audit", "user_id")
    op.drop_table("members")
