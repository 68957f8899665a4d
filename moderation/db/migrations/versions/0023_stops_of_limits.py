"""Stops that no revocation put up: stricter limits, a shorter list and a suspension refuse from their commit on too."""

from alembic import op

revision = "0023"
down_revision: str | None = "0022"


def upgrade() -> None:
    run = op.get_bind().exec_driver_sql
    run("alter table moderation.person_stops drop constraint person_stops_pkey")
    run("alter table moderation.person_stops add column stop_id bigint generated always as identity primary key")
    run("alter table moderation.person_stops alter column revocation_id drop not null")
    run("alter table moderation.person_stops add constraint one_stop_per_revocation unique (revocation_id)")


def downgrade() -> None:
    run = op.get_bind().exec_driver_sql
    run("delete from moderation.person_stops where revocation_id is null")
    run("alter table moderation.person_stops drop constraint one_stop_per_revocation")
    run("alter table moderation.person_stops drop column stop_id")
    run("alter table moderation.person_stops add primary key (revocation_id)")
