"""Pictures of rights holders' works as vectors of the optional pack's network."""

from importlib.resources import files

from alembic import op

revision = "0028"
down_revision: str | None = "0027"


def upgrade() -> None:
    text = files("moderation.db").joinpath("migrations", "versions", "0028_work_vectors.sql").read_text()
    op.get_bind().exec_driver_sql(text)


def downgrade() -> None:
    bind = op.get_bind()
    bind.exec_driver_sql("drop table moderation.work_vectors")
    bind.exec_driver_sql("delete from moderation.retention where thing = 'work_vectors'")
