"""Enrolments: challenges, sealed recordings, what was found, who answered."""

from importlib.resources import files

from alembic import op

revision = "0019"
down_revision: str | None = "0018"


def upgrade() -> None:
    text = files("moderation.db").joinpath("migrations", "versions", "0019_enrolments.sql").read_text()
    op.get_bind().exec_driver_sql(text)


def downgrade() -> None:
    bind = op.get_bind()
    bind.exec_driver_sql("drop table moderation.enrolments")
    bind.exec_driver_sql("delete from moderation.retention where thing in ('enrolments', 'blob:recording')")
    bind.exec_driver_sql("delete from moderation.retention_classes where name = 'recording'")
