"""The first schema, as it stands in the SQL file of the same name."""

from importlib.resources import files

from alembic import op

revision = "0001"
down_revision: str | None = None


def upgrade() -> None:
    text = files("moderation.db").joinpath("migrations", "versions", "0001_first_schema.sql").read_text()
    op.get_bind().exec_driver_sql(text)


def downgrade() -> None:
    op.get_bind().exec_driver_sql("drop schema moderation cascade")
