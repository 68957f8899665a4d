"""The worker role: serves queues through the engine, and sweeps for what is due. One process, many clips."""

import signal
import threading
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial

import structlog

from moderation import asking, audit, audit_checks, canary, erasure, heartbeat, holding, retention, unmatched
from moderation.engine import DeadLetter, Engine
from moderation.enrolling.checking import Checker
from moderation.errors import Outage
from moderation.hashlists.sweeping import Sweeper
from moderation.lookbacks import driving as lookbacks
from moderation.notices import tending as notices
from moderation.pipeline import WORKFLOWS
from moderation.renditions.preparing import Preparer
from moderation.review import following
from moderation.review.mixing import mix
from moderation.review.queues import fold_changes
from moderation.revocations import driving
from moderation.revocations.rejudging import judge_outlived
from moderation.rulebook import emergencies
from moderation.rulebook.watching import kept_current
from moderation.services import Services
from moderation.steps import QUEUES, STEPS

log = structlog.get_logger()
SWEEP_SECONDS = 1.0
ROOT_SECONDS = 300.0
RETENTION_SECONDS = 3600.0
CHAIN_SECONDS = 86400.0
CANARY_SECONDS = 3600.0
BEAT_SECONDS = 10.0
LOAD_AFTER_SECONDS = 5.0
#: How often a detector that failed its probe is tried again.
RECOVERY_SECONDS = 30.0
#: How long the engine's records of finished runs are kept.
FINISHED_KEPT = timedelta(days=7)


def make_engine(services: Services, *, guard: bool = True) -> Engine:
    """The engine of this process over the pipeline's workflows and steps."""

    def bury(letter: DeadLetter) -> None:
        end_dead_run(services, letter)

    return Engine(services.dsn, WORKFLOWS, STEPS, services, guard=guard, on_dead_letter=bury)


def end_dead_run(services: Services, letter: DeadLetter) -> None:
    """Put the clip of a run that died too often before a person; a delivery is due again by its own row."""
    if letter.workflow == "process_clip":
        org, clip_id, generation = letter.args[0], letter.args[1], letter.args[2]
        assert isinstance(org, str)
        assert isinstance(clip_id, str)
        assert isinstance(generation, int)
        holding.end_dead_run(services, org, clip_id, generation)


def work(services: Services, queues: Sequence[str], stop: threading.Event) -> None:
    """Serve queues until asked to stop. What is in hand at the end is done again by whoever comes next."""
    engine = make_engine(services)
    engine.launch({name: QUEUES[name] for name in queues})

    def beat() -> None:
        attempt(lambda: heartbeat.beat(services, engine.executor_id, queues))

    beat()
    attempt(lambda: unmatched.tell(services))
    services.on_faults = beat
    if "detect" in queues:
        # Marked before any clip can ask.
        services.probing = True
        threading.Thread(target=tend_detectors, args=(services, stop), name="probing", daemon=True).start()
        threading.Thread(target=Checker(services).tend, args=(stop,), name="enrolling", daemon=True).start()
    if "render" in queues:
        threading.Thread(target=Preparer(services).tend, args=(stop,), name="veiling", daemon=True).start()
    try:
        with kept_current(services.rulebook, services.dsn):
            sweep_until(services, engine, queues, stop)
    finally:
        engine.shutdown()
        attempt(lambda: heartbeat.leave(services, engine.executor_id))


def tend_detectors(services: Services, stop: threading.Event) -> None:
    """Load the detectors soon after the start, whether a clip came or not, then probe them when it is due.

    In a thread of its own: reading weights takes seconds, and a probe may hang until its deadline. The rest of the
    service starts first, for they would fight for the processors.
    """
    if stop.wait(LOAD_AFTER_SECONDS):
        return
    attempt(lambda: services.detectors)
    waited = 0.0
    while not stop.wait(RECOVERY_SECONDS):
        waited += RECOVERY_SECONDS
        duty = canary.probe_detectors if waited % CANARY_SECONDS < RECOVERY_SECONDS else canary.probe_failing
        attempt(partial(duty, services))


def sweep_until(services: Services, engine: Engine, queues: Sequence[str], stop: threading.Event) -> None:
    """Do each periodic duty when it is due. A failing duty is logged and tried again: it never ends the worker."""
    duties: list[tuple[float, Callable[[], object]]] = [
        (SWEEP_SECONDS, services.watch_database),
        (SWEEP_SECONDS, lambda: holding.resume_held(services)),
        (SWEEP_SECONDS, lambda: holding.resume_deliveries(services)),
        (SWEEP_SECONDS, lambda: holding.end_abandoned_checks(services)),
        (SWEEP_SECONDS, lambda: emergencies.expire(services)),
        (SWEEP_SECONDS, lambda: following.follow_due(services)),
        (BEAT_SECONDS, lambda: asking.lapse_due(services)),
        (SWEEP_SECONDS, lambda: driving.watch(services)),
        (SWEEP_SECONDS, lambda: judge_outlived(services)),
        (BEAT_SECONDS, lambda: lookbacks.watch(services)),
        (SWEEP_SECONDS, lambda: notices.tend(services)),
        (RETENTION_SECONDS, lambda: notices.erase_old(services)),
        (BEAT_SECONDS, lambda: fold_queues(services)),
        (BEAT_SECONDS, lambda: mix(services)),
        (BEAT_SECONDS, services.readings.let_go),
        (BEAT_SECONDS, lambda: heartbeat.beat(services, engine.executor_id, queues)),
        (ROOT_SECONDS, lambda: sign_roots(services)),
        (RETENTION_SECONDS, lambda: retention.sweep(services)),
        (RETENTION_SECONDS, lambda: erasure.rebuild(services)),
        (RETENTION_SECONDS, lambda: unmatched.sweep(services)),
        (CHAIN_SECONDS, lambda: check_chains_apart(services)),
        (RETENTION_SECONDS, lambda: engine.delete_finished(FINISHED_KEPT)),
        (SWEEP_SECONDS, Sweeper(services).sweep),
    ]
    waited = 0.0
    while not stop.wait(SWEEP_SECONDS):
        waited += SWEEP_SECONDS
        for every, duty in duties:
            if waited % every < SWEEP_SECONDS:
                attempt(duty)


def attempt(duty: Callable[[], object]) -> None:
    """Do one duty; its failure is this round's only."""
    try:
        duty()
    except Exception as error:  # noqa: BLE001 (a sweep must outlive whatever one of its duties meets)
        log.warning("sweep_failed", error=type(error).__name__, outage=isinstance(error, Outage))


def sign_roots(services: Services) -> int:
    """Sign where every audit chain ends now."""
    with services.database.system_transaction() as tx:
        return audit.sign_roots(tx, services.clock.now(), services.vault.audit_key())


def fold_queues(services: Services) -> int:
    """Add up what queues gained and lost."""
    with services.database.system_transaction() as tx:
        return fold_changes(tx)


def check_chains_apart(services: Services) -> threading.Thread:
    """Walk every audit chain in a thread of its own: a long log must not keep the other duties waiting."""
    thread = threading.Thread(target=attempt, args=(partial(audit_checks.check_all, services),), daemon=True)
    thread.start()
    return thread


def stop_on_signals() -> threading.Event:
    """An event that SIGTERM and SIGINT set."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
