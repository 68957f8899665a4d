"""The review queue: queues and reviewers as rows, opinions, overturns, exposure, and what cases need for them."""

from importlib.resources import files

from alembic import op

revision = "0010"
down_revision: str | None = "0009"

TABLES = (
    "exposures",
    "calibration_cases",
    "golden_answers",
    "overturns",
    "undone_opinions",
    "opinions",
    "queue_changes",
    "reviewers",
    "queues",
)
COLUMNS = (
    "source",
    "effect",
    "stage",
    "leased_at",
    "answered_by",
    "answered_in",
    "undo_until",
    "followed_at",
)


def upgrade() -> None:
    text = files("moderation.db").joinpath("migrations", "versions", "0010_review.sql").read_text()
    op.get_bind().exec_driver_sql(text)


def downgrade() -> None:
    bind = op.get_bind()
    for statement in (
        "drop trigger cases_counted_in on moderation.cases",
        "drop trigger cases_counted_over on moderation.cases",
        "drop trigger organisations_have_queues on moderation.organisations",
        "alter table moderation.cases drop constraint cases_queue_known",
        "drop index moderation.one_open_case_per_clip",
        *(f"alter table moderation.cases drop column {name}" for name in COLUMNS),
        *(f"drop table moderation.{name}" for name in TABLES),
        *(f"delete from moderation.retention where thing = '{name}'" for name in TABLES),  # noqa: S608 (our names)
        "drop function moderation.count_new_cases()",
        "drop function moderation.count_moved_case()",
        "drop function moderation.give_new_organisation_queues()",
        "drop function moderation.give_queues(text)",
        *(f"drop index moderation.{name}" for name in ("cases_of_clip", "cases_by_age", "cases_leased", "cases_done")),
        "create unique index one_open_case_per_clip on moderation.cases (clip_id) where state = 'open'",
    ):
        bind.exec_driver_sql(statement)
