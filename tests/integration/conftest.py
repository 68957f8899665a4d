"""A real service for tests: the whole app on a loopback port over a database of the test's own."""

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
import pytest
import uvicorn
from clips import ClipPlan, draw_clip
from fastapi import FastAPI

from detectors.base import Detector
from detectors.manifests import Manifest
from detectors.registry import load_detectors
from detectors.words import load_word_lists
from moderation.hashlists.formats import Entry, Kind
from moderation.hashlists.lists import Category, add_entries, create_list
from moderation.keys import SCOPES, create_key, development_key
from moderation.keys import Kind as PrincipalKind
from moderation.sandbox import Sandbox
from moderation.services import Services
from moderation.settings import Reviewing, Settings

#: Read once: a client of its own would read the authorities of the whole world before it asks a loopback port.
TRUST = ssl.create_default_context()


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A service that answers at `url`, its inside, and a client that holds a key with every scope."""

    url: str
    services: Services
    client: httpx.Client
    clients: list[httpx.Client] = field(default_factory=list)

    def with_scopes(self, *scopes: str, principal: str = "tester", kind: PrincipalKind = "service") -> httpx.Client:
        """A client with a key of these scopes, all of them when none are named."""
        asked = {"principal": principal, "scopes": scopes or SCOPES}
        made = create_key(self.services, "default", **asked, by="test", kind=kind)
        return self.with_headers(Authorization=f"Bearer {made.key}")

    def of_organisation(self, org: str) -> httpx.Client:
        """A client of another organisation, with every scope there."""
        made = create_key(self.services, org, principal="tester", scopes=SCOPES, by="test")
        return self.with_headers(Authorization=f"Bearer {made.key}")

    def with_headers(self, **headers: str) -> httpx.Client:
        """A client without a key, with these headers."""
        self.clients.append(httpx.Client(base_url=self.url, headers=headers, timeout=60, verify=TRUST))
        return self.clients[-1]

    def close(self) -> None:
        for client in (self.client, *self.clients):
            client.close()


Run = Callable[..., Running]


@pytest.fixture
def put_on_list() -> Callable[..., str]:
    """Put hashes (32 bytes each) on a new list; the hash of a file unless `kind` says otherwise."""

    def put(services: Services, *hashes: bytes, category: str = "known_illegal", kind: str = "sha256", **said) -> str:
        now, org = services.clock.now(), said.get("org", "default")
        entries = [Entry(kind=Kind(kind), hash=each, item=said.get("item")) for each in hashes]
        with services.database.transaction(org) as tx:
            name = said.get("name", f"test {category}")
            made = create_list(tx, now, name=name, category=Category(category), source="test", by="tester")
            add_entries(tx, now, made, entries, by="tester")
        return made

    return put


@pytest.fixture(scope="session")
def loaded(embedded_pack: Manifest) -> tuple[Detector, ...]:
    """The shipped detectors, loaded once: they keep nothing of a clip, and loading takes longer than a short clip."""
    settings = Settings()
    return load_detectors(embedded_pack.folder.parent, "cpu", load_word_lists(settings.policies_dir() / "words"))


@pytest.fixture
def settings(dsn: str, tmp_path: Path) -> Settings:
    """Development settings over the test's own database and state; answers of people act at once."""
    review = Reviewing(undo_s=0)
    return Settings(env="development", state=tmp_path / "state", database_url=dsn, review=review)


class Shared(Sandbox):
    """Decoders that outlive whoever uses them: only the end of the session ends them."""

    def close(self) -> None:
        """Leave them to the next test."""

    def end(self) -> None:
        super().close()


@pytest.fixture(scope="session")
def decoders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """Decoder children that services share one after the other: each takes half a second of processor time to start."""
    folder = tmp_path_factory.mktemp("airlocks")
    made = Shared(Settings().limits, children=2, warm=False, folder=folder, require_confinement=False)
    yield made
    made.end()


@contextmanager
def lending(services: Services, decoders: Sandbox) -> Iterator[None]:
    """Let services use the shared decoders, where they would make the same ones; nobody closes these."""
    settings = services.settings
    if not settings.development or settings.limits != decoders.limits:
        yield
        return
    own = services.__dict__.pop("sandbox", None)
    services.__dict__["sandbox"] = decoders
    try:
        yield
    finally:
        del services.__dict__["sandbox"]
        if own is not None:
            services.__dict__["sandbox"] = own


@pytest.fixture(scope="session")
def lend_decoders(decoders: Sandbox) -> Callable[[Services], AbstractContextManager[None]]:
    """Let services use the shared decoders while a block lasts."""
    return partial(lending, decoders=decoders)


@contextmanager
def serving(app: FastAPI, decoders: Sandbox) -> Iterator[Running]:
    """Serve an app while the block lasts."""
    app.state.warm_decoders = False
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + 30
    while not server.started:
        assert thread.is_alive(), "the service ended while starting"
        assert time.monotonic() < deadline, "the service did not start"
        time.sleep(0.01)
    url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    services = app.state.services
    headers = {"Authorization": f"Bearer {development_key(services)}"}
    running = Running(
        url=url, services=services, client=httpx.Client(base_url=url, headers=headers, timeout=60, verify=TRUST)
    )
    with lending(services, decoders):
        yield running
    running.close()
    server.should_exit = True
    thread.join(20)
    assert not thread.is_alive(), "the service did not stop"


@pytest.fixture
def run_app(settings: Settings, decoders: Sandbox) -> Iterator[Run]:
    """Serve an app made by `factory` from the settings, changed as asked, until the test ends."""
    # Here, so that tests of the database alone do not load the whole service.
    from moderation.api.app import create_app  # noqa: PLC0415

    with ExitStack() as served:

        def run(factory: Callable[[Settings], FastAPI] = create_app, **changes: object) -> Running:
            return served.enter_context(serving(factory(settings.model_copy(update=changes)), decoders))

        yield run


@pytest.fixture(scope="session")
def serve(decoders: Sandbox) -> Callable[[FastAPI], AbstractContextManager[Running]]:
    """Serve an app while a block lasts: for services that several tests share."""
    return partial(serving, decoders=decoders)


@pytest.fixture
def service(run_app: Run) -> Running:
    """The service with its usual settings."""
    return run_app()


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One second of a drawn clip."""
    return draw_clip(tmp_path_factory.mktemp("drawn") / "clip.mp4", ClipPlan())
