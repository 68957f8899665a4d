"""The planner keeps no sample of what was written about an enrolment: it would outlive the person's erasure."""

from alembic import op

revision = "0027"
down_revision: str | None = "0026"

COLUMNS = ("enrolments alter column reason", "enrolments alter column checks", "audit_references alter column value")


def upgrade() -> None:
    run = op.get_bind().exec_driver_sql
    for column in COLUMNS:
        run(f"alter table moderation.{column} set statistics 0")


def downgrade() -> None:
    run = op.get_bind().exec_driver_sql
    for column in COLUMNS:
        run(f"alter table moderation.{column} set statistics -1")
