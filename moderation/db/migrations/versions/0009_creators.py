"""Find a creator's clips: what they handed in before is among the facts of every judgement."""

from alembic import op

revision = "0009"
down_revision: str | None = "0008"


def upgrade() -> None:
    op.get_bind().exec_driver_sql(
        "create index clips_by_creator on moderation.clips (org_id, creator) where creator is not null"
    )


def downgrade() -> None:
    op.get_bind().exec_driver_sql("drop index moderation.clips_by_creator")
