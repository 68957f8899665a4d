"""Every setting in one place, read from `MODERATION_*` (nested names with `__`). Nothing is read at import."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from moderation.likeness_settings import LikenessSettings
from watermark.patience import Budget

CHECKOUT = Path(__file__).resolve().parent.parent


def default_state() -> Path:
    """The checkout's `var/` when this is a checkout, else a folder of the user's."""
    if (CHECKOUT / "pyproject.toml").is_file():
        return CHECKOUT / "var"
    return Path.home() / ".local" / "state" / "countersign"


class Limits(BaseModel):
    """What a clip may be. Each refusal names the limit it met."""

    max_bytes: int = 512 * 1024 * 1024
    max_duration_ms: int = 180_000
    max_frames: int = 12_000
    min_frames: int = 1
    #: Coded pixels of one frame; 4096 x 2304 and a margin.
    max_pixels: int = 10_000_000
    min_side: int = 16
    max_fps: int = 240
    max_tracks: int = 8
    max_metadata_bytes: int = 64 * 1024
    #: Wall and CPU seconds one job of the decoder child may take, and its address space.
    decode_seconds: int = 600
    decode_memory_bytes: int = 6 * 1024**3


class Sampling(BaseModel):
    """Which frames of a clip are looked at (docs/decisions/0018). Every figure belongs to the detectors' hash."""

    #: Looks a second in any case, counted from the start of each shot.
    floor_fps: float = Field(default=2.0, ge=2.0, le=240.0)
    #: Looks beyond the floor: for each shot and sudden change, and where much moves.
    extra_per_second: int = Field(default=8, ge=1)
    extra_in_all: int = Field(default=480, ge=1)
    #: From which sudden change of a part of the picture, or of the whole, a frame counts as new; levels of 255.
    part_change: int = Field(default=8, ge=1)
    whole_change: int = Field(default=20, ge=1)
    #: The share of the picture that makes another shot of a sudden change.
    whole_share: float = Field(default=0.4, gt=0)
    #: Pixels of the longer side that detectors see; smaller clips are not enlarged, and less would hide small faces.
    long_side: int = Field(default=1280, ge=640)


class Looking(BaseModel):
    """How long a detector may take. Decoding is not counted; waiting for a GPU is, and has a shorter end of its own."""

    #: All that one detector does on one clip: so many seconds for each second of the clip, and at least the second.
    seconds_per_second: float = Field(default=12.0, gt=0)
    seconds_at_least: float = Field(default=240.0, gt=0)
    probe_seconds: float = Field(default=60.0, gt=0)
    #: Reading the weights of all detectors and their first probe.
    loading_seconds: float = Field(default=600.0, gt=0)

    def seconds_for(self, duration_ms: int) -> float:
        """What one detector may take for a clip of this length."""
        return max(self.seconds_at_least, self.seconds_per_second * duration_ms / 1000)


class Parents(BaseModel):
    """How much of a remix's chain of manifests is kept (about 16 kB a generation), and what is looked for."""

    generations: int = Field(default=8, ge=0, le=32)
    bytes_in_all: int = Field(default=512 * 1024, ge=0, le=4 * 1024 * 1024)
    mark_seconds: float = Field(default=0.0, ge=0, le=30, description="CPU for our mark in uploads; 0: none.")


class Signing(BaseModel):
    """Who signs C2PA manifests (docs/howto/production-keys.md); without a chain the state's development authority."""

    #: PEM file of the certificates, leaf first.
    chain: Path | None = None
    #: PEM file of the leaf's private key, or else a program that signs with a key it does not give away.
    key: Path | None = None
    command: tuple[str, ...] = ()
    timeout_seconds: float = Field(default=10.0, gt=0, le=120)
    #: PEM file of the roots whose manifests are ours, former ones too; without it the root at the chain's end.
    roots: Path | None = None

    @model_validator(mode="after")
    def _one_key(self) -> "Signing":
        if (self.chain is not None) != (self.key is not None or bool(self.command)):
            raise ValueError("a signing chain needs a key or a command, and these need a chain")
        if self.key is not None and self.command:
            raise ValueError("either a signing key or a signing command")
        return self


