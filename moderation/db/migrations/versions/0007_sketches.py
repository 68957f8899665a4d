"""Sketches beside the fingerprints: what a part of a picture is compared with."""

from alembic import op

revision = "0007"
down_revision: str | None = "0006"


def upgrade() -> None:
    op.get_bind().exec_driver_sql("alter table moderation.fingerprints add column sketches bytea")


def downgrade() -> None:
    op.get_bind().exec_driver_sql("alter table moderation.fingerprints drop column sketches")
