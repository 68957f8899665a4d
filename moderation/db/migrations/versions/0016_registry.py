"""The likeness registry whole: where people stand, aliases, lists, limits, what grants cover, erasures to finish."""

from importlib.resources import files

from alembic import op

revision = "0016"
down_revision: str | None = "0015"

TABLES = ("erasures", "person_limits", "list_entries", "grantee_lists", "aliases")
COLUMNS = {
    "clips": ("purpose",),
    "grants": ("grantee_kind", "limits", "audience", "remix", "replaces"),
    "people": ("state", "account", "age_band", "guardian"),
}
INDEXES = (
    "people_in_order",
    "templates_of_person",
    "gallery_vectors_of_person",
    "grants_of_person",
    "revocations_of_person",
)


def upgrade() -> None:
    text = files("moderation.db").joinpath("migrations", "versions", "0016_registry.sql").read_text()
    op.get_bind().exec_driver_sql(text)


def downgrade() -> None:
    bind = op.get_bind()
    for index in INDEXES:
        bind.exec_driver_sql(f"drop index moderation.{index}")
    for table in TABLES:
        bind.exec_driver_sql(f"drop table moderation.{table}")
        bind.exec_driver_sql(f"delete from moderation.retention where thing = '{table}'")  # noqa: S608 (our names)
    bind.exec_driver_sql("alter table moderation.people drop constraint teens_have_guardians")
    bind.exec_driver_sql("alter table moderation.grants drop constraint grantee_named")
    for table, columns in COLUMNS.items():
        for column in columns:
            bind.exec_driver_sql(f"alter table moderation.{table} drop column {column}")
