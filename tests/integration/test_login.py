"""Logging in at a real provider on loopback, honest and hostile: who gets in, with what, and who does not."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import httpx
import psycopg
import pytest
from oidc_provider import CLIENT, SECRET, OidcProvider

from moderation import diagnosis, sessions
from moderation.assembly import open_services
from moderation.clock import FixedClock, SystemClock
from moderation.errors import NotFound, Outage, Unauthorised
from moderation.keys import create_key
from moderation.login import entering
from moderation.login.attempts import ATTEMPT_SECONDS
from moderation.login.identity import ALGORITHMS
from moderation.login.refusals import LoginRefused
from moderation.postgres import EmbeddedPostgres
from moderation.review.reviewers import read_profile
from moderation.services import Services
from moderation.settings import Login, OidcSettings, Settings

REDIRECT = "http://service.test/login/return"
ROLES = {
    "moderators": {"scopes": ["review"], "queues": ["likeness", "appeals"]},
    "specialists": {"scopes": ["review", "specialist"], "queues": ["minor_safety"]},
    "leads": {"scopes": ["review", "audit"]},
    "auditors": {"scopes": ["audit"]},
    "elsewhere": {"scopes": ["review"], "organisation": "other"},
}


@pytest.fixture(scope="module")
def shared_services(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Services over one database for all tests of this module: nothing that they write concerns another."""
    template = postgres.dsn()
    with psycopg.connect(template.replace("/moderation?", "/postgres?"), autocommit=True) as connection:
        connection.execute("create database test_login template moderation")
    dsn = template.replace("/moderation?", "/test_login?")
    settings = Settings(env="development", state=tmp_path_factory.mktemp("login") / "state", database_url=dsn)
    with open_services(settings, migrating=False) as opened:
        yield opened


@pytest.fixture
def settings(shared_services: Services) -> Settings:
    return shared_services.settings


@pytest.fixture
def provider() -> Iterator[OidcProvider]:
    made = OidcProvider()
    yield made
    made.close()


@pytest.fixture
def make(shared_services: Services, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Settings], Services]]:
    """The same services under other settings, by the machine's clock."""

    def made(settings: Settings) -> Services:
        shared_services.__dict__.pop("login_provider", None)
        monkeypatch.setattr(shared_services, "settings", settings)
        return shared_services

    yield made
    shared_services.__dict__.pop("login_provider", None)
    shared_services.clock = SystemClock()


@pytest.fixture
def services(make: Callable[[Settings], Services], settings: Settings, provider: OidcProvider) -> Services:
    return make(with_provider(settings, provider))


def with_provider(settings: Settings, provider: OidcProvider, **changes: object) -> Settings:
    said = {"issuer": provider.issuer, "client_id": CLIENT, "client_secret": SECRET, "roles": ROLES, **changes}
    return settings.model_copy(update={"login": Login(oidc=OidcSettings.model_validate(said))})


def go(services: Services, back: str = "/queues") -> tuple[str, dict[str, str]]:
    """Begin, log in at the provider: what the browser kept and what it brings back."""
    address, sealed = entering.begin(services, REDIRECT, back)
    with httpx.Client(verify=False) as browser:
        answer = browser.get(address, follow_redirects=False)
    assert answer.status_code == 302, answer.text
    assert answer.headers["location"].startswith(f"{REDIRECT}?")
    return sealed, dict(parse_qsl(urlsplit(answer.headers["location"]).query))


def log_in(services: Services) -> entering.Entrant:
    sealed, answer = go(services)
    return entering.finish(services, REDIRECT, sealed, answer)


def test_a_person_with_a_role_gets_what_the_role_opens(services, provider):
    entrant = log_in(services)
    assert entrant.principal.scopes == {"review"}
    assert entrant.principal.org == "default"
    assert entrant.queues == ("likeness", "appeals")
    assert entrant.back == "/queues"
    assert "noor" not in entrant.principal.principal
    assert "1001" not in entrant.principal.principal
    assert log_in(services).principal == entrant.principal, "the same person is the same principal"
    provider.person["sub"] = "u-1002"
    assert log_in(services).principal.principal != entrant.principal.principal


