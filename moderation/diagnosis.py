"""What `doctor` looks at: each check one sentence, and for what is wrong the fix.

Changes nothing, and starts no service but the embedded Postgres it looks into.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata

from pydantic import SecretStr

from detectors import packs
from detectors.base import DetectorUnavailable
from detectors.faces import EMBEDDER_MODEL
from detectors.gpu.pack import inventory
from detectors.gpu.torch_runtime import require_torch_device
from detectors.likeness import Lines, too_large
from detectors.remote import read_remotes
from detectors.runtime import require_device, require_runtime
from moderation import __version__, labelling
from moderation.clock import SystemClock
from moderation.db import Database, queries
from moderation.db.migrate import migrate, migrations_current
from moderation.errors import ModerationError, Outage
from moderation.layering import open_layers
from moderation.login.provider import Provider
from moderation.policy.loader import load_ruleset
from moderation.postgres import server_for
from moderation.sandbox import Sandbox
from moderation.settings import Settings
from moderation.signing import kind_of_signer
from watermark.authority import LEAF_FILE
from watermark.signers import FileKey, SignerUnusable, demand_profile, ends_at, read_chain

#: From so few days on a certificate's end is worth a warning.
CERTIFICATE_DAYS = 30
FONTS_FIX = "install a font that has these letters and name its file in MODERATION_MARKING__FONTS"
LOGIN_FIX = "MODERATION_LOGIN__OIDC__*, docs/howto/log-in.md"
OURS = ("moderation", "detectors", "watermark", "review_ui")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing looked at."""

    name: str
    fine: bool
    says: str
    fix: str = ""
    #: Fine for now, yet worth knowing.
    warning: bool = False


def diagnose(settings: Settings) -> list[Finding]:
    """Look at everything; a check that breaks is itself a finding."""
    checks: list[tuple[str, Callable[[Settings], Iterator[Finding]]]] = [
        ("settings", resolved),
        ("versions", versions),
        ("packages", owners),
        ("device", device),
        ("models", models),
        ("GPU pack", gpu_pack),
        ("remote detectors", remotes),
        ("signing", signers),
        ("mark layers", mark_layers),
        ("log-in", log_in),
        ("policies", policies),
        ("database", database),
        ("decoder", decoder),
        ("languages", languages),
    ]
    findings: list[Finding] = []
    for name, check in checks:
        try:
            findings.extend(check(settings))
        except (ModerationError, OSError, ValueError, RuntimeError) as error:
            findings.append(Finding(name=name, fine=False, says=str(error), fix="see the message"))
    return findings


def resolved(settings: Settings) -> Iterator[Finding]:
    """The settings as this process sees them, secrets masked."""
    for name, value in settings.model_dump().items():
        shown = "set, not shown" if isinstance(value, SecretStr) else value
        yield Finding(name=f"setting {name}", fine=True, says=str(shown))


def versions(_: Settings) -> Iterator[Finding]:
    """What runs here."""
    yield Finding(
        name="python", fine=sys.version_info >= (3, 11), says=sys.version.split()[0], fix="Python 3.11 or newer"
    )
    yield Finding(name="countersign", fine=True, says=__version__)
    for package in ("av", "c2pa-python", "dbos", "fastapi", "numpy", "opencv-python-headless", "psycopg"):
        yield Finding(name=package, fine=True, says=metadata.version(package))


def owners(_: Settings) -> Iterator[Finding]:
    """Each of our import names must belong to us alone: another package's file may have replaced ours in silence."""
    distributions = metadata.packages_distributions()
    for name in OURS:
        others = sorted(set(distributions.get(name, [])) - {"countersign-moderation"})
        yield Finding(
            name=f"package {name}",
            fine=not others,
            says=f"also owned by {', '.join(others)}" if others else "ours alone",
            fix=f"pip uninstall {' '.join(others)}, then install Countersign again",
        )


def device(settings: Settings) -> Iterator[Finding]:
    """The inference device that was asked for must be there."""
    try:
        require_runtime()
        require_device(settings.device)
    except DetectorUnavailable as error:
        yield Finding(
            name="device", fine=False, says=str(error), fix="install the extra that fits, or set MODERATION_DEVICE=cpu"
        )
        return
    yield Finding(name="device", fine=True, says=f"{settings.device} is there")


