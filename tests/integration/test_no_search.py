"""Nobody finds a person by a face: no answer, page, export, event or log holds a template, whoever asks and however."""

import base64
import re
from io import StringIO

import numpy as np
import pytest
import structlog

from detectors.likeness import turn
from moderation import consent, review
from moderation.consent.people import SQL
from moderation.db import queries
from moderation.db.clips import read_clip
from moderation.decisions import Decision, Outcome, Reason
from moderation.enrolling import attempts as enrolments
from moderation.facts import FactRecord, PersonFact, SubmissionFacts
from moderation.ids import new_id
from moderation.recording import insert_decision
from moderation.scoring import Analysis
from moderation.sessions import login_token
from moderation.webhooks import create_endpoint
from review_ui.app import AREAS, create_app

UNKNOWN = "per_" + "0" * 32
HIDDEN = re.compile(r'name="(form_token|sealed|link)" value="([^"]+)"')
#: Bytes of a secret that give it away, and leading numbers of a vector of which so many do.
PIECE, NUMBERS, TELLING = 12, 8, 3
#: Where files may be handed in. A new one must not answer with whom a face resembles; then it belongs in this list.
TAKE_FILES = {
    "/v1/clips",
    "/v1/notices",
    "/v1/verify",
    "/v1/c2pa/matches/byContent",
    "/v1/people/{person_id}/works",
    "/v1/policies/bundles",
    "/v1/policies/lint",
    "/v1/policies/test",
}
#: Tells the events of a clip as they come, and never ends; they are read from the table instead.
ENDLESS = "/v1/clips/{clip_id}/events"
#: Answers that must have been looked into, or the walk went astray.
SEEN = {
    "/v1/people", "/v1/people/{person_id}", "/v1/people/{person_id}/grants", "/v1/people/{person_id}/reach",
    "/v1/people/{person_id}/appearances", "/v1/people/{person}/enrolments/{enrolment}", "/v1/enrolments/{enrolment}",
    "/v1/clips/{clip_id}", "/v1/clips/{clip_id}/timeline", "/v1/cases/{case_id}", "/v1/audit", "/v1/webhooks/deliveries",
    "/v1/people/stale", "/metrics", "/likeness", "/likeness/{person_id}", "/review/{case_id}", "/audit", "/search",
    "/audit/{place}", "/mine", "/mine/grants", "/likeness/enrolments/{enrolment_id}", "/metrics-board",
}  # fmt: skip


def in_base64(secret: bytes) -> set[bytes]:
    """What a piece looks like in base64, wherever it begins in what was coded, in both alphabets."""
    found = set()
    for before in range(3):
        text = base64.b64encode(b"\0" * before + secret)
        found.add(text[4 if before else 0 : -4])
    return found | {text.translate(bytes.maketrans(b"+/", b"-_")) for text in found}


def gives_away(answer: bytes, secrets: dict[str, bytes], vectors: dict[str, np.ndarray]) -> set[str]:
    """Which secrets an answer holds a piece of: as bytes, in hexadecimal, in base64, or a vector's numbers."""
    found, lower = set(), answer.lower()
    for name, secret in secrets.items():
        for start in range(0, len(secret) - PIECE + 1, PIECE):
            piece = secret[start : start + PIECE]
            if piece in answer or piece.hex().encode() in lower or any(each in answer for each in in_base64(piece)):
                found.add(name)
    for name, vector in vectors.items():
        said = [f"{abs(float(number)):.7f}"[:7].encode() for number in vector[:NUMBERS]]
        if sum(number in answer for number in said) >= TELLING:
            found.add(name)
    return found


@pytest.fixture
def log():
    written = StringIO()
    before = structlog.get_config()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(written), cache_logger_on_first_use=False)
    yield written
    structlog.configure(**before)


def hidden(text: str) -> dict[str, str]:
    return dict(HIDDEN.findall(text))


