"""Questions to people whose grants say `ask_me`, their answers, passkeys, and the way to their own page."""

from importlib.resources import files

from alembic import op

revision = "0017"
down_revision: str | None = "0016"

TABLES = ("owner_sessions", "owner_links", "consent_answers", "passkeys", "questions")


def upgrade() -> None:
    text = files("moderation.db").joinpath("migrations", "versions", "0017_owners.sql").read_text()
    op.get_bind().exec_driver_sql(text)


def downgrade() -> None:
    bind = op.get_bind()
    for table in TABLES:
        bind.exec_driver_sql(f"drop table moderation.{table}")
        bind.exec_driver_sql(f"delete from moderation.retention where thing = '{table}'")  # noqa: S608 (our names)
