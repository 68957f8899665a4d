"""The life cycle of policies: bundles, pointers, emergency rules, and what rules in shadow would have decided."""

from importlib.resources import files

from alembic import op

revision = "0008"
down_revision: str | None = "0007"

TABLES = ("shadow_decisions", "policy_jobs", "emergency_rules", "policy_pointers", "policy_steps", "policy_bundles")


def upgrade() -> None:
    text = files("moderation.db").joinpath("migrations", "versions", "0008_policies.sql").read_text()
    op.get_bind().exec_driver_sql(text)


def downgrade() -> None:
    bind = op.get_bind()
    for table in TABLES:
        bind.exec_driver_sql(f"drop table moderation.{table}")
        bind.exec_driver_sql(f"delete from moderation.retention where thing = '{table}'")  # noqa: S608 (our names)
    for function in ("tell_policies_moved", "refuse_rewriting"):
        bind.exec_driver_sql(f"drop function moderation.{function}()")
    bind.exec_driver_sql("alter table moderation.workers drop column policies")