@pytest.mark.parametrize(
    ("groups", "scopes", "queues"),
    [
        (["moderators", "chess club"], {"review"}, ("likeness", "appeals")),
        (["moderators", "specialists"], {"review", "specialist"}, ("likeness", "appeals", "minor_safety")),
        (["moderators", "leads"], {"review", "audit"}, None),
        (["moderators", "auditors"], {"review", "audit"}, ("likeness", "appeals")),
        ("leads", {"review", "audit"}, None),
    ],
)
def test_roles_add_up(services, provider, groups, scopes, queues):
    provider.person["groups"] = groups
    entrant = log_in(services)
    assert (entrant.principal.scopes, entrant.queues) == (scopes, queues)


@pytest.mark.parametrize("groups", [[], ["chess club"], None, ["moderators", "elsewhere"], {"moderators": 1}, 7])
def test_without_a_role_here_nobody_gets_in(services, provider, groups):
    provider.person["groups"] = groups
    with pytest.raises(LoginRefused) as refused:
        log_in(services)
    assert refused.value.why == "role"


def test_roles_may_lie_deep_or_in_userinfo(make, settings, provider):
    provider.person |= {"realm_access": {"roles": ["leads"]}}
    services = make(with_provider(settings, provider, claim="realm_access.roles"))
    assert log_in(services).principal.scopes == {"review", "audit"}
    provider.in_userinfo_only = True
    assert log_in(services).principal.scopes == {"review", "audit"}
    provider.hostile = "userinfo"
    with pytest.raises(LoginRefused, match="somebody else"):
        log_in(services)


@pytest.mark.parametrize(
    "hostile",
    [
        "nonce", "no nonce", "alg none", "shared secret", "stranger's key", "audience", "audiences", "party",
        "expired", "early", "issuer", "subject", "access",
    ],
)  # fmt: skip
def test_a_token_that_is_not_for_this_log_in_is_worth_nothing(services, provider, hostile):
    provider.hostile = hostile
    with pytest.raises(LoginRefused) as refused:
        log_in(services)
    assert refused.value.why == "token"
    provider.hostile = ""
    assert log_in(services).principal.scopes == {"review"}


@pytest.mark.parametrize(
    ("hostile", "why"), [("state", "attempt"), ("mix-up", "answer"), ("declined", "declined"), ("no token", "answer")]
)
def test_an_answer_to_another_question_is_refused(services, provider, hostile, why):
    provider.hostile = hostile
    with pytest.raises(LoginRefused) as refused:
        log_in(services)
    assert refused.value.why == why
    assert hostile == "no token" or "/token" not in provider.asked, "the code was not even handed in"


def test_an_answer_counts_once(services, provider):
    sealed, answer = go(services)
    entering.finish(services, REDIRECT, sealed, answer)
    with pytest.raises(LoginRefused) as refused:
        entering.finish(services, REDIRECT, sealed, answer)
    assert refused.value.why == "answer"


def test_an_answer_counts_in_the_browser_that_asked_and_not_for_long(services, provider):
    sealed, answer = go(services)
    other, _ = go(services)
    for kept in ("", "x", sealed[:-4], sealed[:-8] + "AAAAAAA=", other):
        with pytest.raises(LoginRefused) as refused:
            entering.finish(services, REDIRECT, kept, answer)
        assert refused.value.why == "attempt"
    services.clock = FixedClock(datetime.now(UTC) + timedelta(seconds=ATTEMPT_SECONDS + 1))
    with pytest.raises(LoginRefused, match="too old"):
        entering.finish(services, REDIRECT, sealed, answer)


def test_a_code_is_worth_nothing_without_its_verifier(services, provider):
    sealed, answer = go(services)
    _, stolen = go(services)
    with pytest.raises(LoginRefused, match="invalid_grant"):
        entering.finish(services, REDIRECT, sealed, answer | {"code": stolen["code"]})


def test_new_keys_of_the_provider_are_learnt_and_old_ones_end(services, provider):
    log_in(services)
    provider.rotate()
    # Keys are asked for at most every ten seconds, so that a flood of made-up tokens asks nothing of the provider.
    with pytest.raises(LoginRefused, match="InvalidKeyIdError"):
        log_in(services)
    now = datetime.now(UTC)
    services.login_provider._clock = FixedClock(now + timedelta(seconds=11))
    assert log_in(services).principal.scopes == {"review"}
    assert provider.asked.count("/keys") == 2
    provider.hostile = "stranger's key"
    with pytest.raises(LoginRefused):
        log_in(services)