class Registered:
    """A person with a face and a voice, a clip that shows them before a reviewer, an enrolment, and their secrets."""

    def __init__(self, services):
        now, draw = services.clock.now(), np.random.default_rng(3)
        face, voice = (draw.standard_normal(count).astype(np.float32) for count in (128, services.voice_dimensions))
        create_endpoint(services, "default", "https://platform.example/hook", by="test")
        with services.database.transaction() as tx:
            said = {"name": "Léa & Co", "kind": "cameo", "account": "lea-7", "sources": ["test"], "by": "test"}
            self.person = consent.add_person(
                tx, services.vault, now, vectors=face[None], model=services.face_model, **said
            )
            consent.add_voice(
                tx, services.vault, now, self.person, vector=voice, model=services.voice_model, source="test", by="test"
            )
            consent.grant(tx, now, self.person, grantee="noor", scope="both", by="test")
            self.clip = new_id("clip")
            tx.pg.execute(
                "insert into moderation.clips (org_id, clip_id, status, creator, created_at, updated_at) "
                "values ('default', %s, 'processing', 'noor', %s, %s)", (self.clip, now, now),
            )  # fmt: skip
            self.case = self._case(tx, services, now)
            turned = {
                name: turn(vector[None], consent.rotation_of(tx, services.vault, len(vector)))[0]
                for name, vector in (("face", face), ("voice", voice))
            }
            kept = "select sealed from moderation.templates where person_id = %s"
            sealed = [bytes(row[0]) for row in tx.pg.execute(kept, (self.person,)).fetchall()]
            key = bytes(tx.pg.execute(SQL.person_key, {"person": self.person}).fetchone()[0])
        self.enrolment = enrolments.ask(services, "default", self.person, by="test").enrolment_id
        #: Where the audit log has an entry of theirs.
        self.place = "0-1"
        self.vectors = {"face": face, "voice": voice} | {f"turned {name}": row for name, row in turned.items()}
        self.secrets = {name: row.tobytes() for name, row in self.vectors.items()}
        self.secrets |= {"key": key} | {f"sealed {number}": each for number, each in enumerate(sealed)}

    def _case(self, tx, services, now) -> str:
        clip = read_clip(tx, self.clip, lock=True)
        tx.pg.execute(
            "insert into moderation.appearances (org_id, clip_id, person_id, how, state, version, generation, judged_at)"
            " values ('default', %s, %s, 'face', 'matched', 1, 1, %s)", (self.clip, self.person, now),
        )  # fmt: skip
        near = [{"person": self.person, "distance": 0.4321, "state": "matched"}]
        face = {"track": 0, "start_ms": 0, "end_ms": 900, "state": "matched", "person": self.person, "distance": 0.4321}
        analysis = Analysis(signals={}, faces=[{**face, "boxes": [], "candidates": near}], shots=[], seen_ms=[])
        kept = {"org": "default", "clip": self.clip, "detectors": "d", "gallery": "g", "now": now}
        tx.pg.execute(queries("records").insert_analysis, {**kept, "body": analysis.to_text()})
        facts = FactRecord(
            org="default", clip=self.clip, judged_at=now.isoformat(), duration_ms=1000, phase="public",
            submission=SubmissionFacts(creator="noor"),
            people={self.person: PersonFact(kind="cameo", consent="not_consented")},
        )  # fmt: skip
        row = {"org": "default", "clip": self.clip, "hash": facts.digest(), "now": now}
        tx.pg.execute(queries("records").insert_facts, {**row, "body": facts.to_bytes().decode()})
        decision = Decision(
            outcome=Outcome.REVIEW, facts_hash=facts.digest(), policy_version="v1", queue="likeness",
            reasons=(Reason(code="unconsented_likeness", person=self.person),),
        )  # fmt: skip
        decided = insert_decision(tx, clip, decision, actor_kind="rule", actor="policy", now=now)
        return review.open_case(tx, services.enqueuer, clip, decision, decided, now)

    def at(self, path: str) -> str:
        """A route's path with what it may ask for."""
        known = {"person": self.person, "person_id": self.person, "clip_id": self.clip, "case_id": self.case}
        known |= {"enrolment": self.enrolment, "enrolment_id": self.enrolment, "name": "likeness", "place": self.place}
        return re.sub(r"\{(\w+)[^}]*\}", lambda match: known.get(match[1], UNKNOWN), path)

    def told_by(self, *answers: bytes) -> set[str]:
        return {name for answer in answers for name in gives_away(answer, self.secrets, self.vectors)}


@pytest.mark.parametrize("write", [
    lambda row: row.tobytes(), lambda row: row.tobytes().hex().upper().encode(),
    lambda row: b'{"v": "' + base64.b64encode(b"x" + row.tobytes()) + b'"}',
    lambda row: base64.urlsafe_b64encode(row.tobytes()[8:]), lambda row: str(row.tolist()).encode(),
])  # fmt: skip
def test_a_template_is_found_however_it_is_written(write):
    row = np.random.default_rng(5).standard_normal(128).astype(np.float32)
    assert gives_away(b"before " + write(row) + b" after", {"bytes": row.tobytes()}, {"numbers": row})
    other = np.random.default_rng(6).standard_normal(128).astype(np.float32)
    assert not gives_away(write(other), {"bytes": row.tobytes()}, {"numbers": row})


def test_no_answer_page_export_event_or_log_holds_a_template(run_app, log):
    """Every route that is read, by a key with every scope, by staff and by the person; what errors say counts too."""
    service = run_app(create_app)
    lea = Registered(service.services)
    staff, owner = service.with_headers(), service.with_headers()
    staff.follow_redirects = owner.follow_redirects = True
    staff.get("/login/dev", params={"token": login_token(service.services)})
    link = service.client.post(f"/v1/people/{lea.person}/links", json={"on_behalf_of": "lea-7"}).json()["url"]
    owner.post("/mine/enter", data={**hidden(owner.get(link).text), "link": link})
    document = service.client.get("/openapi.json").json()["paths"]
    pages = [route.path for area in AREAS for route in area.router.routes if "GET" in route.methods]
    asked = [(service.client, path) for path, acts in document.items() if "get" in acts and path != ENDLESS]
    asked += [(service.client, "/metrics"), *((owner if path.startswith("/mine") else staff, path) for path in pages)]
    lea.place = re.search(r"/audit/(\d+-\d+)", staff.get("/audit").text)[1]
    seen, gave = set(), {}
    for who, path in asked:
        acting = {"on_behalf_of": "lea-7"} if path.endswith("/enrolments/{enrolment}") else {}
        answer = who.get(lea.at(path), params=acting)
        if answer.status_code == 200 and answer.url.path == lea.at(path):
            seen.add(path)
        if told := lea.told_by(answer.content):
            gave[path] = told
    token = hidden(staff.get("/audit").text)["form_token"]
    exports = [
        staff.post(f"/{area}/export", data={"form": form, "form_token": token, "asked": ""})
        for area in ("audit", "search")
        for form in ("csv", "json")
    ]
    assert [export.status_code for export in exports] == [200] * 4
    assert not gave
    assert seen >= SEEN, SEEN - seen
    with service.services.database.system_transaction() as tx:
        events = tx.pg.execute(
            "select t::text from moderation.events t union all select t::text from moderation.deliveries t"
        ).fetchall()
    texts = [event.encode() for (event,) in events]
    assert not lea.told_by(*(export.content for export in exports), *texts, log.getvalue().encode())
    takes = {
        path
        for path, acts in document.items()
        for act in acts.values()
        if set(act.get("requestBody", {}).get("content", {})) - {"application/json"}
    }
    assert takes == TAKE_FILES
