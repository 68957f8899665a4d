"""Find people's decisions by clip without a look at those of rules: rehearsals ask which clips people settled."""

from alembic import op

revision = "0014"
down_revision: str | None = "0013"


def upgrade() -> None:
    op.get_bind().exec_driver_sql(
        "create index decisions_of_people on moderation.decisions (org_id, clip_id, seq) include (outcome) "
        "where actor_kind = 'person'"
    )


def downgrade() -> None:
    op.get_bind().exec_driver_sql("drop index moderation.decisions_of_people")
