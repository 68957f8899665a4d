"""Clips that are only rows, released as rows are, many at once: what revocations are tried on without any video."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from moderation import consent
from moderation.db import Database, Transaction
from moderation.ids import new_id
from moderation.vault import Vault

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
_ROWS = """
insert into moderation.clips (org_id, clip_id, status, creator, parents, cameos, visibility, content_sha256, created_at,
  updated_at, retry_at, held_cause)
select 'default', c, s, 'ana', case p when '' then '{}' else array[p] end, '{}', v, repeat('0', 64), %(now)s, %(now)s,
  case s when 'held' then %(now)s::timestamptz end, case s when 'held' then 'detector' end
from unnest(%(clips)s::text[], %(statuses)s::text[], %(parents)s::text[], %(drafts)s::text[]) as n (c, s, p, v);
insert into moderation.mark_payloads (payload, org_id, clip_id, key_version, minted_at)
select right(c, 12), 'default', c, 0, %(now)s from unnest(%(clips)s::text[]) c;
insert into moderation.decisions (org_id, decision_id, clip_id, seq, outcome, body, actor_kind, actor, facts_hash,
  created_at)
select 'default', 'dec_' || c, c, 1, 'allow', '{}', 'rule', 'policy', 'facts', %(now)s from unnest(%(out)s::text[]) c;
insert into moderation.proofs (org_id, clip_id, sha256, passed, body, created_at)
select 'default', c, c, true, '{}', %(now)s from unnest(%(out)s::text[]) c;
insert into moderation.renditions (org_id, clip_id, kind, sha256, blob_key, bytes, report, created_at)
select 'default', c, 'marked', c, 'default/marked/' || c, 10, '{}', %(now)s from unnest(%(out)s::text[]) c;
insert into moderation.releases (org_id, clip_id, sha256, blob_key, decision_id, released_at)
select 'default', c, c, 'default/marked/' || c, 'dec_' || c, %(now)s from unnest(%(out)s::text[]) c;
insert into moderation.lineage (org_id, child, parent, how, found_at)
select 'default', c, p, 'declared', %(now)s
from unnest(%(clips)s::text[], %(parents)s::text[]) as n (c, p) where p <> '';
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One clip as it stands; `shows` are (person, how, state)."""

    clip: str = field(default_factory=lambda: new_id("clip"))
    status: str = "released"
    parent: str = ""
    visibility: str = "public"
    shows: Sequence[tuple[str, str, str]] = ()


def register(database: Database, vault: Vault, model: str = "m", dimensions: int = 128) -> str:
    """A cameo with a grant for everybody, whose template is no face at all."""
    with database.transaction() as tx:
        vector = np.full((1, dimensions), 9.0, np.float32)
        person = consent.add_person(
            tx, vault, NOW, name="Noor", kind="cameo", vectors=vector, model=model, sources=["a test"], by="test"
        )
        consent.grant(tx, NOW, person, grantee=None, scope="both", by="test")
        return person


def write(tx: Transaction, rows: Iterable[Row]) -> list[str]:
    """Put clips into the database; returns their ids in order."""
    clips = list(rows)
    said = {
        "now": NOW,
        "clips": [row.clip for row in clips],
        "statuses": [row.status for row in clips],
        "parents": [row.parent for row in clips],
        "drafts": [row.visibility for row in clips],
        "out": [row.clip for row in clips if row.status == "released"],
    }
    for statement in _ROWS.split(";\n"):
        if statement.strip():
            tx.pg.execute(statement.encode(), said)
    shown = [(row.clip, *each) for row in clips for each in row.shows]
    tx.pg.execute(
        b"insert into moderation.appearances (org_id, clip_id, person_id, how, state, version, generation, judged_at) "
        b"select 'default', c, n.p, h, s, version, 1, %(now)s "
        b"from unnest(%(c)s::text[], %(p)s::text[], %(h)s::text[], %(s)s::text[]) as n (c, p, h, s) "
        b"join moderation.people on person_id = n.p",
        {"now": NOW} | {name: [each[at] for each in shown] for at, name in enumerate("cphs")},
    )
    return [row.clip for row in clips]


def tree(person: str, descendants: int, *, fan: int = 3, shown_every: int = 1) -> list[Row]:
    """A released clip that shows a person, and so many released descendants, `fan` a parent, some showing them too."""
    rows = [Row(shows=[(person, "face", "matched")])]
    for number in range(descendants):
        shows = [(person, "face", "matched")] if number % shown_every == 0 else [(person, "inherited", "possible")]
        rows.append(Row(parent=rows[number // fan].clip, shows=shows))
    return rows
