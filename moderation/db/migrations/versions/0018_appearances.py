"""Who appears where, what was made from what, and what a revocation stops, reaches and has come to."""

from importlib.resources import files

from alembic import op

revision = "0018"
down_revision: str | None = "0017"

TABLES = ("revocation_runs", "revocation_targets", "person_stops", "lineage", "appearances")


def upgrade() -> None:
    text = files("moderation.db").joinpath("migrations", "versions", "0018_appearances.sql").read_text()
    op.get_bind().exec_driver_sql(text)


def downgrade() -> None:
    bind = op.get_bind()
    for table in TABLES:
        bind.exec_driver_sql(f"drop table moderation.{table}")
        bind.exec_driver_sql(f"delete from moderation.retention where thing = '{table}'")  # noqa: S608 (our names)
    bind.exec_driver_sql("alter table moderation.events disable trigger events_append_only")
    bind.exec_driver_sql(
        "delete from moderation.deliveries where event_id in "
        "(select event_id from moderation.events where clip_id is null)"
    )
    bind.exec_driver_sql("delete from moderation.events where clip_id is null")
    bind.exec_driver_sql("alter table moderation.events enable trigger events_append_only")
    bind.exec_driver_sql("drop index moderation.events_of_subject")
    bind.exec_driver_sql("alter table moderation.events drop constraint events_have_a_subject")
    bind.exec_driver_sql("alter table moderation.events drop column about")
    bind.exec_driver_sql("alter table moderation.events alter column clip_id set not null")
