"""Which workers serve which queues, and what is wrong with them."""

from importlib.resources import files

from alembic import op

revision = "0004"
down_revision: str | None = "0003"


def upgrade() -> None:
    text = files("moderation.db").joinpath("migrations", "versions", "0004_workers.sql").read_text()
    op.get_bind().exec_driver_sql(text)


def downgrade() -> None:
    op.get_bind().exec_driver_sql("drop table moderation.workers")
    op.get_bind().exec_driver_sql("delete from moderation.retention where thing = 'workers'")
