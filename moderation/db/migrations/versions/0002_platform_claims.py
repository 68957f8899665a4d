"""Room for what a platform's own classifiers say of a clip."""

from alembic import op

revision = "0002"
down_revision: str | None = "0001"


def upgrade() -> None:
    op.get_bind().exec_driver_sql("alter table moderation.clips add column claims jsonb not null default '{}'")


def downgrade() -> None:
    op.get_bind().exec_driver_sql("alter table moderation.clips drop column claims")
