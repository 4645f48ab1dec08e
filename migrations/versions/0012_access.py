"""Projects and API keys, and the key that created a run.

Revision: 0012, after 0011
"""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

ID = sa.String(40)
TIME = sa.DateTime(timezone=True)
RUNS = ("jobs", "evaluations")


def upgrade() -> None:
    """Create the tables, with the project that owns all that was stored before."""
    projects = op.create_table(
        "projects",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_projects"),
    )
    op.bulk_insert(projects, [{"id": "default", "name": "default", "created_at": datetime.now(UTC)}])
    op.create_table(
        "api_keys",
        sa.Column("id", ID, nullable=False),
        sa.Column("tenant_id", ID, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("last_characters", sa.String(4), nullable=False),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.Column("revoked_at", TIME),
        sa.Column("last_used_at", TIME),
        sa.Column("replaces", ID),
        sa.Column("created_by", ID),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.ForeignKeyConstraint(["tenant_id"], ["projects.id"], name="fk_api_keys_tenant_id_projects"),
        sa.ForeignKeyConstraint(["replaces"], ["api_keys.id"], name="fk_api_keys_replaces_api_keys"),
        sa.UniqueConstraint("sha256", name="uq_api_keys_sha256"),
    )
    op.create_index("ix_api_keys_tenant_id", "api_keys", ["tenant_id"])
    op.create_index("ix_api_keys_replaces", "api_keys", ["replaces"])
    for table in RUNS:
        op.add_column(table, sa.Column("created_by", ID))


def downgrade() -> None:
    """Drop them; the rows of other projects than the default one stay, and no release before this one shows them."""
    for table in RUNS:
        op.drop_column(table, "created_by")
    op.drop_table("api_keys")
    op.drop_table("projects")
