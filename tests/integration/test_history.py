"""What is known of a creator and of a clip's ancestors, over a real database."""

from datetime import UTC, datetime, timedelta

import pytest
from psycopg.types.json import Jsonb

from moderation.db.clips import read_clip
from moderation.history import GENERATIONS, account_facts, lineage_facts
from moderation.policy.registry import FACTS

ORG = "default"
NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def store(database):
    """Write clips down as they might stand: status, creator, parents, age in days, whether a file was released."""

    def write(clip, *, status="released", creator="ana", parents=(), days=0, org=ORG, no_remix=False):
        row = {"org": org, "clip": clip, "status": status, "creator": creator, "parents": list(parents)}
        row |= {"at": NOW - timedelta(days=days), "audience": Jsonb({"audience": {"no_remix": no_remix}})}
        with database.system_transaction() as tx:
            # Only what is counted matters here: a release without its proofs, a decision of one line.
            tx.pg.execute("set local session_replication_role = replica")
            tx.pg.execute("insert into moderation.organisations (org_id) values (%s) on conflict do nothing", [org])
            tx.pg.execute(
                "insert into moderation.clips (org_id, clip_id, status, creator, parents, created_at, updated_at) "
                "values (%(org)s, %(clip)s, %(status)s, %(creator)s, %(parents)s, %(at)s, %(at)s)",
                row,
            )
            tx.pg.execute(
                "insert into moderation.decisions (org_id, decision_id, clip_id, seq, outcome, body, actor_kind, actor, "
                "created_at) values (%(org)s, 'dec_' || %(clip)s, %(clip)s, 1, 'allow', %(audience)s::text, 'rule', 'r', "
                "%(at)s)",
                row,
            )
            if status in ("released", "withdrawn"):
                tx.pg.execute(
                    "insert into moderation.releases (org_id, clip_id, sha256, blob_key, decision_id, released_at) "
                    "values (%(org)s, %(clip)s, 'h', 'k', 'dec_' || %(clip)s, %(at)s)",
                    row,
                )

    return write


def facts_of(database, clip):
    with database.transaction(ORG) as tx:
        found = read_clip(tx, clip)
        return account_facts(tx, found, NOW), lineage_facts(tx, found)


def test_a_creators_earlier_clips_are_counted(database, store):
    store("clip_old", days=40)
    store("clip_taken_back", status="withdrawn", days=3)
    store("clip_blocked", status="withheld", days=2)
    store("clip_of_ben", creator="ben", days=900)
    store("clip_elsewhere", org="other", days=900)
    store("clip_now", status="processing")
    account, _ = facts_of(database, "clip_now")
    assert account == {"clips": 3, "released_clips": 2, "blocked_clips": 1, "days": 40}


def test_a_first_clip_is_a_first_clip_and_of_nobody_nothing_is_known(database, store):
    store("clip_first", status="processing")
    store("clip_nameless", status="processing", creator=None)
    assert facts_of(database, "clip_first")[0] == {"clips": 0, "released_clips": 0, "blocked_clips": 0, "days": 0}
    assert facts_of(database, "clip_nameless")[0] == {}


def test_ancestors_are_followed_and_counted_once(database, store):
    store("clip_root", status="withheld")
    store("clip_left", parents=["clip_root"], no_remix=True)
    store("clip_right", parents=["clip_root", "clip_nowhere"], status="withdrawn")
    store("clip_now", parents=["clip_left", "clip_right"], status="processing")
    assert facts_of(database, "clip_now")[1] == {
        "depth": 2,
        "withdrawn_parents": 2,
        "unknown_parents": 1,
        "no_remix_parents": 1,
    }
    store("clip_alone", status="processing")
    assert facts_of(database, "clip_alone")[1] == dict.fromkeys(
        ("depth", "withdrawn_parents", "unknown_parents", "no_remix_parents"), 0
    )


def test_another_organisations_clip_is_no_clip_of_ours(database, store):
    store("clip_theirs", org="other", status="withheld")
    store("clip_now", parents=["clip_theirs"], status="processing")
    lineage = facts_of(database, "clip_now")[1]
    assert (lineage["withdrawn_parents"], lineage["unknown_parents"]) == (0, 1)


def test_clips_that_name_one_another_end(database, store):
    store("clip_hen", parents=["clip_egg"], status="processing")
    store("clip_egg", parents=["clip_hen"])
    lineage = facts_of(database, "clip_hen")[1]
    assert lineage == {"depth": GENERATIONS - 1, "withdrawn_parents": 0, "unknown_parents": 0, "no_remix_parents": 0}


def test_every_fact_has_its_name_in_the_vocabulary(database, store):
    store("clip_now", status="processing")
    account, lineage = facts_of(database, "clip_now")
    named = {f"account.{name}" for name in account} | {f"lineage.{name}" for name in lineage}
    assert named == {name for name in FACTS if name.partition(".")[0] in ("account", "lineage")}
