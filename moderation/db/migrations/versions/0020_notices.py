"""Notices and appeals: who asks for what about a clip, the clock they run by, and what they keep from the public."""

from importlib.resources import files

from alembic import op

revision = "0020"
down_revision: str | None = "0019"

TABLES = ("sealed_words", "appeals", "notice_alarms", "clip_stops", "notices")


def upgrade() -> None:
    text = files("moderation.db").joinpath("migrations", "versions", "0020_notices.sql").read_text()
    op.get_bind().exec_driver_sql(text)


def downgrade() -> None:
    bind = op.get_bind()
    for table in TABLES:
        bind.exec_driver_sql(f"drop table moderation.{table}")
        bind.exec_driver_sql(f"delete from moderation.retention where thing = '{table}'")  # noqa: S608 (our names)
