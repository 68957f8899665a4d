"""A worker process that drives revocations and delivers their events until it is killed: `revoking_worker.py STATE`."""

import sys
import threading
from pathlib import Path

from moderation import holding
from moderation.assembly import open_services
from moderation.revocations import driving
from moderation.settings import Settings
from moderation.steps import QUEUES
from moderation.working import attempt, make_engine

settings = Settings(state=Path(sys.argv[1]), env="development", webhooks={"allow_loopback": True})
with open_services(settings, migrating=False) as services:
    engine = make_engine(services)
    engine.launch({name: QUEUES[name] for name in ("revoke", "deliver")})
    print("ready", flush=True)
    never = threading.Event()
    while not never.wait(0.3):
        attempt(services.watch_database)
        attempt(lambda: driving.watch(services))
        attempt(lambda: holding.resume_deliveries(services))
