"""Search and the audit log as services and by the API: what is found, by whom, in pages, and what an export leaves behind."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from moderation import audit, audit_checks, auditing, code_names, searching
from moderation.decisions import Decision, Outcome, Reason, RuleTrace
from moderation.errors import NotFound, Unprocessable
from moderation.ids import new_id
from moderation.keys import Principal

START = datetime(2026, 11, 1, tzinfo=UTC)
READER = Principal(org="default", principal="person-reader", scopes=frozenset({"review"}), kind="person")
SPECIALIST = Principal(org="default", principal="person-s", scopes=frozenset({"review", "specialist"}), kind="person")
AUDITOR = Principal(org="default", principal="person-a", scopes=frozenset({"audit"}), kind="person")
INSERT = (
    "insert into moderation.clips (org_id, clip_id, status, creator, prompt, created_at, updated_at)"
    " values ('default', %(clip)s, %(status)s, %(creator)s, %(prompt)s, %(at)s, %(at)s)"
)


@pytest.fixture
def tx(database):
    with database.transaction() as opened:
        yield opened


def add(
    tx, number: int, *, status: str = "released", creator: str | None = "noor", prompt: str = "a cat on a wall"
) -> str:
    clip = new_id("clip")
    at = START + timedelta(minutes=number)
    tx.pg.execute(INSERT, {"clip": clip, "status": status, "creator": creator, "prompt": prompt, "at": at})
    return clip


def judge(
    tx, clip: str, *, reason: str = "hate", rule: str = "slur", policy: str = "v1", actor: str | None = None
) -> str:
    """Write down a decision of a rule, or of a person."""
    decision = Decision(
        outcome=Outcome.BLOCK,
        facts_hash="f" * 64,
        reasons=(Reason(code=reason),),
        policy_version=None if actor else policy,
        trace=() if actor else (RuleTrace(policy="words", rule=rule, truth="true", outcome=Outcome.BLOCK),),
    )
    found = new_id("dec")
    (seq,) = tx.pg.execute("select count(*) + 1 from moderation.decisions where clip_id = %s", [clip]).fetchone()
    tx.pg.execute(
        "insert into moderation.decisions (org_id, decision_id, clip_id, seq, outcome, body, actor_kind, actor,"
        " policy_version, created_at) values ('default', %s, %s, %s, 'block', %s, %s, %s, %s, %s)",
        [found, clip, seq, decision.to_bytes().decode(), "person" if actor else "rule", actor or "policy",
         decision.policy_version, START],
    )  # fmt: skip
    return found


def open_case(tx, clip: str, queue: str, *, holder: str | None = None) -> str:
    case = new_id("case")
    tx.pg.execute(
        "insert into moderation.cases (org_id, case_id, clip_id, queue, opened_by, deadline, created_at, lease_holder,"
        " lease_token, lease_expires_at) values ('default', %s, %s, %s, %s, %s, %s, %s, 'x', %s)",
        [case, clip, queue, judge(tx, clip), START, START, holder, START + timedelta(days=1) if holder else None],
    )
    return case


def found(tx, reader: Principal = READER, **asked: object) -> list[str]:
    page, _ = searching.search(tx, START, searching.Filters(**asked), reader)
    return [each.clip_id for each in page]


def test_each_filter_finds_what_it_names_and_nothing_else(tx):
    cat, dog, owl = (
        add(tx, 1),
        add(tx, 2, creator="sami", prompt="un chien dans la rue"),
        add(tx, 3, status="withheld", prompt="بومة في الليل"),
    )
    case = open_case(tx, dog, "likeness")
    judge(tx, owl, reason="violence", rule="gore", policy="v2")
    tx.pg.execute("insert into moderation.principals values ('default', 'person-x', 'person')")
    name = code_names.code_name(tx, START, "person-x")
    judge(tx, cat, reason="false_match", actor="person-x")
    (pseudonym,) = tx.pg.execute("select pseudonym from moderation.creators where creator = 'sami'").fetchone()
    assert found(tx) == [owl, dog, cat], "newest first"
    for asked, wanted in (
        ({"clip": cat}, [cat]), ({"case": case}, [dog]), ({"creator": pseudonym}, [dog]), ({"status": "withheld"}, [owl]),
        ({"queue": "likeness"}, [dog]), ({"reason": "violence"}, [owl]), ({"rule": "gore"}, [owl]),
        ({"rule": "words.slur"}, [dog]), ({"rule": "other.slur"}, []), ({"policy": "v2"}, [owl]),
        ({"person": name.upper()}, [cat]), ({"person": "Nobody Here"}, []), ({"words": "chien"}, [dog]),
        ({"words": "بومة"}, [owl]), ({"words": "cat -wall"}, []), ({"since": START + timedelta(minutes=2)}, [owl, dog]),
        ({"until": START + timedelta(minutes=2)}, [cat]), ({"words": "chien", "status": "withheld"}, []),
        ({"creator": "sami"}, []),
    ):  # fmt: skip
        assert found(tx, **asked) == wanted, asked
    (row,) = searching.search(tx, START, searching.Filters(clip=cat), READER)[0]
    assert (row.decided_by, row.outcome, row.reasons) == (name, "block", ("false_match",))
    (row,) = searching.search(tx, START, searching.Filters(clip=dog), READER)[0]
    assert (row.creator, row.rules, row.policy, row.decided_by) == (pseudonym, ("words.slur",), "v1", "rule")


def test_pages_follow_one_another_without_gap_or_repeat(tx):
    clips = [add(tx, number // 3) for number in range(25)]
    seen, after = [], None
    for _ in range(10):
        page, after = searching.search(tx, START, searching.Filters(), READER, after, limit=7)
        seen += [each.clip_id for each in page]
        if after is None:
            break
    assert sorted(seen) == sorted(clips)
    assert len(seen) == 25


def test_what_is_the_specialists_is_found_by_specialists_alone(tx):
    plain = add(tx, 1)
    hidden = [add(tx, 2), add(tx, 3), add(tx, 4), add(tx, 5)]
    open_case(tx, hidden[0], "minor_safety")
    open_case(tx, hidden[1], "known_illegal")
    judge(tx, hidden[2], reason="minor_sexualised")
    judge(tx, hidden[3], reason="known_illegal")
    for reader in (READER, AUDITOR):
        assert found(tx, reader) == [plain]
        for clip in hidden:
            assert found(tx, reader, clip=clip) == []
    assert sorted(found(tx, SPECIALIST)) == sorted([plain, *hidden])
    assert "minor_safety" not in searching.queue_names(tx, READER)
    assert "minor_safety" in searching.queue_names(tx, SPECIALIST)


def test_nobody_looks_up_what_they_are_to_judge(tx):
    mine, theirs = add(tx, 1), add(tx, 2)
    open_case(tx, mine, "likeness", holder=READER.principal)
    open_case(tx, theirs, "likeness", holder="person-other")
    assert found(tx) == [theirs]
    page, _ = searching.search(tx, START + timedelta(days=2), searching.Filters(), READER)
    assert len(page) == 2, "when the lease is over"


def test_another_organisations_clips_are_not_found(database, tx):
    add(tx, 1)
    tx.pg.execute("reset role")
    tx.pg.execute("insert into moderation.organisations values ('other')")
    tx.pg.execute("select set_config('role', 'moderation_app', true), set_config('moderation.org', 'other', true)")
    other = type(tx)(pg=tx.pg, sa=tx.sa, org="other")
    assert found(other) == []
    assert other.pg.execute("select count(*) from moderation.creators").fetchone() == (0,)


def test_a_pseudonym_is_drawn_once_and_goes_with_the_last_clip(tx):
    first, second = add(tx, 1), add(tx, 2)
    names = tx.pg.execute("select creator, pseudonym from moderation.creators").fetchall()
    assert [name for name, _ in names] == ["noor"]
    assert "noor" not in names[0][1]
    tx.pg.execute("update moderation.clips set creator = null where clip_id = %s", [first])
    assert tx.pg.execute("select count(*) from moderation.creators").fetchone() == (1,)
    tx.pg.execute("update moderation.clips set creator = null where clip_id = %s", [second])
    assert tx.pg.execute("select count(*) from moderation.creators").fetchone() == (0,)


def test_a_search_that_takes_too_long_says_so(tx, monkeypatch):
    monkeypatch.setattr(searching, "MILLISECONDS", 1)
    monkeypatch.setattr(
        searching.SQL, "_statements", searching.SQL._statements | {"by_status": b" and pg_sleep(0.2) is not null"}
    )
    add(tx, 1)
    with pytest.raises(searching.TooBroad):
        found(tx, status="released")


def test_searches_by_words_and_documents_have_indexes_to_ask(tx):
    """The owner's questions, as the functions ask them; row-level security would keep anybody else's from the index."""
    for number in range(300):
        judge(tx, add(tx, number, prompt=f"clip {number}"), rule=f"r{number}", reason="hate" if number else "violence")
    tx.pg.execute("reset role")
    tx.pg.execute("analyze moderation.clips, moderation.decisions")
    tx.pg.execute("set local enable_seqscan = off")
    for function, value, index in (
        ("clips_with_words", "7", "clips_by_words"),
        ("clips_with_reason", '[{"code": "violence"}]', "decisions_by_reason"),
        ("clips_with_rule", '[{"rule": "r7"}]', "decisions_by_rule"),
    ):
        body, arguments = tx.pg.execute(
            "select prosrc, proargnames[1] from pg_proc where oid = %s::regproc", [f"moderation.{function}"]
        ).fetchone()
        # One value of each type, so that the planner sees what the function's body is planned with.
        literal = f"'{value}'" + ("::jsonb" if value.startswith("[") else "::text")
        asked = re.sub(
            rf"\b{arguments}\b(?!')", literal, body.replace("body::jsonb -> '", "body::jsonb -> '@"), count=0
        )
        plan = tx.pg.execute("explain " + asked.replace("'@", "'")).fetchall()
        assert any(index in line for (line,) in plan), plan


def test_code_names_are_drawn_once_are_unique_and_tell_nothing(tx):
    names = [code_names.code_name(tx, START, f"person-{number}") for number in range(150)]
    assert len({name.lower() for name in names}) == 150
    assert code_names.code_name(tx, START, "person-3") == names[3]
    assert code_names.code_names(tx, ["person-1", "system"]) == {"person-1": names[1]}
    assert code_names.principal_of(tx, f" {names[7].lower()} ") == "person-7"
    first, second = code_names.words()
    assert len(first) * len(second) > 10_000
    assert len(set(first)) == len(first)
    assert len(set(second)) == len(second)


def test_names_run_out_into_numbers(tx, monkeypatch):
    monkeypatch.setattr(code_names, "words", lambda: (("calm",), ("oak",)))
    names = {code_names.code_name(tx, START, f"person-{number}") for number in range(4)}
    assert len(names) == 4
    assert "Calm Oak" in names


@pytest.fixture
def log(tx):
    """Entries of four actors; the second is a reviewer."""
    tx.pg.execute("insert into moderation.principals values ('default', 'person-x', 'person')")
    name = code_names.code_name(tx, START, "person-x")
    clip = add(tx, 0)
    case = open_case(tx, clip, "likeness")
    decision = judge(tx, clip, policy="v9")
    audit.record(tx, START, "system", "clip.received", clip)
    audit.record(tx, START + timedelta(seconds=5), "person-x", "case.decided", case, outcome="block")
    audit.record(tx, START + timedelta(seconds=5), "policy", "decision.taken", clip, decision=decision, policy="v9")
    audit.record(tx, START + timedelta(seconds=9), "key-service", "clip.withdrawn", clip, reason="asked")
    tx.pg.execute(
        "insert into moderation.exposures (org_id, principal, case_id, clip_id, rendition, ms, severity, started_at, ended_at)"
        " values ('default', 'person-x', %s, %s, 'revealed', 1250, 10, %s, %s)",
        [case, clip, START, START + timedelta(seconds=2)],
    )
    write_down(tx)
    return clip, case, name


def write_down(tx) -> None:
    """Write the entries that wait for the transaction's end."""
    tx.finish()
    tx.at_end.clear()


