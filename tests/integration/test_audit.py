"""The audit log: whole chains verify, any change is found and named."""

from datetime import UTC, datetime

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from moderation import audit

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def chained(database):
    with database.transaction() as tx:
        for number in range(40):
            audit.record(tx, NOW, "tester", "thing.done", f"clip_{number}", number=number)
    return database


def breaks(database, key):
    with database.system_transaction() as tx:
        return list(audit.verify(tx, key.public_key()))


def tamper(database, statement):
    with database.system_transaction() as tx:
        tx.pg.execute("set local session_replication_role = replica")
        tx.pg.execute(statement)


def test_untouched_chains_are_whole(chained):
    key = Ed25519PrivateKey.generate()
    with chained.system_transaction() as tx:
        assert audit.sign_roots(tx, NOW, key) == 1
    assert breaks(chained, key) == []


def test_a_changed_body_is_named(chained):
    shard = audit.shard_of("clip_7")
    tamper(
        chained,
        f"update moderation.audit_entries set body = replace(body, 'thing.done', 'thing.undone') "
        f"where shard = {shard} and seq = 1",
    )
    found = breaks(chained, Ed25519PrivateKey.generate())
    assert [(b.shard, b.seq, b.why) for b in found] == [(shard, 1, "its content was changed")]


def test_a_missing_row_is_named(chained):
    with chained.system_transaction() as tx:
        shard = tx.pg.execute("select shard from moderation.audit_heads where seq >= 2 limit 1").fetchone()[0]
    tamper(chained, f"delete from moderation.audit_entries where shard = {shard} and seq = 1")
    found = breaks(chained, Ed25519PrivateKey.generate())
    assert found[0].shard == shard
    assert found[0].why == "row 1 is missing"


def test_rows_cut_off_at_the_end_are_noticed(chained):
    with chained.system_transaction() as tx:
        shard, seq = tx.pg.execute("select shard, seq from moderation.audit_heads where seq >= 2 limit 1").fetchone()
    tamper(chained, f"delete from moderation.audit_entries where shard = {shard} and seq = {seq}")
    assert [b.why for b in breaks(chained, Ed25519PrivateKey.generate())] == [
        "rows at the end of the chain are missing"
    ]


def test_a_chain_rewritten_whole_disagrees_with_its_signed_root(chained):
    key = Ed25519PrivateKey.generate()
    with chained.system_transaction() as tx:
        audit.sign_roots(tx, NOW, key)
        shard = tx.pg.execute("select shard from moderation.audit_heads where seq = 1 limit 1").fetchone()
    if shard is None:
        pytest.fail("with 40 entries over 16 chains one of length 1 was expected")
    forged = audit.link(audit.GENESIS, "{}")
    tamper(chained, f"update moderation.audit_entries set body = '{{}}', hash = '{forged}' where shard = {shard[0]}")
    tamper(chained, f"update moderation.audit_heads set hash = '{forged}' where shard = {shard[0]}")
    assert any("signed root" in b.why for b in breaks(chained, key))


def test_a_root_signed_by_another_key_is_refused(chained):
    with chained.system_transaction() as tx:
        audit.sign_roots(tx, NOW, Ed25519PrivateKey.generate())
    assert any("signature" in b.why for b in breaks(chained, Ed25519PrivateKey.generate()))


def test_entries_cannot_be_changed_or_removed(chained):
    for statement in ("update moderation.audit_entries set body = '{}'", "delete from moderation.audit_entries"):
        with pytest.raises(psycopg.errors.Error), chained.system_transaction() as tx:
            tx.pg.execute(statement)
        with pytest.raises(psycopg.errors.InsufficientPrivilege), chained.transaction() as tx:
            tx.pg.execute(statement)


def test_erasing_a_reference_breaks_no_chain(chained):
    with chained.transaction() as tx:
        handle = audit.refer(tx, NOW, "somebody's name")
        audit.record(tx, NOW, "tester", "person.named", "per_1", name=handle)
    with chained.transaction() as tx:
        assert tx.pg.execute("delete from moderation.audit_references where handle = %s", (handle,)).rowcount == 1
    assert breaks(chained, Ed25519PrivateKey.generate()) == []
