"""What an operator watches, in Prometheus' text format: read from the database when asked, counted nowhere else."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Gauge, generate_latest

from moderation.db import queries

if TYPE_CHECKING:
    from moderation.services import Services

SQL = queries("metrics")

#: Metric: the query that fills it, its label, and what it says.
GAUGES: Mapping[str, tuple[str, str, str]] = {
    "countersign_clips": ("clips_by_status", "status", "Clips by status."),
    "countersign_held_clips": ("held_by_cause", "cause", "Held clips by cause."),
    "countersign_oldest_held_seconds": ("oldest_held", "cause", "Age of the oldest held clip by cause."),
    "countersign_cases_waiting": ("cases_waiting", "queue", "Open cases by queue."),
    "countersign_cases_overdue": ("cases_overdue", "queue", "Open cases past their deadline, by queue."),
    "countersign_notices_open": ("notices_open", "kind", "Notices that nobody has decided, by kind."),
    "countersign_notices_overdue": ("notices_overdue", "kind", "Open notices past their clock, by kind."),
    "countersign_appeals_open": ("appeals_waiting", "by", "Appeals that nobody has decided, by who appeals."),
    "countersign_deliveries": ("deliveries_by_state", "state", "Webhook deliveries by state."),
}


def expose(services: "Services", org: str, certificate_days: float) -> bytes:
    """Every metric of one organisation, read now."""
    registry = CollectorRegistry()
    now = services.clock.now()
    with services.database.transaction(org) as tx:
        for name, (statement, label, says) in GAUGES.items():
            gauge = Gauge(name, says, [label], registry=registry)
            for value, number in tx.pg.execute(getattr(SQL, statement), {"now": now}).fetchall():
                gauge.labels(value).set(number)
    certificate = Gauge(
        "countersign_certificate_days",
        "Days until the signing certificate ends; 0 when it cannot sign.",
        registry=registry,
    )
    certificate.set(certificate_days)
    return generate_latest(registry)
