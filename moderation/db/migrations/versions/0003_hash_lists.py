"""Hash lists and fingerprints of incoming clips; `known_hashes` becomes lists of known illegal material."""

from importlib.resources import files

from alembic import op

revision = "0003"
down_revision: str | None = "0002"


def upgrade() -> None:
    text = files("moderation.db").joinpath("migrations", "versions", "0003_hash_lists.sql").read_text()
    op.get_bind().exec_driver_sql(text)


def downgrade() -> None:
    raise NotImplementedError("lists are not taken back into the older, poorer table")
