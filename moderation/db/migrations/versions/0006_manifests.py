"""Find a stored C2PA manifest by its id."""

from alembic import op

revision = "0006"
down_revision: str | None = "0005"


def upgrade() -> None:
    op.get_bind().exec_driver_sql(
        "create index renditions_by_manifest on moderation.renditions ((report ->> 'manifest_id')) "
        "where kind = 'marked'"
    )


def downgrade() -> None:
    op.get_bind().exec_driver_sql("drop index moderation.renditions_by_manifest")