class StartLabelSettings(BaseModel):
    """Words that a region wants large at a clip's start, and for how long."""

    text: str = Field(min_length=1, max_length=40)
    #: GB 45438-2025 asks for two seconds at the least.
    seconds: float = Field(default=2.5, ge=2.0, le=30.0)


class ImplicitLabelSettings(BaseModel):
    """The key `AIGC` in the container's metadata, as GB 45438-2025 asks for it."""

    #: Markets whose clips get it (ISO 3166-1 alpha-2, or EU for its members).
    markets: tuple[str, ...] = ("CN",)
    #: Name or registered code of the service that generates; without it `provider`.
    producer: str = Field(default="", max_length=200)
    #: Name or registered code of the service that spreads the clip, where that is settled when it is marked.
    propagator: str = Field(default="", max_length=200)


class Marking(BaseModel):
    """How a released clip is marked and encoded."""

    provider: str = "Countersign"
    system: str = "Countersign Gate"
    #: The version of `system`; without it Countersign's own.
    system_version: str = ""
    platform_name: str = "Countersign"
    #: How to say "AI-generated" in further languages, by code; each of `languages` needs its words.
    labels: dict[str, str] = {}
    #: Font files that are asked after the packaged ones: below `/usr` or in an installed package.
    fonts: tuple[Path, ...] = ()
    #: Whether a creator's handle that no font can write whole is left out of the mark, or the clip refused.
    undrawable_handles: Literal["leave_out", "refuse"] = "leave_out"
    #: What the start of a clip must show, by its market (ISO 3166-1 alpha-2, or EU for its members).
    start_labels: dict[str, StartLabelSettings] = {
        "CN": StartLabelSettings(text="AI生成"),
        "EU": StartLabelSettings(text="AI GENERATED"),
    }
    #: Markets that every clip is for, besides the one it names.
    markets: tuple[str, ...] = ()
    implicit_label: ImplicitLabelSettings = ImplicitLabelSettings()
    #: Of x264, which encodes in the confined child; no device reaches in there.
    crf: int = Field(default=21, ge=0, le=51)
    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"] = (
        "veryfast"
    )
    encoder_threads: int = 2
    #: The C2PA soft-binding algorithm name of our invisible mark, until registered.
    soft_binding: str = "org.countersign.tss.1"
    #: Additional invisible layers by name, in the order they are put on (docs/howto/add-a-mark.md).
    layers: tuple[str, ...] = ()
    #: Whether manifests allow data mining and training.
    mining_allowed: bool = False
    #: URL of an RFC 3161 time-stamp authority; empty signs without a time-stamp.
    timestamp_url: str = ""
    #: PEM file with the roots of that authority; without it its time-stamps are kept but not believed.
    timestamp_roots: Path | None = None
    #: PEM file of the roots of others whose manifests are believed, such as the C2PA trust list.
    trusted_roots: Path | None = None
    parents: Parents = Parents()
    signing: Signing = Signing()


class Retrying(BaseModel):
    """How held clips and failed steps are tried again."""

    held_first_seconds: float = 5.0
    held_max_seconds: float = 60.0


class Webhooks(BaseModel):
    """Where deliveries may go and for how long they are tried."""

    allow_loopback: bool = False
    timeout_seconds: float = 10.0
    max_attempts: int = 20


class Verifying(BaseModel):
    """How long one copy may be looked at, in CPU seconds of its decoder; what is cut short is `not_checked`.

    The one place that says how long: `watermark.patience.Budget` has no figures of its own.
    """

    mark_seconds: float = Field(default=30.0, gt=0)
    #: Spent from the beginning, after which the thorough search for a moved mark is ended where it is.
    search_seconds: float = Field(default=30.0, ge=0)
    #: For looking at the rest of the content once the mark is found.
    content_seconds: float = Field(default=30.0, gt=0)
    #: For all additional layers of marks together, by the clock.
    layer_seconds: float = Field(default=30.0, ge=0)
    #: For all of it together, by the clock.
    wall_seconds: float = Field(default=120.0, gt=0)

    def budget(self) -> Budget:
        """The bounds of one look."""
        return Budget(**self.model_dump())


