"""Sessions that the server can end, and people who are shut out."""

from importlib.resources import files

from alembic import op

revision = "0010"
down_revision: str | None = "0009"


def upgrade() -> None:
    text = files("moderation.db").joinpath("migrations", "versions", "0010_sessions.sql").read_text()
    op.get_bind().exec_driver_sql(text)


def downgrade() -> None:
    bind = op.get_bind()
    bind.exec_driver_sql("drop table moderation.sessions")
    bind.exec_driver_sql("delete from moderation.retention where thing = 'sessions'")
    bind.exec_driver_sql("alter table moderation.principals drop column barred_at")
