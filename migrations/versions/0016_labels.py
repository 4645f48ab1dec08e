"""Names, labels and pins of runs, and the indexes by which runs are found.

Revision: 0016, after 0015
"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

RUNS = ("jobs", "evaluations")
OLD = (["tenant_id", "id"], ["tenant_id", "state", "id"])
NEW = (
    ["tenant_id", "created_at", "id"],
    ["tenant_id", "finished_at", "id"],
    ["tenant_id", "state", "created_at", "id"],
    ["tenant_id", "created_by", "created_at", "id"],
)


def upgrade() -> None:
    """Runs of before have no name and no labels, and are not pinned."""
    op.create_table(
        "labels",
        sa.Column("run_id", sa.String(40), nullable=False),
        sa.Column("key", sa.String(63), nullable=False),
        sa.Column("tenant_id", sa.String(40), nullable=False),
        sa.Column("value", sa.String(100), nullable=False),
        sa.PrimaryKeyConstraint("run_id", "key", name="pk_labels"),
    )
    op.create_index("ix_labels_tenant_id_key_value_run_id", "labels", ["tenant_id", "key", "value", "run_id"])
    op.create_index("ix_datasets_tenant_id_name", "datasets", ["tenant_id", "name"])
    for table in RUNS:
        op.add_column(table, sa.Column("name", sa.String(200)))
        op.add_column(table, sa.Column("pinned", sa.Boolean, nullable=False, server_default=sa.false()))
        _replace(table, OLD, NEW)


def downgrade() -> None:
    """Drop them, with the names, the labels and the pins."""
    for table in RUNS:
        _replace(table, NEW, OLD)
        op.drop_column(table, "pinned")
        op.drop_column(table, "name")
    op.drop_index("ix_datasets_tenant_id_name", "datasets")
    op.drop_table("labels")


def _replace(table: str, gone: tuple[list[str], ...], made: tuple[list[str], ...]) -> None:
    for columns in made:
        op.create_index(_name(table, columns), table, columns)
    for columns in gone:
        op.drop_index(_name(table, columns), table)


def _name(table: str, columns: list[str]) -> str:
    return f"ix_{table}_{'_'.join(columns)}"
