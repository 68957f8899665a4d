"""Find decisions by time, and those of people by clip: rehearsals ask for both among all that were ever taken."""

from alembic import op

revision = "0014"
down_revision: str | None = "0013"

BY_TIME = "create index decisions_by_time on moderation.decisions (org_id, created_at)"
OF_PEOPLE = """
create index decisions_of_people on moderation.decisions (org_id, clip_id, seq) include (outcome)
  where actor_kind = 'person'
"""


def upgrade() -> None:
    for statement in (BY_TIME, OF_PEOPLE):
        op.get_bind().exec_driver_sql(statement)


def downgrade() -> None:
    for index in ("decisions_of_people", "decisions_by_time"):
        op.get_bind().exec_driver_sql(f"drop index moderation.{index}")