def actions(tx, **asked: object) -> list[str]:
    write_down(tx)
    return [entry.action for entry in auditing.read_entries(tx, auditing.Filters(**asked))[0]]


def test_the_log_is_read_by_actor_event_subject_policy_and_period(tx, log):
    clip, case, name = log
    assert set(actions(tx)) == {"clip.received", "case.decided", "decision.taken", "clip.withdrawn"}
    assert actions(tx)[0] == "clip.withdrawn", "newest first"
    assert actions(tx, actor=name) == ["case.decided"]
    audit.record(tx, START - timedelta(days=1), "system", "session.ended", "person-x")
    assert actions(tx, subject=name) == ["session.ended"], "people are subjects by their code names too"
    assert actions(tx, actor="key-service") == ["clip.withdrawn"]
    assert actions(tx, action="clip.received") == ["clip.received"]
    assert actions(tx, subject=case) == ["case.decided"]
    assert len(actions(tx, subject=clip)) == 3
    assert actions(tx, policy="v9") == ["decision.taken"]
    assert actions(tx, since=START + timedelta(seconds=9)) == ["clip.withdrawn"]
    assert actions(tx, until=START + timedelta(seconds=5)) == ["clip.received", "session.ended"]
    page, after = auditing.read_entries(tx, auditing.Filters(), limit=3)
    rest, end = auditing.read_entries(tx, auditing.Filters(), after, limit=3)
    assert len({entry.place for entry in page + rest}) == 5
    assert end is None


