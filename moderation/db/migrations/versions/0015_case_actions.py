"""Find what was done with a case: dealing asks it of every case it looks at, and a case's history of one."""

from alembic import op

revision = "0015"
down_revision: str | None = "0014"


def upgrade() -> None:
    op.get_bind().exec_driver_sql(
        "create index case_actions_of_case on moderation.case_actions (case_id, action_id) include (actor, action)"
    )


def downgrade() -> None:
    op.get_bind().exec_driver_sql("drop index moderation.case_actions_of_case")
