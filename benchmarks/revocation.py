"""Taking consent back where one clip has ten thousand descendants: reach, refusal, withdrawals, events, receipts.

Clips are rows, the webhook's receiver is a socket on loopback; the queries, the worker's engine and its deliveries are
the real ones. Two processors' worth: one process drives, threads deliver.
"""

import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Final

import results
from meters import Meter, database_meter
from states import passing_state

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests" / "assets"))
from families import register, tree, write

from moderation import release
from moderation.assembly import open_services
from moderation.revocations import beginning
from moderation.revocations.progress import Progress, progress
from moderation.revocations.reaching import reach
from moderation.settings import Settings
from moderation.steps import QUEUES
from moderation.webhooks import create_endpoint
from moderation.working import make_engine

if TYPE_CHECKING:
    from moderation.services import Services

ORG: Final = "default"
DESCENDANTS: Final = 10_000
#: Every second descendant still shows the person; the others are judged again.
SHOWN_EVERY: Final = 2
TARGETS: Final = {"reach_s": 1.0, "refused_s": 2.0, "withdrawn_s": 60.0}
PATIENCE_S: Final = 900.0


class Receiver(ThreadingHTTPServer):
    """A platform that takes every webhook."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Taking)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/hook"


class Taking(BaseHTTPRequestHandler):
    """Answers 204."""

    def do_POST(self) -> None:
        """Take the event."""
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def gone(services: "Services", clip: str) -> bool:
    """Whether a clip's file is refused."""
    try:
        release.media(services, ORG, clip)
    except release.Gone:
        return True
    return False


def seconds(done: Callable[[], bool], pause: float = 0.05) -> float:
    """How long it takes until something is so. Raises TimeoutError."""
    began = time.monotonic()
    while not done():
        if time.monotonic() - began > PATIENCE_S:
            raise TimeoutError
        time.sleep(pause)
    return time.monotonic() - began


def look(services: "Services", revocation: str) -> Progress:
    """How far it is."""
    with services.database.transaction(ORG) as tx:
        return progress(tx, revocation)


def measure(services: "Services", descendants: int, hook: str, meter: Meter) -> dict[str, object]:
    """One tree, taken back once while a worker's engine runs in this process."""
    create_endpoint(services, ORG, hook, by="bench")
    person = register(services.database, services.vault)
    rows = tree(person, descendants, shown_every=SHOWN_EVERY)
    with services.database.transaction() as tx:
        write(tx, rows)
    with services.database.system_transaction() as tx:
        tx.pg.execute("analyze")
    began = time.monotonic()
    with services.database.transaction() as tx:
        numbers = reach(tx, person)
    reach_s = time.monotonic() - began
    engine = make_engine(services)
    engine.launch({name: QUEUES[name] for name in ("revoke", "deliver")})
    before, began = meter.read(), time.monotonic()
    begun = beginning.begin(services, ORG, person, by="bench")
    commit_s = time.monotonic() - began
    last = next(row.clip for row in reversed(rows) if row.shows[0][1] == "face")
    refused_s = seconds(lambda: gone(services, last), 0.001)
    revocation = str(begun["revocation_id"])
    emitted_s = seconds(lambda: look(services, revocation).handled_at is not None)
    after = meter.read()
    # Until all of it was delivered; what is judged again nobody judges here.
    zero_s = seconds(lambda: look(services, revocation).unpurged == 0) + emitted_s
    engine.shutdown(seconds=10)
    with services.database.system_transaction() as tx:
        events = tx.pg.execute("select count(*) from moderation.events where type = 'clip.withdrawn'").fetchone()
        withdrawn = tx.pg.execute(
            "select extract(epoch from max(t.handled_at) - min(r.begun_at))::float "
            "from moderation.revocation_targets t join moderation.revocation_runs r using (revocation_id) "
            "where t.action = 'withdraw'"
        ).fetchone()
        again = tx.pg.execute("select count(*) from moderation.clips where status = 'processing'").fetchone()
    assert events is not None
    assert again is not None
    assert withdrawn is not None
    return {
        "descendants": descendants,
        "reached": numbers.to_json(),
        "reach_s": round(reach_s, 3),
        "commit_s": round(commit_s, 3),
        "refused_s": round(refused_s, 3),
        # The last withdrawal with its event; then what does not show the person was sent to judgement.
        "withdrawn_s": round(withdrawn[0], 2),
        "handled_s": round(emitted_s, 2),
        "service_cpu_s": round(after.service - before.service, 2),
        "database_cpu_s": round(after.database - before.database, 2),
        "delivered_s": round(zero_s, 2),
        "withdrawn": events[0],
        "judged_again": again[0],
    }


def main() -> int:
    """Run, print, write; 1 when a target is missed."""
    descendants = int(sys.argv[1]) if len(sys.argv) > 1 else DESCENDANTS
    receiver = Receiver()
    thread = threading.Thread(target=receiver.serve_forever, daemon=True)
    thread.start()
    circumstances = results.circumstances()
    webhooks = Settings().webhooks.model_copy(update={"allow_loopback": True})
    with passing_state() as state:
        settings = Settings(state=state, env="development", webhooks=webhooks)
        with open_services(settings) as services:
            measured = measure(services, descendants, receiver.url, database_meter(state))
    receiver.shutdown()
    receiver.server_close()
    missed = [name for name, target in TARGETS.items() if float(str(measured[name])) >= target]
    if descendants == DESCENDANTS:
        results.save("revocation", circumstances, {**measured, "targets": TARGETS, "missed": missed})
    results.print_table("Revocation", [("figure", ""), *((name, str(value)) for name, value in measured.items())])
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
