"""Looking back: clips that were judged before somebody registered are read again and compared with them."""

from importlib.resources import files

from alembic import op

revision = "0024"
down_revision: str | None = "0023"

TABLES = ("lookback_clips", "lookbacks")


def upgrade() -> None:
    text = files("moderation.db").joinpath("migrations", "versions", "0024_lookbacks.sql").read_text()
    op.get_bind().exec_driver_sql(text)


def downgrade() -> None:
    bind = op.get_bind()
    for table in TABLES:
        bind.exec_driver_sql(f"drop table moderation.{table}")
        bind.exec_driver_sql(f"delete from moderation.retention where thing = '{table}'")  # noqa: S608 (our names)
