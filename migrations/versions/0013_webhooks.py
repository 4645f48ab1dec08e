"""Webhooks and their deliveries.

Revision: 0013, after 0012
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

ID = sa.String(40)
TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables; nobody is told of earlier events unless a client asks for them."""
    op.create_table(
        "webhooks",
        sa.Column("id", ID, nullable=False),
        sa.Column("tenant_id", ID, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("events", sa.JSON, nullable=False),
        sa.Column("job_id", ID),
        sa.Column("secret", sa.String(120), nullable=False),
        sa.Column("former_secret", sa.String(120)),
        sa.Column("former_until", TIME),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("disabled_reason", sa.Text),
        sa.Column("failing_since", TIME),
        sa.PrimaryKeyConstraint("id", name="pk_webhooks"),
    )
    op.create_index("ix_webhooks_tenant_id_id", "webhooks", ["tenant_id", "id"])
    op.create_index("ix_webhooks_tenant_id_job_id", "webhooks", ["tenant_id", "job_id"])
    op.create_table(
        "deliveries",
        sa.Column("id", ID, nullable=False),
        sa.Column("tenant_id", ID, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("webhook_id", ID, nullable=False),
        sa.Column("type", sa.String(64), nullable=False),
        sa.Column("run_id", ID),
        sa.Column("seq", sa.Integer),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("tries", sa.JSON, nullable=False),
        sa.Column("next_try_at", TIME),
        sa.PrimaryKeyConstraint("id", name="pk_deliveries"),
    )
    op.create_index("ix_deliveries_webhook_id_id", "deliveries", ["webhook_id", "id"])
    op.create_index(
        "uq_deliveries_webhook_id_run_id_seq", "deliveries", ["webhook_id", "run_id", "seq"], unique=True
    )
    op.create_index("ix_deliveries_state_next_try_at", "deliveries", ["state", "next_try_at"])


def downgrade() -> None:
    """Drop them, with the endpoints and what they were not told yet."""
    op.drop_table("deliveries")
    op.drop_table("webhooks")
