"""A worker process for tests of hot reload: judges clips of its own, one after the other, until a file says stop.

Settings come from the environment. Arguments: its name, the file that says stop, the file to note judgements in.
"""

import base64
import json
import sys
import time
from pathlib import Path

import numpy as np

from moderation.assembly import open_services
from moderation.hashlists.prints import ClipPrint
from moderation.ids import new_id
from moderation.judging import judge
from moderation.rulebook.watching import kept_current
from moderation.scoring import Analysis
from moderation.settings import Settings

ORG = "default"
NO_FRAMES = ClipPrint(
    times=np.zeros(0, np.int32), quality=np.zeros(0, np.uint8), hashes=np.zeros((0, 8, 32), np.uint8), plain=0
)
SIGNAL = {"state": "measured", "model": "m", "version": "1", "calibration": "none", "note": ""}


def add_clip(services, analysis, clip):
    """A clip that was looked at and waits to be judged."""
    now = services.clock.now()
    row = {"org": ORG, "clip": clip, "now": now, "detectors": services.detectors_hash, "body": analysis.to_text()}
    with services.database.transaction(ORG) as tx:
        tx.pg.execute(
            "insert into moderation.clips (org_id, clip_id, status, probe, created_at, updated_at) "
            "values (%(org)s, %(clip)s, 'processing', '{\"duration_ms\": 1000}', %(now)s, %(now)s)",
            row,
        )
        tx.pg.execute(
            "insert into moderation.clip_prints (org_id, clip_id, hashes, body, created_at) "
            "values (%s, %s, '', %s, %s)",
            (ORG, clip, NO_FRAMES.to_bytes(), now),
        )
        tx.pg.execute(
            "insert into moderation.analyses (org_id, clip_id, detectors, gallery, body, created_at) "
            "select %(org)s, %(clip)s, %(detectors)s, version::text, %(body)s, %(now)s "
            "from moderation.galleries where org_id = %(org)s",
            row,
        )


def showing(services, person) -> Analysis:
    """What the detectors would have found: this person, sure."""
    near = {"person": person, "distance": 0.5, "state": "matched"}
    face = {"track": 1, "start_ms": 0, "end_ms": 1000, "state": "matched", "person": person, "distance": 0.5}
    signals = {name: {**SIGNAL, "samples": [[0, 0.0, None]]} for name in services.ruleset.required}
    return Analysis(signals=signals, faces=[{**face, "candidates": [near]}], seen_ms=[0, 500])


def prove(services, clip) -> None:
    """Write down what the gate's look at the marked bytes would have said."""
    body = f'{{"fingerprint": "{base64.b64encode(b"print").decode()}"}}'
    with services.database.transaction(ORG) as tx:
        tx.pg.execute("update moderation.clips set creator = 'ana' where clip_id = %s", (clip,))
        tx.pg.execute(
            "insert into moderation.mark_payloads (payload, org_id, clip_id, key_version, minted_at) "
            "values (right(%(clip)s, 12), 'default', %(clip)s, 0, now())",
            {"clip": clip},
        )
        tx.pg.execute(
            "insert into moderation.renditions (org_id, clip_id, kind, sha256, blob_key, bytes, report, created_at) "
            "values ('default', %(clip)s, 'marked', %(clip)s, %(clip)s, 1, '{}', now())",
            {"clip": clip},
        )
        tx.pg.execute(
            "insert into moderation.proofs (org_id, clip_id, sha256, passed, body, created_at) "
            "values ('default', %(clip)s, %(clip)s, true, %(body)s, now())",
            {"clip": clip, "body": body},
        )


def main(name, stop, notes):
    with open_services(Settings(), migrating=False) as services, kept_current(services.rulebook, services.dsn):
        signals = {signal: {**SIGNAL, "samples": [[0, 0.01, None]]} for signal in services.ruleset.required}
        analysis = Analysis(signals=signals, faces=[], seen_ms=[0, 500])
        with notes.open("a") as log:
            while not stop.exists():
                clip = new_id("clip")
                add_clip(services, analysis, clip)
                began = time.time()
                answer = judge(services, ORG, clip, 1, "1")
                note = {"worker": name, "clip": clip, "began": began, "ended": time.time(), "answer": answer}
                log.write(json.dumps(note) + "\n")
                log.flush()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
