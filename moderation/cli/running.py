"""Commands that run something: `up`, and its parts `api`, `worker` and `migrate` for many machines; `demo`."""

import os
import signal
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from moderation.cli.checks import with_models
from moderation.cli.failures import COULD_NOT_BE_DONE
from moderation.cli.printing import configure_logs, local_settings
from moderation.settings import Settings
from moderation.supervision import (
    Supervisor,
    demand_loopback,
    demand_port,
    development_file,
    follow_supervisor,
    url_of,
    wait_until_ready,
)

if TYPE_CHECKING:
    from moderation.services import Services

# Imports stand where they are needed: `up` starts its children before it loads anything else.
# ruff: noqa: PLC0415
#: A person is told after so long that the start takes its time, and it is given up after the second figure.
SLOW_SECONDS = 60.0
READY_SECONDS = 600.0


def up(
    *, samples: Annotated[bool, typer.Option(help="Run the sample clips through on the first start.")] = False
) -> None:
    """Run every role on this machine until Ctrl-C: database, API, review pages, workers."""
    settings = local_settings()
    demand_loopback(settings)
    demand_port(settings)
    with_models(settings)
    say(f"state: {settings.state}")
    supervisor = Supervisor(settings=settings)
    supervisor.add("api", "api")
    supervisor.add("worker", "worker")
    _stop_on_signals(supervisor)
    try:
        if settings.development:
            # They open and migrate the state themselves, and importing takes them longest.
            supervisor.tend()
        ready = _open_and_run(supervisor, samples=samples)
    finally:
        supervisor.stop()
    say("stopped")
    raise typer.Exit(0 if ready else COULD_NOT_BE_DONE)


def _open_and_run(supervisor: Supervisor, *, samples: bool) -> bool:
    """Keep the database and the children alive until asked to stop; False when they never got ready."""
    from moderation.assembly import open_services

    with open_services(supervisor.settings) as services:
        supervisor.watch = services.watch_database
        try:
            if supervisor.settings.development:
                return _run_development(supervisor, services, samples=samples)
            supervisor.run()
        finally:
            # The last to leave stops the database; that should be this process.
            supervisor.stop()
    return True


def _run_development(supervisor: Supervisor, services: "Services", *, samples: bool) -> bool:
    """Hand out a key and a log-in, say where everything is, and keep the children alive."""
    from moderation.keys import development_key
    from moderation.sessions import login_token

    settings = supervisor.settings
    key = development_key(services)
    login_url = f"{url_of(settings)}/login/dev?token={login_token(services)}"
    if not wait_until_ready(supervisor, SLOW_SECONDS):
        if not supervisor.stopping:
            say("not ready yet; still trying. In another terminal, `moderation doctor` says what is wrong")
        if not wait_until_ready(supervisor, READY_SECONDS):
            return supervisor.stopping
    with development_file(settings, key, login_url):
        say(f"ready: {url_of(settings)}\n  API key:  {key}\n  review:   {login_url}\n  stop:     Ctrl-C")
        if samples:
            from moderation.demo import start_samples

            start_samples(services, url_of(settings), key)
        supervisor.run()
    return True


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
    import uvicorn

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


def worker(
    *, queues: Annotated[str, typer.Option(help="Comma-separated queues to serve; without it all of them.")] = ""
) -> None:
    """Serve queues of this state: `detect` on machines with a GPU, the others anywhere."""
    follow_supervisor()
    from moderation.assembly import open_services
    from moderation.steps import QUEUES
    from moderation.working import stop_on_signals, work

    configure_logs()
    settings = Settings()
    names = [name.strip() for name in queues.split(",") if name.strip()] or list(QUEUES)
    if unknown := set(names) - set(QUEUES):
        raise typer.BadParameter(f"unknown queues {', '.join(sorted(unknown))}; there are {', '.join(QUEUES)}")
    if "detect" in names:
        from detectors.registry import plugins

        # One that cannot be imported stops the start, by its name; the others load with the first clip.
        plugins()
    if "render" in names:
        from moderation.layering import factories

        # So does a chosen layer of marks.
        factories(settings)
    stop = stop_on_signals()
    with open_services(settings, sandbox_children=2, migrating=settings.development) as services:
        work(services, names, stop)
    # Threads of a native runtime must not keep a finished worker alive.
    sys.stdout.flush()
    os._exit(0)


def migrate() -> None:
    """Bring the schema up to date; safe to run from many machines at once."""
    from moderation.db.migrate import migrate as migrate_schema
    from moderation.postgres import server_for

    with server_for(Settings()) as server:
        migrate_schema(server.dsn())
    say("the schema is current")


def demo() -> None:
    """Run the sample clips through once and print what became of them."""
    from moderation.demo import run_demo

    raise typer.Exit(run_demo(with_models(local_settings())))


def say(line: str) -> None:
    """Tell the person at the terminal; stdout stays for answers."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
