"""A public figure who has a record of their own besides: one link between the two."""

from importlib.resources import files

from alembic import op

revision = "0031"
down_revision: str | None = "0030"


def upgrade() -> None:
    text = files("moderation.db").joinpath("migrations", "versions", "0031_same_person.sql").read_text()
    op.get_bind().exec_driver_sql(text)


def downgrade() -> None:
    op.get_bind().exec_driver_sql("alter table moderation.people drop column same_as")