def test_an_entry_in_full_tells_the_rules_trace_and_what_was_looked_at(tx, log):
    _, case, name = log
    (decided,) = auditing.read_entries(tx, auditing.Filters(subject=case))[0]
    record = auditing.read_record(tx, decided.shard, decided.seq)
    assert (record.entry.called, record.revealed_ms, record.reveals) == (name, 1250, 1)
    (taken,) = auditing.read_entries(tx, auditing.Filters(policy="v9"))[0]
    record = auditing.read_record(tx, taken.shard, taken.seq)
    assert record.decision["trace"][0]["rule"] == "slur"
    assert record.creator.startswith("cr_")
    assert record.revealed_ms == 0
    with pytest.raises(NotFound):
        auditing.read_record(tx, taken.shard, 999)


def test_who_a_creator_is_takes_a_reason_and_is_written_down(tx, log):
    (pseudonym,) = tx.pg.execute("select pseudonym from moderation.creators").fetchone()
    assert auditing.clips_of(tx, pseudonym) == 1
    for why in ("", "because", "          "):
        with pytest.raises(Unprocessable):
            auditing.unmask(tx, START, pseudonym, AUDITOR, why)
    with pytest.raises(NotFound):
        auditing.unmask(tx, START, "cr_nobody", AUDITOR, "a court asks for it")
    assert actions(tx, action="creator.unmasked") == []
    assert auditing.unmask(tx, START, pseudonym, AUDITOR, "a court asks for it") == "noor"
    write_down(tx)
    (entry,) = auditing.read_entries(tx, auditing.Filters(action="creator.unmasked"))[0]
    assert entry.subject == pseudonym
    assert "court" not in json.dumps(entry.details), "the chain holds a reference"
    record = auditing.read_record(tx, entry.shard, entry.seq)
    assert list(record.references.values()) == ["a court asks for it"]


