"""One small picture of a public figure, and faces of clips cut out for reviewers."""

from importlib.resources import files

from alembic import op

revision = "0030"
down_revision: str | None = "0029"


def upgrade() -> None:
    text = files("moderation.db").joinpath("migrations", "versions", "0030_portraits.sql").read_text()
    op.get_bind().exec_driver_sql(text)


def downgrade() -> None:
    bind = op.get_bind()
    bind.exec_driver_sql("drop table moderation.portraits")
    bind.exec_driver_sql("delete from moderation.retention where thing = 'portraits'")
    bind.exec_driver_sql("delete from moderation.renditions where kind like '%face_%'")
    bind.exec_driver_sql("alter table moderation.renditions drop constraint renditions_kind_check")
    bind.exec_driver_sql(
        "alter table moderation.renditions add constraint renditions_kind_check check ("
        "kind in ('marked', 'veiled', 'cartoon', 'strip', 'sound') or kind ~ '^still_[0-9]+$')"
    )
