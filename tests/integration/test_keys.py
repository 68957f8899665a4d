"""Keys: shown once, stored hashed, ended at once, and never more than their scopes."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from moderation import keys
from moderation.clock import FixedClock
from moderation.db import Database
from moderation.engine import Enqueuer
from moderation.errors import Conflict, NotFound, Unauthorised, Unprocessable
from moderation.services import Services
from moderation.settings import Settings

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def services(dsn: str, tmp_path: Path) -> Iterator[Services]:
    enqueuer = Enqueuer(dsn)
    settings = Settings(env="development", state=tmp_path)
    services = Services(settings, Database(dsn), enqueuer, clock=FixedClock(START))
    yield services
    services.close()
    enqueuer.close()


def make(services: Services, *scopes: str, **more: object) -> keys.NewKey:
    return keys.create_key(services, "default", principal="ana", scopes=scopes, by="test", **more)


def test_a_key_names_its_principal_and_is_kept_as_a_hash_only(services):
    made = make(services, "read", "submit")
    who = keys.authenticate(services, made.key)
    assert (who.org, who.principal, who.kind) == ("default", "ana", "service")
    assert (who.scopes, who.may("admin", "read"), who.may("admin")) == ({"read", "submit"}, True, False)
    assert len(bytes.fromhex(made.key.split("_")[2])) == 32
    with services.database.system_transaction() as tx:
        kept = str(tx.pg.execute("select * from moderation.api_keys").fetchall())
        told = str(tx.pg.execute("select body from moderation.audit_entries").fetchall())
    for secret in (made.key, made.key.split("_")[2]):
        assert secret not in kept + told


def test_keys_that_are_not_in_force_are_refused_alike(services):
    revoked, expiring = make(services, "read"), make(services, "read", expires_at=START + timedelta(hours=1))
    keys.revoke_key(services, "default", revoked.key_id, by="test")
    changed = revoked.key[:-1] + ("0" if revoked.key[-1] != "0" else "1")
    keys.authenticate(services, expiring.key)
    services.clock.at = START + timedelta(hours=1)
    for key in ("", "csk_x", revoked.key, changed, expiring.key, expiring.key + "0", f"csk_{'0' * 32}_{'0' * 64}"):
        with pytest.raises(Unauthorised) as refused:
            keys.authenticate(services, key)
        assert refused.value.message == str(Unauthorised())
    with pytest.raises(NotFound):
        keys.revoke_key(services, "default", revoked.key_id, by="test")


def test_last_use_is_written_at_most_once_a_minute(services):
    made = make(services, "read")
    seen = []
    for seconds in (0, 30, 61, 90):
        services.clock.at = START + timedelta(seconds=seconds)
        keys.authenticate(services, made.key)
        seen.append((keys.list_keys(services, "default")[0].last_used_at - START).total_seconds())
    assert seen == [0, 0, 61, 61]


def test_bad_keys_are_not_made(services):
    for principal in ("", "a b", "system", "x" * 101, "-a"):
        with pytest.raises(Unprocessable):
            keys.create_key(services, "default", principal=principal, scopes=["read"], by="test")
    for scopes in ((), ("reads",)):
        with pytest.raises(Unprocessable):
            make(services, *scopes)
    with pytest.raises(Unprocessable):
        make(services, "read", expires_at=START)
    make(services, "read")
    with pytest.raises(Conflict):
        make(services, "read", kind="person")


def test_a_development_key_ends_the_one_before_and_is_for_development_only(services):
    first, second = keys.development_key(services), keys.development_key(services)
    who = keys.authenticate(services, second)
    assert (who.principal, who.kind, who.scopes) == ("dev", "person", set(keys.SCOPES))
    with pytest.raises(Unauthorised):
        keys.authenticate(services, first)
    services.settings = services.settings.model_copy(update={"env": "production"})
    with pytest.raises(Conflict):
        keys.development_key(services)