@pytest.fixture
def served(service):
    """The service with three clips and a log."""
    with service.services.database.transaction() as tx:
        for number in range(3):
            judge(tx, add(tx, number, prompt='=HYPERLINK("x") ' * 20))
        audit.record(tx, START, "system", "clip.received", "clip_x")
    return service


def test_exports_are_whole_and_leave_an_entry(served):
    services = served.services
    assert len(searching.export(services, searching.Filters(words="hyperlink"), READER)) == 3
    assert auditing.export(services, auditing.Filters(action="search.exported"), AUDITOR)[0].details["clips"] == 3
    with services.database.transaction() as tx:
        said = [entry.details for entry in auditing.read_entries(tx, auditing.Filters(action="search.exported"))[0]]
        assert said[0]["filters"]["words"].startswith("ref_"), "words may name somebody"
        assert actions(tx, action="audit.exported") == ["audit.exported"]


def test_a_check_finds_a_changed_row_and_pages_remember(served):
    services = served.services
    assert audit_checks.check(services, "default", by="person-a").whole
    assert not audit_checks.is_broken(services, "default")
    with services.database.system_transaction() as tx:
        tx.pg.execute("alter table moderation.audit_entries disable trigger audit_entries_append_only")
        tx.pg.execute("update moderation.audit_entries set body = replace(body, 'clip.received', 'clip.released')")
    found = audit_checks.check(services, "default", by="person-a")
    assert found.breaks[0]["why"] == "its content was changed"
    assert audit_checks.is_broken(services, "default")
    services.chain_checks.clear()
    assert audit_checks.is_broken(services, "default")
    assert audit_checks.check_all(services) == 1
    with services.database.transaction() as tx:
        assert actions(tx, action="audit.checked")


def test_the_api_reads_the_log_for_who_may(served):
    client = served.with_scopes("audit", principal="auditor")
    first = client.get("/v1/audit", params={"limit": 2}).json()
    second = client.get("/v1/audit", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert len(first["items"]) == 2
    assert {item["entry"] for item in first["items"]}.isdisjoint(item["entry"] for item in second["items"])
    (item,) = client.get("/v1/audit", params={"action": "clip.received"}).json()["items"]
    assert (item["actor"], item["subject"], item["at"]) == ("system", "clip_x", START.isoformat())
    for wrong in ({"cursor": "x"}, {"limit": 0}, {"since": "yesterday"}, {"since": "2026-01-01T00:00:00"}):
        assert client.get("/v1/audit", params=wrong).status_code in {400, 422}, wrong
    assert served.with_scopes("review", principal="reviewer").get("/v1/audit").status_code == 403
    assert served.with_headers().get("/v1/audit").status_code == 401
