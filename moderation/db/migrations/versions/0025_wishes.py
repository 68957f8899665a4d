"""Wishes to be out of a clip outlast what becomes of it; targets of revocations know when they were judged."""

from importlib.resources import files

from alembic import op

revision = "0025"
down_revision: str | None = "0024"


def upgrade() -> None:
    text = files("moderation.db").joinpath("migrations", "versions", "0025_wishes.sql").read_text()
    op.get_bind().exec_driver_sql(text)


def downgrade() -> None:
    run = op.get_bind().exec_driver_sql
    run("drop table moderation.removal_wishes")
    run("delete from moderation.retention where thing = 'removal_wishes'")
    run("drop index moderation.revocation_targets_unsettled")
    run("alter table moderation.revocation_targets drop column settled_at")
