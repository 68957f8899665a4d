"""Short-lived templates of who is in no registry, off unless an operator says why and for how long."""

from importlib.resources import files

from alembic import op

revision = "0026"
down_revision: str | None = "0025"

TABLES = ("unmatched_templates", "unmatched_keys", "unmatched_keeping")
TRIGGERS = {
    "clips_forget_unmatched": "clips",
    "appearances_forget_unmatched": "appearances",
    "cases_forget_unmatched": "cases",
}


def upgrade() -> None:
    text = files("moderation.db").joinpath("migrations", "versions", "0026_unmatched.sql").read_text()
    op.get_bind().exec_driver_sql(text)


def downgrade() -> None:
    run = op.get_bind().exec_driver_sql
    for trigger, table in TRIGGERS.items():
        run(f"drop trigger {trigger} on moderation.{table}")
    run("drop function moderation.forget_unmatched()")
    run("drop function moderation.forget_unmatched_of_case()")
    for table in TABLES:
        run(f"drop table moderation.{table}")
        run(f"delete from moderation.retention where thing = '{table}'")  # noqa: S608 (our names)
    run("delete from moderation.retention_classes where name = 'short_lived'")
    run("alter table moderation.lookbacks drop column from_templates")
