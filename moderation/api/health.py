"""Whether this process lives and is ready for work, and the numbers an operator watches."""

from collections.abc import Callable

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST

from moderation import heartbeat, metrics
from moderation.api.auth import Admin, Services_, services_of
from moderation.db.migrate import migrations_current
from moderation.errors import ModerationError, Outage
from moderation.services import Services
from moderation.signing import kind_of_signer
from watermark.signers import ends_at

log = structlog.get_logger()
CERTIFICATE_WARNING_DAYS = 30

router = APIRouter(tags=["health"])


@router.get("/livez")
async def livez() -> dict[str, str]:
    """200 while this process answers at all."""
    return {"status": "alive"}


@router.get("/readyz")
def readyz(request: Request) -> Response:
    """200 when this role can do its work, 503 when not; warnings stand in the body."""
    services = services_of(request)
    known: dict[str, dict[str, object]] = request.app.state.found_ready
    checks = {name: known.get(name) or _look(check, services) for name, check in CHECKS.items()}
    known.update({name: check for name, check in checks.items() if check["ready"] and name in ONCE})
    ready = all(check["ready"] for check in checks.values())
    warnings = [check["warning"] for check in checks.values() if "warning" in check]
    document = {"role": "api", "ready": ready, "version": services.version, "checks": checks, "warnings": warnings}
    return JSONResponse(document, status_code=200 if ready else 503)


@router.get("/metrics", response_class=Response)
def read_metrics(services: Services_, principal: Admin) -> Response:
    """Counts and ages in Prometheus' text format, of this key's organisation."""
    try:
        days = certificate_days(services)
    except Outage:
        # Nothing can be signed: as good as ended.
        days = 0.0
    return Response(metrics.expose(services, principal.org, days), media_type=CONTENT_TYPE_LATEST)


def _look(check: Callable[[Services], str | None], services: Services) -> dict[str, object]:
    try:
        warning = check(services)
    except Outage as outage:
        return {"ready": False, "problem": outage.message}
    except ModerationError as error:
        return {"ready": False, "problem": error.message}
    except Exception as error:  # noqa: BLE001 (whatever breaks a check makes the role not ready; its text stays here)
        log.warning("not_ready", error=type(error).__name__, detail=str(error)[:500])
        return {"ready": False, "problem": type(error).__name__}
    return {"ready": True, "warning": warning} if warning else {"ready": True}


def _database(services: Services) -> None:
    with services.database.system_transaction() as tx:
        tx.pg.execute("select 1")


def _migrations(services: Services) -> None:
    if not migrations_current(services.dsn):
        raise Outage("database", "the schema is not current; run `moderation migrate`")


def _policies(services: Services) -> str | None:
    """Rules that cannot be used are worth a warning while those from before still judge."""
    with services.database.transaction() as tx:
        faults = services.rulebook.in_force(tx).rules.faults
    # A worker may have another folder, or older code.
    theirs = (held["faults"] for held in heartbeat.policies_of(services, "default").values())
    told = (str(fault) for found in theirs if isinstance(found, list) for fault in found)
    return "; ".join(dict.fromkeys((*faults, *told))) or None


def _decoder(services: Services) -> str | None:
    confinement = services.sandbox.confinement()
    return None if confinement.complete else f"the decoder is not fully confined: {confinement}"


def _detectors(services: Services) -> str | None:
    """Whether somebody looks at clips whose detectors pass their probes. No worker yet is worth a warning only."""
    faults = heartbeat.faults_of(services, "detect")
    if not faults:
        return "no worker that looks at clips has been heard of lately: clips wait"
    # Names only: anybody may ask, and what is wrong in detail is the operator's.
    failing = ", ".join(sorted({name for found in faults.values() for name in found}))
    if failing and all(faults.values()):
        raise Outage("detectors", f"failed their probe at every worker that looks at clips: {failing}")
    return f"failed their probe at some workers: {failing}" if failing else None


def _certificate(services: Services) -> str | None:
    days = certificate_days(services)
    if days <= 0:
        raise Outage("certificate", "the signing certificate has expired")
    if days < CERTIFICATE_WARNING_DAYS:
        return f"the signing certificate ends in {days:.0f} days"
    if kind_of_signer(services.settings.marking) == "development" and not services.settings.development:
        return "the development authority signs: nobody else believes it (docs/howto/production-keys.md)"
    return None


def certificate_days(services: Services) -> float:
    """Days until the first certificate of the signing chain ends. Raises Outage("signer") when there is none."""
    return (ends_at(services.signer.chain_pem) - services.clock.now()).total_seconds() / 86_400


#: What stays true of a process once it was found true; looking costs more than a probe may.
ONCE = frozenset({"migrations", "decoder"})
CHECKS: dict[str, Callable[[Services], str | None]] = {
    "database": _database,
    "migrations": _migrations,
    "policies": _policies,
    "certificate": _certificate,
    "decoder": _decoder,
    "detectors": _detectors,
}
