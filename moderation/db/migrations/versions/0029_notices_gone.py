"""Notices and appeals about clips that are gone: nobody decided them, and they are neither upheld nor rejected."""

from alembic import op

revision = "0029"
down_revision: str | None = "0028"

TABLES = ("notices", "appeals")


def upgrade() -> None:
    _allow("'open', 'upheld', 'rejected', 'gone'")


def downgrade() -> None:
    for table in TABLES:
        op.get_bind().exec_driver_sql(f"update moderation.{table} set state = 'upheld' where state = 'gone'")  # noqa: S608 (our names)
    _allow("'open', 'upheld', 'rejected'")


def _allow(states: str) -> None:
    for table in TABLES:
        op.get_bind().exec_driver_sql(
            f"alter table moderation.{table} drop constraint {table}_state_check, "
            f"add constraint {table}_state_check check (state in ({states}))"
        )
