"""Counted reveals, breaks, and the renditions that one reviewer was given of one case."""

from importlib.resources import files

from alembic import op

revision = "0012"
down_revision: str | None = "0011"

TABLES = ("case_renditions", "breaks", "reveals")


def upgrade() -> None:
    text = files("moderation.db").joinpath("migrations", "versions", "0012_reveals.sql").read_text()
    op.get_bind().exec_driver_sql(text)


def downgrade() -> None:
    bind = op.get_bind()
    for table in TABLES:
        bind.exec_driver_sql(f"drop table moderation.{table}")
        bind.exec_driver_sql(f"delete from moderation.retention where thing = '{table}'")  # noqa: S608 (our names)
    bind.exec_driver_sql("delete from moderation.retention where thing = 'blob:personal'")
    bind.exec_driver_sql("delete from moderation.retention_classes where name = 'personal'")
    bind.exec_driver_sql("delete from moderation.renditions where kind not in ('marked', 'veiled')")
    bind.exec_driver_sql("alter table moderation.renditions drop constraint renditions_kind_check")
    bind.exec_driver_sql(
        "alter table moderation.renditions add constraint renditions_kind_check check (kind in ('marked', 'veiled'))"
    )
