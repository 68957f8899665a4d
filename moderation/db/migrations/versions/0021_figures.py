"""Public figures and rights holders: rosters, works, single people's lines, and whom each gallery version changed."""

from importlib.resources import files

from alembic import op

revision = "0021"
down_revision: str | None = "0020"

TABLES = ("works", "imported_pictures", "imported_people", "gallery_changes")


def upgrade() -> None:
    text = files("moderation.db").joinpath("migrations", "versions", "0021_figures.sql").read_text()
    op.get_bind().exec_driver_sql(text)


def downgrade() -> None:
    bind = op.get_bind()
    for table in TABLES:
        bind.exec_driver_sql(f"drop table moderation.{table}")
        bind.exec_driver_sql(f"delete from moderation.retention where thing = '{table}'")  # noqa: S608 (our names)
    bind.exec_driver_sql("drop index moderation.people_with_lines_of_their_own")
    bind.exec_driver_sql("alter table moderation.people drop column line_shift")
