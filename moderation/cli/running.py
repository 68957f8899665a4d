"""Commands that run something: `up`, and its parts `api`, `worker` and `migrate` for many machines; `demo`."""

import os
import signal
import sys
from typing import Annotated

import typer
import uvicorn

from moderation.assembly import open_services
from moderation.cli.checks import with_models
from moderation.cli.printing import configure_logs, local_settings
from moderation.db.migrate import migrate as migrate_schema
from moderation.demo import run_demo, start_samples
from moderation.keys import development_key
from moderation.postgres import server_for
from moderation.services import Services
from moderation.sessions import login_token
from moderation.settings import Settings
from moderation.steps import QUEUES
from moderation.supervision import (
    Supervisor,
    demand_loopback,
    development_file,
    follow_supervisor,
    url_of,
    wait_until_ready,
)
from moderation.working import stop_on_signals, work

READY_SECONDS = 120.0


def up(
    *, samples: Annotated[bool, typer.Option(help="Run the sample clips through on the first start.")] = False
) -> None:
    """Run every role on this machine until Ctrl-C: database, API, review pages, workers."""
    settings = local_settings()
    demand_loopback(settings)
    with_models(settings)
    say(f"state: {settings.state}")
    with open_services(settings) as services:
        supervisor = Supervisor(settings=settings, watch=services.watch_database)
        supervisor.add("api", "api")
        supervisor.add("worker", "worker", "--queues", ",".join(QUEUES))
        _stop_on_signals(supervisor)
        try:
            if settings.development:
                _run_development(supervisor, services, samples=samples)
            else:
                supervisor.run()
        finally:
            supervisor.stop()
    say("stopped")


def _run_development(supervisor: Supervisor, services: Services, *, samples: bool) -> None:
    """Hand out a key and a log-in, say where everything is, and keep the children alive."""
    settings = supervisor.settings
    key = development_key(services)
    login_url = f"{url_of(settings)}/login/dev?token={login_token(services)}"
    if not wait_until_ready(supervisor, READY_SECONDS):
        if not supervisor.stopping:
            say("the service did not become ready; `moderation doctor` says what is wrong")
        return
    with development_file(settings, key, login_url):
        say(f"ready: {url_of(settings)}\n  API key:  {key}\n  review:   {login_url}\n  stop:     Ctrl-C")
        if samples:
            start_samples(services, url_of(settings), key)
        supervisor.run()


def _stop_on_signals(supervisor: Supervisor) -> None:
    def stop(*_: object) -> None:
        supervisor.stopping = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)


def api(*, ui: Annotated[bool, typer.Option(help="Serve the review pages too.")] = True) -> None:
    """Serve the HTTP API (and the review pages) of this state."""
    follow_supervisor()
    configure_logs()
    settings = Settings()
    demand_loopback(settings)
    factory = "review_ui.app:create_app" if ui else "moderation.api.app:create_app"
    uvicorn.run(
        factory,
        factory=True,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=10,
    )


def worker(*, queues: Annotated[str, typer.Option(help="Comma-separated queues to serve.")] = ",".join(QUEUES)) -> None:
    """Serve queues of this state: `detect` on machines with a GPU, the others anywhere."""
    follow_supervisor()
    configure_logs()
    settings = Settings()
    names = [name.strip() for name in queues.split(",") if name.strip()]
    if unknown := set(names) - set(QUEUES):
        raise typer.BadParameter(f"unknown queues {', '.join(sorted(unknown))}; there are {', '.join(QUEUES)}")
    stop = stop_on_signals()
    with open_services(settings, sandbox_children=2, migrating=settings.development) as services:
        work(services, names, stop)
    # Threads of a native runtime must not keep a finished worker alive.
    sys.stdout.flush()
    os._exit(0)


def migrate() -> None:
    """Bring the schema up to date; safe to run from many machines at once."""
    with server_for(Settings()) as server:
        migrate_schema(server.dsn())
    say("the schema is current")


def demo() -> None:
    """Run the sample clips through once and print what became of them."""
    raise typer.Exit(run_demo(with_models(local_settings())))


def say(line: str) -> None:
    """Tell the person at the terminal; stdout stays for answers."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