def models(settings: Settings) -> Iterator[Finding]:
    """Every weight must be what the manifest names."""
    problems = packs.verify(settings.models)
    for problem in problems:
        yield Finding(
            name=f"model {problem.model or 'pack'}", fine=False, says=problem.message, fix="moderation models build"
        )
    if not problems:
        yield Finding(name="models", fine=True, says=f"every file in {settings.models} is as pinned")


def gpu_pack(settings: Settings) -> Iterator[Finding]:
    """Where the GPU pack is asked for: torch and its device, the operator's lock, and every file it names."""
    if settings.pack != "gpu":
        yield Finding(name="GPU pack", fine=True, says="not asked for (MODERATION_PACK=embedded)")
        return
    try:
        require_torch_device(settings.device)
        standings = inventory(settings.models, settings.gpu_lock())
    except DetectorUnavailable as error:
        yield Finding(name="GPU pack", fine=False, says=str(error), fix="see the message, and docs/howto/gpu-pack.md")
        return
    if not any(one.locked for one in standings):
        yield Finding(
            name="GPU pack", fine=False, says=f"{settings.gpu_lock()} pins nothing", fix="moderation models pin"
        )
    for one in standings:
        yield Finding(
            name=f"GPU model {one.model.id}",
            fine=not one.faults,
            warning=one.locked is None,
            says="; ".join(one.faults) or one.state,
            fix="moderation models build --pack gpu",
        )


def remotes(settings: Settings) -> Iterator[Finding]:
    """The file of detectors at other addresses must be usable; whether they answer is asked at every start."""
    if settings.remote_detectors is None:
        return
    try:
        named = ", ".join(f"{remote.name} at {remote.url}" for remote in read_remotes(settings.remote_detectors))
    except DetectorUnavailable as error:
        yield Finding(
            name="remote detectors", fine=False, says=str(error), fix="repair the file, docs/howto/add-a-detector.md"
        )
        return
    yield Finding(name="remote detectors", fine=True, says=f"frames are sent to {named}")


def signers(settings: Settings) -> Iterator[Finding]:
    """The signing certificate must be one that C2PA accepts, with some time left; the key is not used."""
    signing, now = settings.marking.signing, SystemClock().now()
    made = settings.state / "authority" / LEAF_FILE
    if signing.chain is None and not made.is_file():
        yield Finding(name="signing", fine=True, says="a development authority will be made at the first start")
        return
    try:
        chain = read_chain(signing.chain or made)
        if signing.chain is not None:
            demand_profile(chain, now)
        if signing.key is not None:
            FileKey.read(signing.key)
    except SignerUnusable as error:
        yield Finding(name="signing", fine=False, says=str(error), fix="docs/howto/production-keys.md")
        return
    days = (ends_at(chain) - now).days
    foreign = kind_of_signer(settings.marking) != "development"
    yield Finding(
        name="signing",
        fine=days > 0,
        warning=days < CERTIFICATE_DAYS or not (foreign or settings.development),
        says=f"{kind_of_signer(settings.marking)}, the certificate ends in {days} days",
        fix="renew the certificate, then restart" if foreign else "restart; sign with a key of your own in production",
    )


