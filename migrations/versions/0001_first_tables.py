"""Datasets, jobs, summaries, evaluations and the outbox.

Revision: 0001, the first
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.String(40)
TIME = sa.DateTime(timezone=True)
RUNS = ("jobs", "evaluations")


def resource_columns() -> list[sa.Column]:
    """What every resource has."""
    return [
        sa.Column("id", ID, nullable=False),
        sa.Column("tenant_id", ID, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
    ]


def run_columns() -> list[sa.Column]:
    """What everything has that a worker can claim."""
    return [
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("crashes", sa.Integer, nullable=False),
        sa.Column("worker", sa.String(255)),
        sa.Column("lease_expires_at", TIME),
        sa.Column("stage", sa.String(32)),
        sa.Column("progress", sa.Double, nullable=False),
        sa.Column("step", sa.Integer, nullable=False),
        sa.Column("steps", sa.Integer, nullable=False),
        sa.Column("losses", sa.JSON),
        sa.Column("eta_seconds", sa.Double),
        sa.Column("error", sa.JSON),
        sa.Column("started_at", TIME),
        sa.Column("finished_at", TIME),
    ]


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "datasets",
        *resource_columns(),
        sa.Column("name", sa.Text),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("storage_key", sa.Text, nullable=False),
        sa.Column("profile", sa.JSON),
        sa.PrimaryKeyConstraint("id", name="pk_datasets"),
    )
    op.create_index("ix_datasets_sha256", "datasets", ["sha256"])
    op.create_table(
        "jobs",
        *resource_columns(),
        *run_columns(),
        sa.Column("dataset_id", ID, nullable=False),
        sa.Column("spec", sa.JSON, nullable=False),
        sa.Column("metrics", sa.JSON),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
        sa.ForeignKeyConstraint(["dataset_id"], ["datasets.id"], name="fk_jobs_dataset_id_datasets"),
    )
    op.create_index("ix_jobs_dataset_id", "jobs", ["dataset_id"])
    op.create_table(
        "summaries",
        sa.Column("job_id", ID, nullable=False),
        sa.Column("tenant_id", ID, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("storage_key", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("job_id", name="pk_summaries"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_summaries_job_id_jobs"),
    )
    op.create_index("ix_summaries_sha256", "summaries", ["sha256"])
    op.create_table(
        "evaluations",
        *resource_columns(),
        *run_columns(),
        sa.Column("job_id", ID, nullable=False),
        sa.Column("spec", sa.JSON, nullable=False),
        sa.Column("result", sa.JSON),
        sa.PrimaryKeyConstraint("id", name="pk_evaluations"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_evaluations_job_id_jobs"),
    )
    op.create_index("ix_evaluations_job_id", "evaluations", ["job_id"])
    for table in RUNS:
        op.create_index(f"ix_{table}_tenant_id_id", table, ["tenant_id", "id"])
        op.create_index(f"ix_{table}_tenant_id_state_id", table, ["tenant_id", "state", "id"])
        op.create_index(f"ix_{table}_state_lease_expires_at", table, ["state", "lease_expires_at"])
    op.create_table(
        "outbox",
        sa.Column("run_id", ID, nullable=False),
        sa.Column("task", sa.String(64), nullable=False),
        sa.Column("sends", sa.Integer, nullable=False),
        sa.Column("due_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_outbox"),
    )
    op.create_index("ix_outbox_due_at", "outbox", ["due_at"])


def downgrade() -> None:
    """Drop them, with what they hold."""
    for table in ("outbox", "evaluations", "summaries", "jobs", "datasets"):
        op.drop_table(table)
