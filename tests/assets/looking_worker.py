"""A worker process that looks back until it is killed: `looking_worker.py STATE`. Nobody judges, so it gives no way."""

import sys
import threading
from pathlib import Path

from moderation.assembly import open_services
from moderation.lookbacks import driving
from moderation.settings import Settings
from moderation.steps import QUEUES
from moderation.working import attempt, make_engine

driving.GIVE_WAY_SECONDS = 0.0
with open_services(Settings(state=Path(sys.argv[1]), env="development"), migrating=False) as services:
    engine = make_engine(services)
    engine.launch({"lookback": QUEUES["lookback"]})
    never = threading.Event()
    while not never.wait(0.3):
        attempt(services.watch_database)
        attempt(lambda: driving.watch(services))