def log_in(settings: Settings) -> Iterator[Finding]:
    """The provider must answer as the one that was configured, and people must come back over TLS."""
    oidc = settings.login.oidc
    if oidc is None:
        yield Finding(
            name="log-in",
            fine=True,
            warning=not settings.development,
            says="by the development link" if settings.development else "no provider is set: nobody can log in",
            fix=LOGIN_FIX,
        )
        return
    if not settings.development and not settings.url.startswith("https://"):
        says = (
            f"people are sent back to {settings.url or 'nowhere'}: the provider refuses, or cookies travel in the clear"
        )
        yield Finding(name="log-in address", fine=False, says=says, fix="MODERATION_URL=https://…")
    try:
        provider = Provider(oidc, SystemClock(), plain_loopback=settings.development)
        keys = len(provider.keys().keys)
    except Outage as error:
        yield Finding(name="log-in provider", fine=False, says=error.message, fix=LOGIN_FIX)
        return
    roles = ", ".join(f"{name} ({' '.join(sorted(role.scopes))})" for name, role in oidc.roles.items())
    claimed = provider.metadata().get("claims_supported")
    unnamed = isinstance(claimed, list) and oidc.claim.partition(".")[0] not in claimed
    yield Finding(
        name="log-in provider",
        fine=True,
        warning=unnamed,
        says=f"{oidc.issuer} answers with {keys} keys"
        + (f", yet does not say that it tells {oidc.claim}" if unnamed else ""),
        fix="let the provider tell the claim, or name another in MODERATION_LOGIN__OIDC__CLAIM",
    )
    yield Finding(name="log-in roles", fine=True, says=f"by {oidc.claim}: {roles}")


def policies(settings: Settings) -> Iterator[Finding]:
    """The policies must load whole."""
    ruleset = load_ruleset(settings.policies_dir())
    yield Finding(name="policies", fine=True, says=f"{len(ruleset.judges)} rules, version {ruleset.version[:12]}")


def database(settings: Settings) -> Iterator[Finding]:
    """The database must answer and its schema be current; the embedded one is started for the look."""
    settings.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    with server_for(settings) as server:
        if settings.database_url is None:
            migrate(server.dsn())
        current = migrations_current(server.dsn())
        where = "external" if settings.database_url else "embedded"
        yield Finding(
            name="database",
            fine=current,
            says=f"{where}, schema {'current' if current else 'not current'}",
            fix="moderation migrate",
        )
        if current:
            yield from registries(server.dsn(), settings)


def registries(dsn: str, settings: Settings) -> Iterator[Finding]:
    """A registry of more faces than the model tells apart: nothing is matched in it with certainty."""
    lines = Lines.of(packs.load_manifest(settings.models).entry(EMBEDDER_MODEL).thresholds)
    reader = Database(dsn)
    try:
        with reader.system_transaction() as tx:
            sizes = tx.pg.execute(queries("people").gallery_sizes, {"model": EMBEDDER_MODEL}).fetchall()
    finally:
        reader.close()
    for org, size in sizes:
        fit = lines.at(size).fit
        yield Finding(
            name=f"likeness registry {org}",
            fine=True,
            warning=not fit,
            says=f"{size} pictures of faces, of at most {lines.largest}" if fit else too_large(size, lines),
            fix="use a pack that is fit for more, or accept that every likeness goes to a person",
        )


def decoder(settings: Settings) -> Iterator[Finding]:
    """The decoder child must start; whether the kernel lets it be confined matters in production."""
    with Sandbox(settings.limits, require_confinement=False) as sandbox:
        confinement = sandbox.confinement()
    fine = confinement.complete or settings.development
    yield Finding(
        name="decoder",
        fine=fine,
        warning=not confinement.complete,
        says=str(confinement),
        fix="run on a kernel with seccomp filters",
    )


def mark_layers(settings: Settings) -> Iterator[Finding]:
    """Every chosen layer of marks must read its own word."""
    for layer in open_layers(settings):
        yield Finding(name=f"mark layer {layer.name}", fine=True, says=f"reads its own word of {layer.bits} bits")


def languages(settings: Settings) -> Iterator[Finding]:
    """The visible mark must be drawable in every configured language, and with every start label that may be asked."""
    found = dict(labelling.faults(settings))
    for part, fault in found.items():
        yield Finding(name=part, fine=False, says=fault, fix=FONTS_FIX)
    for language in settings.languages:
        if f"language {language}" not in found:
            yield Finding(name=f"language {language}", fine=True, says="can be drawn")
    for market in set(settings.marking.start_labels) - set(settings.marking.markets):
        if reason := labelling.start_fault(settings.marking, market):
            says = f"clips for this market are refused: {reason}"
            yield Finding(name=f"start label of {market}", fine=True, says=says, fix=FONTS_FIX)
