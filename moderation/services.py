"""What the steps of a clip work with: built once per process, each part on first use. Holds no state of any clip."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from detectors import packs, registry, speakers
from detectors.additions import Additions
from detectors.base import Detector, DetectorUnavailable
from detectors.calibration import Calibration, CalibrationError, load_calibrations
from detectors.embedding import DIMENSION
from detectors.faces import EMBEDDER_MODEL
from detectors.gpu.pack import Placement, close_all
from detectors.gpu.references import PictureEmbedder
from detectors.words import WordLists, load_word_lists
from moderation import __version__, signing
from moderation.attending import LeftBehind
from moderation.clips import Clip
from moderation.clock import Clock, SystemClock
from moderation.db import Database
from moderation.enrolling.looks import Looks
from moderation.errors import NotFound, Outage
from moderation.galleries import Galleries
from moderation.hashlists.mirror import ClipMirror, ListMirror
from moderation.hashlists.providers import HashService, load_services
from moderation.layering import open_layers
from moderation.loading import Kept, Loading
from moderation.login.provider import Provider
from moderation.naming import Names
from moderation.outbox import Enqueuer
from moderation.policy.engine import Ruleset
from moderation.postgres import Server
from moderation.readings import Readings
from moderation.references import Mirror
from moderation.rulebook.book import Rulebook
from moderation.sandbox import Sandbox
from moderation.settings import Settings
from moderation.store import Store
from moderation.vault import Vault
from watermark.authority import Authority, open_authority
from watermark.credentials import Signer, Trust
from watermark.layers import MarkLayer
from watermark.sampling import METHOD

if TYPE_CHECKING:
    from moderation.audit_checks import Check
    from moderation.quality.board import Kept as KeptBoard

T = TypeVar("T")
#: Stands for all detectors where they cannot even be loaded.
LOADING = "load"


class Services:
    """The parts, by name. Safe to share between threads once made."""

    version = __version__

    def __init__(
        self,
        settings: Settings,
        database: Database,
        enqueuer: Enqueuer,
        *,
        clock: Clock | None = None,
        sandbox_children: int = 1,
        sandbox_warm: bool = True,
        server: Server | None = None,
    ) -> None:
        self.settings = settings
        self.database = database
        self.enqueuer = enqueuer
        self.clock = clock or SystemClock()
        self._sandbox_children, self._sandbox_warm = sandbox_children, sandbox_warm
        self._server = server
        #: What the last probe found wrong, by detector; see moderation/canary.py.
        self.detector_faults: dict[str, str] = {}
        #: Called when a detector begins or ceases to stand among them.
        self.on_faults: Callable[[], None] = lambda: None
        #: Whether something probes detectors that fail in the background; where not, the next clip does.
        self.probing = False
        self.left_behind = LeftBehind()
        self.looks = Looks()
        self._loading = Loading(self._load_detectors)
        #: Whether the last signature came to nothing: a drawn clip is signed before the next one is decoded.
        self.signing_fails = False

    @property
    def dsn(self) -> str:
        """Where the database is, for the connections that must not come from the pool."""
        if self._server is None:
            raise Outage("database", "these services were made without a server")
        return self._server.dsn()

    def watch_database(self) -> None:
        """Restart an embedded Postgres that died under us; nothing for an external one."""
        if self._server is not None:
            self._server.watch()

    @cached_property
    def store(self) -> Store:
        """Where the files lie."""
        return Store(self.settings.state, self.settings.blobs_url)

    @cached_property
    def vault(self) -> Vault:
        """The deployment's secrets."""
        return Vault(self.settings.state / "keys")

    @cached_property
    def mark_keys(self) -> dict[int, bytes]:
        """Keys of the invisible mark by version; the highest marks, all read."""
        return self.vault.mark_keys()

    @cached_property
    def sandbox(self) -> Sandbox:
        """The decoder children."""
        return Sandbox(
            self.settings.limits,
            children=self._sandbox_children,
            warm=self._sandbox_warm,
            folder=self.settings.state / "scratch" / "airlocks",
            require_confinement=not self.settings.development,
        )

    @cached_property
    def rulebook(self) -> Rulebook:
        """Which rules judge; read anew when they change."""
        return Rulebook(self.settings, self.database, self.clock)

    @property
    def ruleset(self) -> Ruleset:
        """The rules that judge the default organisation's clips now. Raises Outage("policies") when there are none."""
        with self.database.transaction() as tx:
            return self.rulebook.in_force(tx).rules.acting

    @cached_property
    def lexicon(self) -> WordLists:
        """The word lists of the prompt check."""
        return load_word_lists(self.settings.policies_dir() / "words")

    @property
    def lexicon_hash(self) -> str:
        """Which word lists were used."""
        return self.lexicon.version

    #: How long the vectors of faces and of voices are.
    face_dimensions = DIMENSION
    voice_dimensions = speakers.DIMENSION

    @cached_property
    def face_model(self) -> str:
        """Which weights make the templates of faces. Raises Outage("detector:load") while no pack is built."""
        return self._with_weights(EMBEDDER_MODEL)

    @cached_property
    def voice_model(self) -> str:
        """The same of voices."""
        return self._with_weights(speakers.MODEL)

    @cached_property
    def works_model(self) -> str | None:
        """Which network compares clips with pictures of works; None where none does, as without the GPU pack."""
        return self._of_works(self.additions.works_model)

    @cached_property
    def works_embedder(self) -> PictureEmbedder | None:
        """That network by itself, for pictures that are registered. Raises Outage("detector:works")."""
        return self._of_works(lambda: self.additions.works_embedder(self.settings.models))

    @staticmethod
    def _of_works(ask: Callable[[], T]) -> T:
        try:
            return ask()
        except DetectorUnavailable as error:
            raise Outage("detector:works", str(error)) from error

    @cached_property
    def references(self) -> Mirror:
        """Pictures of works as vectors, kept between clips."""
        return Mirror()

    def _with_weights(self, model: str) -> str:
        try:
            entry = packs.load_manifest(self.settings.models).entry(model)
        except DetectorUnavailable as error:
            raise Outage("detector:load", str(error)) from error
        return f"{model}@{entry.sha256[:12]}"

    @property
    def calibrations_folder(self) -> Path:
        """Where this deployment keeps what its own labelled data made of raw scores."""
        return self.settings.calibrations or self.settings.state / "calibrations"

    @cached_property
    def calibrations(self) -> dict[str, Calibration]:
        """The calibrations in force, by signal. Raises Outage("detector:load") when one cannot be read."""
        try:
            return load_calibrations(self.calibrations_folder)
        except CalibrationError as error:
            raise Outage("detector:load", str(error)) from error

    @property
    def additions(self) -> Additions:
        """What this deployment adds to the shipped detectors."""
        settings, gpu = self.settings, self.settings.gpu
        return Additions(
            pack=settings.pack,
            lock=settings.gpu_lock(),
            labels=settings.policies_dir() / "scenes" / "labels.yaml",
            remotes=settings.remote_detectors,
            placement=Placement(
                device=settings.device,
                precision=gpu.precision,
                execution=gpu.execution,
                frames_per_run=gpu.frames_per_run,
            ),
            body_parts=settings.body_parts,
        )

    def _load_detectors(self) -> tuple[Detector, ...]:
        return registry.load_detectors(
            self.settings.models, self.settings.device, self.lexicon, self.calibrations, self.additions
        )

    def _wait_for_detectors(self) -> tuple[Detector, ...]:
        try:
            loaded = self._loading.wait(self.settings.looking.loading_seconds)
        except (DetectorUnavailable, Outage) as error:
            name = (isinstance(error, DetectorUnavailable) and error.detector) or LOADING
            self.detector_faults = {name: str(error)}
            self.on_faults()
            raise Outage(f"detector:{name}", str(error)) from error
        if self.detector_faults and "detectors" not in self.__dict__:
            self.detector_faults = {}
            self.on_faults()
        return loaded

    #: Every detector, loaded once. Raises Outage("detector:NAME") while weights are missing or damaged or a probe
    #: fails; until it succeeds the failure stands among the faults that this process tells `/readyz`.
    detectors = Kept(_wait_for_detectors)

    @property
    def detectors_loaded(self) -> bool:
        """Whether this process has them in memory; a worker of other queues never does."""
        return "detectors" in self.__dict__

    @cached_property
    def detectors_hash(self) -> str:
        """Names weights, thresholds, word lists and sampling: what else than the clip decides the signals."""
        try:
            return registry.manifest_hash(
                packs.load_manifest(self.settings.models),
                self.lexicon,
                {**self.settings.sampling.model_dump(), "method": METHOD},
                self.calibrations,
                self.additions,
            )
        except DetectorUnavailable as error:
            raise Outage("detector:load", str(error)) from error

    @cached_property
    def chain_checks(self) -> "dict[str, tuple[float, Check | None]]":
        """What this process remembers of the newest check of each organisation's audit chains, and since when."""
        return {}

    @cached_property
    def boards(self) -> "dict[tuple[str, int], KeptBoard]":
        """The figures that were read last, by organisation and days looked back."""
        return {}

    @cached_property
    def login_provider(self) -> Provider | None:
        """Where reviewers log in, None where no provider is configured."""
        oidc = self.settings.login.oidc
        return Provider(oidc, self.clock, plain_loopback=self.settings.development) if oidc else None

    @cached_property
    def hash_lists(self) -> ListMirror:
        """This process's copy of the hash lists."""
        return ListMirror()

    @cached_property
    def own_clips(self) -> ClipMirror:
        """This process's copy of the prints of our own clips."""
        return ClipMirror(self.settings.hashes.own_clips)

    @cached_property
    def hash_services(self) -> tuple[HashService, ...]:
        """The closed hash services that are asked about every clip."""
        return load_services(self.settings.hashes.services)

    @cached_property
    def galleries(self) -> Galleries:
        """Registered faces and voices, kept between clips."""
        return Galleries()

    @cached_property
    def names(self) -> Names:
        """Names of registered people and works, kept between clips."""
        return Names()

    @cached_property
    def readings(self) -> Readings:
        """What was read off clips in flight."""
        return Readings()

    @cached_property
    def mark_layers(self) -> tuple[MarkLayer, ...]:
        """The additional layers that were chosen, each proven able. Raises Outage("marks") naming one that is not."""
        return open_layers(self.settings)

    @cached_property
    def authority(self) -> Authority:
        """The development authority, made on first start; signs where no other signer is set."""
        return open_authority(self.settings.state / "authority", now=self.clock.now())

    @cached_property
    def signer(self) -> Signer:
        """Who signs C2PA manifests. Raises Outage("signer") while that one cannot be used."""
        return signing.open_signer(self)

    @cached_property
    def trust(self) -> Trust:
        """Which certificates are ours, and whom else we believe. Raises Outage("signer") when a list cannot be read."""
        return signing.open_trust(self)

    def upload_key(self, clip: Clip) -> str:
        """Where a clip's bytes lie as they were uploaded."""
        if clip.content_sha256 is None:
            raise NotFound(f"the clip {clip.clip_id} has no bytes yet")
        return f"{clip.org_id}/upload/{clip.content_sha256[:2]}/{clip.content_sha256}"

    def scratch(self) -> Path:
        """Where uploads are received before they are stored."""
        folder = self.settings.state / "scratch"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder

    def close(self) -> None:
        """End the decoder children and the pool, if they were ever made."""
        if "sandbox" in self.__dict__:
            self.sandbox.close()
        if "detectors" in self.__dict__:
            close_all(self.detectors)
        if (embedder := self.__dict__.get("works_embedder")) is not None:
            embedder.close()
        self.database.close()