@pytest.mark.parametrize(("ahead", "let_in"), [(-50, True), (50, True), (-400, False), (400, False)])
def test_clocks_may_differ_a_little(services, provider, ahead, let_in):
    services.clock = FixedClock(datetime.now(UTC) + timedelta(seconds=ahead))
    if let_in:
        log_in(services)
    else:
        with pytest.raises(LoginRefused) as refused:
            log_in(services)
        assert refused.value.why == "token"


@pytest.mark.parametrize(
    ("hostile", "says"), [("discovery", "calls itself"), ("plain keys", "jwks_uri must be an https")]
)
def test_a_provider_that_describes_another_is_not_used(services, provider, hostile, says):
    provider.hostile = hostile
    with pytest.raises(Outage, match=says):
        entering.begin(services, REDIRECT, "/queues")


def test_a_provider_in_the_clear_is_for_development_alone(make, settings, provider):
    production = with_provider(settings, provider).model_copy(update={"env": "production"})
    away = with_provider(settings, provider, issuer="http://127.0.0.1:9")
    for changed, error, says in (
        (production, Outage, "https"),
        (away, Outage, "does not answer"),
        (settings.model_copy(update={"login": Login()}), NotFound, "no log-in provider"),
    ):
        with pytest.raises(error, match=says):
            entering.begin(make(changed), REDIRECT, "/queues")


def test_the_secret_is_needed(make, settings, provider):
    with pytest.raises(LoginRefused, match="invalid_client"):
        log_in(make(with_provider(settings, provider, client_secret="another")))


def test_only_signatures_by_a_private_key_count():
    assert not [name for name in ALGORITHMS if name == "none" or name.startswith("HS")]


def begin(services: Services, **said: object) -> str:
    entrant = log_in(services)
    return sessions.begin(services, entrant.principal, method="oidc", queues=entrant.queues, **said)


def test_a_session_says_who_and_stands_until_it_is_ended(services):
    cookie = begin(services)
    session = sessions.check_session(services, cookie)
    assert (session.principal.org, session.principal.scopes) == ("default", {"review"})
    assert sessions.read_session(services, cookie) == session
    sessions.end(services, cookie)
    with pytest.raises(Unauthorised):
        sessions.check_session(services, cookie)
    sessions.end(services, cookie)
    sessions.end(services, "nonsense")
    with psycopg.connect(services.dsn) as connection:
        entries = connection.execute(
            "select body::jsonb ->> 'action' from moderation.audit_entries"
            " where body::jsonb -> 'details' ->> 'session' = %s order by seq",
            [session.session_id],
        ).fetchall()
    assert entries == [("session.began",), ("session.ended",)]


def test_a_session_cannot_be_made_up_or_changed(services):
    cookie = begin(services)
    payload, _, signature = cookie.rpartition(".")
    for wrong in (
        "",
        "x",
        payload,
        f"{payload}.",
        f"x{cookie}",
        cookie[:-3],
        f"{payload[:-2]}.{signature}",
        sessions.login_token(services),
    ):
        with pytest.raises(Unauthorised):
            sessions.check_session(services, wrong)
    with psycopg.connect(services.dsn, autocommit=True) as connection:
        connection.execute("delete from moderation.sessions")
    with pytest.raises(Unauthorised):
        sessions.check_session(services, cookie)


def test_each_log_in_begins_another_session_and_ends_the_one_before(services):
    first = begin(services)
    second = begin(services, before=first)
    assert sessions.read_session(services, first).session_id != sessions.read_session(services, second).session_id
    with pytest.raises(Unauthorised):
        sessions.check_session(services, first)
    sessions.check_session(services, second)


def test_a_session_ends_when_idle_and_when_old(services):
    start = datetime.now(UTC)
    services.clock = FixedClock(start)
    cookie = begin(services)
    at = timedelta()
    while at < timedelta(hours=11.5):
        at += timedelta(minutes=50)
        services.clock = FixedClock(start + at)
        sessions.check_session(services, cookie)
    services.clock = FixedClock(start + timedelta(hours=12))
    with pytest.raises(Unauthorised):
        sessions.check_session(services, cookie)
    services.clock = FixedClock(start)
    idle = begin(services)
    services.clock = FixedClock(start + timedelta(minutes=61))
    with pytest.raises(Unauthorised):
        sessions.check_session(services, idle)


