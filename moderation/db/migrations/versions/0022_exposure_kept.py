"""Keep what people looked at, and their breaks, for half a year: data of staff, of which boards show 90 days."""

from alembic import op

revision = "0022"
down_revision: str | None = "0021"

TABLES = ("exposures", "breaks")


def upgrade() -> None:
    run = op.get_bind().exec_driver_sql
    run(
        "insert into moderation.retention_classes values "
        "('exposure', '180 days', 'How long whom looked at what unveiled, and who took a break when.')"
    )
    run("update moderation.retention set class = 'exposure' where thing in ('exposures', 'breaks')")
    run(
        "create function moderation.refuse_early() returns trigger language plpgsql security definer "
        "set search_path = moderation, pg_temp as $$ begin "
        "if old.ended_at is null or old.ended_at > now() - "
        "(select keep from moderation.retention_classes where name = 'exposure') then "
        "raise exception 'this is append-only until its time is over' using errcode = 'restrict_violation'; "
        "end if; return old; end $$"
    )
    run("drop trigger exposures_append_only on moderation.exposures")
    run(
        "create trigger exposures_unchanged before update on moderation.exposures "
        "for each row execute function moderation.refuse_change()"
    )
    for table in TABLES:
        run(
            f"create trigger {table}_kept before delete on moderation.{table} "
            "for each row execute function moderation.refuse_early()"
        )
        run(f"create index {table}_by_end on moderation.{table} (ended_at)")


def downgrade() -> None:
    run = op.get_bind().exec_driver_sql
    for table in TABLES:
        run(f"drop index moderation.{table}_by_end")
        run(f"drop trigger {table}_kept on moderation.{table}")
    run("drop trigger exposures_unchanged on moderation.exposures")
    run(
        "create trigger exposures_append_only before update or delete on moderation.exposures "
        "for each row execute function moderation.refuse_change()"
    )
    run("drop function moderation.refuse_early()")
    run("update moderation.retention set class = 'permanent' where thing in ('exposures', 'breaks')")
    run("delete from moderation.retention_classes where name = 'exposure'")