class HashServiceSettings(BaseModel):
    """A closed hash service that is asked about every clip."""

    name: str = Field(pattern=r"^[a-z0-9_-]{1,40}$")
    url: str = Field(pattern=r"^https?://")
    token: SecretStr | None = None
    wants: Literal["hashes", "frames"] = "hashes"
    timeout_seconds: float = Field(default=5.0, gt=0, le=60)


class Hashes(BaseModel):
    """What fingerprints are compared with, beside the lists in the database."""

    #: Newest clips of ours that new ones are compared with; 0 for none.
    own_clips: int = Field(default=50_000, ge=0)
    services: tuple[HashServiceSettings, ...] = ()


class Rehearsing(BaseModel):
    """How backtests reckon and work (docs/howto/backtest.md)."""

    #: Seconds of a reviewer's time for one case, where fewer than 30 cases of a queue were decided so far.
    seconds_per_case: float = Field(default=120.0, gt=0)
    seconds_of_queue: dict[str, float] = {}
    #: From claim to decision; a page that was left open longer counts as this.
    longest_case_seconds: float = Field(default=1800.0, gt=0)
    #: Processes that judge; the service itself uses one.
    processes: int = Field(default=2, ge=1, le=64)


class Reviewing(BaseModel):
    """How people review (docs/howto/review-queue.md), and how much they may look at (docs/howto/exposure.md)."""

    #: How long a claimed case is its reviewer's without a sign of life.
    lease_s: float = Field(default=300.0, ge=1, le=3600)
    #: How long an answer can be undone; what follows from it, a release above all, waits so long.
    undo_s: float = Field(default=30.0, ge=0, le=600)
    #: Queues whose allow and restrict take two people; without it minor safety, and none in development.
    two_person_queues: tuple[str, ...] | None = None
    #: Whether a rule's new case of a clip may be dealt to who answered its last one; without it in development only.
    own_clips_again: bool | None = None
    #: Minutes of unveiled material a day, and without a pause of so long; specialists, who bear more, have their share.
    exposure_day_minutes: float = Field(default=60.0, ge=0)
    exposure_run_minutes: float = Field(default=10.0, ge=0)
    pause_minutes: float = Field(default=5.0, ge=0)
    specialist_share: float = Field(default=0.5, ge=0, le=1)
    #: From which severity on a case is severe; after one was unveiled nothing is, after one was answered none is dealt.
    severe_from: int = Field(default=80, ge=0)
    cooling_minutes: float = Field(default=10.0, ge=0)
    sparing_minutes: float = Field(default=2.0, ge=0)


class Noticing(BaseModel):
    """How notices and appeals are handled; docs/howto/notices.md says what each figure does."""

    share_urls: tuple[str, ...] = ()
    decide_within_hours: float = Field(default=48.0, gt=0)
    alarm_hours: tuple[float, ...] = (24.0, 36.0, 44.0, 48.0)
    per_contact_a_day: int = Field(default=20, ge=1)
    rejected_before: int = Field(default=3, ge=1)
    rejected_days: int = Field(default=90, ge=1)
    hidden_a_day: int = Field(default=10, ge=1)
    appeal_days: int = Field(default=184, ge=184)
    identity_days: int = Field(default=400, ge=1)


class Policies(BaseModel):
    """Where the rules come from, and who may say what they are (docs/howto/change-policies-live.md)."""

    #: The policy folder; without it the checkout's `policies/`, else the copy inside the wheel.
    folder: Path | None = None
    #: "file": the folder is the truth. "database": it seeds the first version, then the pointer is the truth.
    mode: Literal["file", "database"] = "file"
    #: In file mode, a folder whose rules are judged beside and never act.
    shadow: Path | None = None
    #: PEM file of the Ed25519 key that must have signed what is used; without it nothing is asked.
    public_key: Path | None = None


Scope = Literal["submit", "read", "review", "specialist", "policy", "likeness", "audit", "admin"]


class RoleSettings(BaseModel):
    """What one value of the provider's claim opens, and where."""

    scopes: frozenset[Scope] = Field(min_length=1)
    #: The queues this role reviews; without it every general one.
    queues: tuple[str, ...] | None = None
    organisation: str = "default"