def test_who_is_barred_is_out_at_once_and_stays_out(services, provider):
    provider.person["sub"] = "u-barred"
    cookie = begin(services)
    who = sessions.read_session(services, cookie).principal
    create_key(services, "default", principal=who.principal, scopes=["review"], by="test", kind="person")
    assert sessions.bar(services, "default", who.principal, by="operator") == (1, 1)
    with pytest.raises(Unauthorised):
        sessions.check_session(services, cookie)
    with pytest.raises(LoginRefused) as refused:
        begin(services)
    assert refused.value.why == "barred"
    sessions.admit(services, "default", who.principal, by="operator")
    with pytest.raises(Unauthorised):
        sessions.check_session(services, cookie)
    sessions.check_session(services, begin(services))
    for act in (sessions.bar, sessions.admit):
        with pytest.raises(NotFound):
            act(services, "default", "person-nobody", by="operator")


def test_a_session_needs_an_organisation_and_a_person(services, provider):
    provider.person["groups"] = ["elsewhere"]
    with pytest.raises(LoginRefused) as refused:
        begin(services)
    assert refused.value.why == "role"
    provider.person |= {"groups": ["moderators"], "sub": "u-service"}
    name = log_in(services).principal.principal
    create_key(services, "default", principal=name, scopes=["review"], by="test")
    with pytest.raises(LoginRefused, match="service"):
        begin(services)


def told(settings: Settings) -> dict[str, tuple[bool, bool, str]]:
    """What `doctor` says of log-in."""
    return {found.name: (found.fine, found.warning, found.says) for found in diagnosis.log_in(settings)}


def test_doctor_says_what_is_wrong_with_the_settings(settings, provider):
    assert told(settings)["log-in"][:2] == (True, False)
    production = {"env": "production", "url": "https://review.example"}
    assert told(settings.model_copy(update=production))["log-in"][1], "nobody can log in"
    good = told(with_provider(settings, provider))
    assert good["log-in provider"][:2] == (True, False)
    assert "leads (audit review)" in good["log-in roles"][2]
    provider.claims = ["sub", "email"]
    fine, warning, says = told(with_provider(settings, provider))["log-in provider"]
    assert (fine, warning, "does not say that it tells groups" in says) == (True, True, True)
    for change, says in (
        ({"hostile": "discovery"}, "calls itself"),
        ({"hostile": "plain keys"}, "jwks_uri must be an https"),
        ({"hostile": "", "published": []}, "cannot be read"),
    ):
        for name, value in change.items():
            setattr(provider, name, value)
        fine, _, said = told(with_provider(settings, provider))["log-in provider"]
        assert (fine, says in said) == (False, True), said
    bare = with_provider(settings, provider).model_copy(update={"env": "production"})
    assert told(bare)["log-in address"][0] is False


def test_people_are_listed_by_code_name(services, provider):
    provider.person["sub"] = "u-listed"
    cookie = begin(services)
    session = sessions.read_session(services, cookie)
    (person,) = [
        each for each in sessions.list_people(services, "default") if each.principal == session.principal.principal
    ]
    assert (person.code_name, person.sessions, person.barred_at) == (session.code_name, 1, None)
    sessions.end(services, cookie)
    sessions.bar(services, "default", person.principal, by="operator")
    (person,) = [each for each in sessions.list_people(services, "default") if each.principal == person.principal]
    assert (person.sessions, person.barred_at is not None) == (0, True)


def test_a_first_log_in_makes_a_reviewer_with_the_queues_of_the_roles(services, provider):
    provider.person["sub"] = "u-new"
    who = sessions.read_session(services, begin(services))
    with services.database.transaction() as tx:
        profile = read_profile(tx, who.principal.principal)
    assert (profile.code_name, profile.queues) == (who.code_name, ["likeness", "appeals"])
    provider.person["groups"] = ["leads"]
    again = sessions.read_session(services, begin(services))
    with services.database.transaction() as tx:
        profile = read_profile(tx, who.principal.principal)
    assert (again.code_name, profile.queues) == (who.code_name, None)
