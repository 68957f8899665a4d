"""How far hash lists have been compared with older releases."""

from importlib.resources import files

from alembic import op

revision = "0005"
down_revision: str | None = "0004"


def upgrade() -> None:
    text = files("moderation.db").joinpath("migrations", "versions", "0005_hash_sweeps.sql").read_text()
    op.get_bind().exec_driver_sql(text)


def downgrade() -> None:
    op.get_bind().exec_driver_sql("drop table moderation.hash_sweeps")
    op.get_bind().exec_driver_sql("delete from moderation.retention where thing = 'hash_sweeps'")