class OidcSettings(BaseModel):
    """The OpenID Connect provider that reviewers log in with (docs/howto/log-in.md)."""

    issuer: str = Field(min_length=1)
    client_id: str = Field(min_length=1)
    #: Without it this is a public client, which the provider must know.
    client_secret: SecretStr | None = None
    #: What is asked for besides `openid`, in order that the provider tells the claim.
    scopes: tuple[str, ...] = ()
    #: The claim that names roles; a dot leads into an object (`realm_access.roles`).
    claim: str = "groups"
    #: What each value of the claim opens. Who has none of them is refused.
    roles: dict[str, RoleSettings] = Field(min_length=1)
    #: By how much the provider's clock may differ from ours.
    clock_skew_seconds: int = Field(default=60, ge=0, le=300)
    timeout_seconds: float = Field(default=10.0, gt=0, le=60)


class Login(BaseModel):
    """Who gets in, and for how long."""

    oidc: OidcSettings | None = None
    #: A session ends so long after its last request, and so long after its log-in in any case.
    idle_seconds: int = Field(default=3600, ge=60)
    absolute_seconds: int = Field(default=12 * 3600, ge=60)


class GpuPack(BaseModel):
    """How the larger networks run, where `pack` is "gpu" (docs/howto/gpu-pack.md)."""

    #: The operator's lock; without it `gpu.lock.json` beside the weights, which only fits where nobody else writes.
    lock: Path | None = None
    #: Without it half precision on a card and single on a processor.
    precision: Literal["fp32", "fp16", "bf16"] | None = None
    execution: Literal["eager", "graph", "compile"] = "eager"
    #: Frames of one run; without it what the manifest says of each model.
    frames_per_run: int | None = Field(default=None, ge=1, le=1024)


class Settings(BaseSettings):
    """The resolved settings of this process."""

    model_config = SettingsConfigDict(env_prefix="MODERATION_", env_nested_delimiter="__", extra="ignore")

    env: Literal["development", "production"] = "production"
    state: Path = Field(default_factory=default_state)
    models: Path = Field(default_factory=lambda: Path.home() / ".cache" / "countersign")
    policies: Policies = Policies()
    #: Whether the optional pack of body parts looks too; build it with `moderation models build --pack bodyparts`.
    body_parts: bool = False
    #: Folder of calibrations; without it `calibrations/` of the state. Every machine needs the same files.
    calibrations: Path | None = None
    database_url: SecretStr | None = None
    blobs_url: str = ""
    host: str = "127.0.0.1"
    port: int = 8080
    url: str = ""
    api_key: SecretStr | None = None
    #: Names of inference devices: "cpu" or "cuda". "cuda" without a GPU refuses to start.
    device: Literal["cpu", "cuda"] = "cpu"
    #: "gpu" adds the larger networks that an operator pinned.
    pack: Literal["embedded", "gpu"] = "embedded"
    gpu: GpuPack = GpuPack()
    #: A file of detectors at other addresses (docs/howto/add-a-detector.md).
    remote_detectors: Path | None = None
    languages: tuple[str, ...] = ("en", "fr", "ar")
    limits: Limits = Limits()
    sampling: Sampling = Sampling()
    looking: Looking = Looking()
    marking: Marking = Marking()
    retrying: Retrying = Retrying()
    webhooks: Webhooks = Webhooks()
    hashes: Hashes = Hashes()
    verifying: Verifying = Verifying()
    rehearsing: Rehearsing = Rehearsing()
    review: Reviewing = Reviewing()
    likeness: LikenessSettings = LikenessSettings()
    notices: Noticing = Noticing()
    login: Login = Login()
    log_level: str = "INFO"

    @property
    def development(self) -> bool:
        """Whether this process runs in development mode."""
        return self.env == "development"

    def gpu_lock(self) -> Path:
        """Where the operator's lock of the GPU pack lies."""
        return self.gpu.lock or self.models / "gpu.lock.json"

    def policies_dir(self) -> Path:
        """`MODERATION_POLICIES__FOLDER`, else the checkout's `policies/`, else the copy inside the wheel."""
        if self.policies.folder is not None:
            return self.policies.folder
        in_checkout = CHECKOUT / "policies"
        return in_checkout if in_checkout.is_dir() else Path(__file__).resolve().parent / "_policies"
