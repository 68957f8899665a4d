"""The first schema: `db/schema.sql` as it stood at this revision."""

from importlib.resources import files

from alembic import op

revision = "0001"
down_revision: str | None = None


def upgrade() -> None:
    op.get_bind().exec_driver_sql(files("moderation.db").joinpath("schema.sql").read_text())


def downgrade() -> None:
    op.get_bind().exec_driver_sql("drop schema moderation cascade")
