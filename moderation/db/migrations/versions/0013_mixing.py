"""What is mixed into the queues, lots of like cases, and indexes for the figures of quality and operations."""

from importlib.resources import files

from alembic import op

revision = "0013"
down_revision: str | None = "0012"

TABLES = ("trend_cases", "trends", "samples", "second_opinions", "golden_cases")
INDEXES = (
    "one_golden_answer_per_clip",
    "cases_by_arrival",
    "cases_by_risk",
    "decisions_by_time",
    "decisions_sampled",
    "releases_by_time",
    "proofs_by_time",
    "analyses_by_time",
    "stages_by_time",
)


def upgrade() -> None:
    text = files("moderation.db").joinpath("migrations", "versions", "0013_mixing.sql").read_text()
    op.get_bind().exec_driver_sql(text)


def downgrade() -> None:
    bind = op.get_bind()
    for table in TABLES:
        bind.exec_driver_sql(f"drop table moderation.{table}")
        bind.exec_driver_sql(f"delete from moderation.retention where thing = '{table}'")  # noqa: S608 (our names)
    for index in INDEXES:
        bind.exec_driver_sql(f"drop index moderation.{index}")
