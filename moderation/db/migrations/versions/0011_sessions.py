"""Sessions that the server can end, people who are shut out, pseudonyms of creators, and what searches need."""

from importlib.resources import files

from alembic import op

revision = "0011"
down_revision: str | None = "0010"


def upgrade() -> None:
    text = files("moderation.db").joinpath("migrations", "versions", "0011_sessions.sql").read_text()
    op.get_bind().exec_driver_sql(text)


TABLES = ("audit_checks", "creators", "sessions")
INDEXES = (
    "clips_by_words",
    "clips_by_status",
    "decisions_by_policy",
    "decisions_by_person",
    "decisions_by_reason",
    "decisions_by_rule",
    "audit_entries_by_time",
)


def downgrade() -> None:
    bind = op.get_bind()
    for trigger, function in (("clips_name_creators", "name_creators"), ("clips_forget_creators", "forget_creator")):
        bind.exec_driver_sql(f"drop trigger {trigger} on moderation.clips")
        bind.exec_driver_sql(f"drop function moderation.{function}()")
    for table in TABLES:
        bind.exec_driver_sql(f"drop table moderation.{table}")
        bind.exec_driver_sql(f"delete from moderation.retention where thing = '{table}'")  # noqa: S608 (our names)
    bind.exec_driver_sql("drop function moderation.new_pseudonym()")
    for function in ("clips_with_words(text)", "clips_with_reason(jsonb)", "clips_with_rule(jsonb)"):
        bind.exec_driver_sql(f"drop function moderation.{function}")
    for index in INDEXES:
        bind.exec_driver_sql(f"drop index moderation.{index}")
    for column in ("actor", "action", "subject", "policy"):
        bind.exec_driver_sql(f"alter table moderation.audit_entries drop column {column}")
    bind.exec_driver_sql("alter table moderation.principals drop column barred_at")
