"""Probes that no clip can spoil: what fails on them fails for everybody, so clips are held and nobody is asked.

A drawn clip through the marks when a clip fails the gate; every detector's own probe frames, hourly.
"""

import contextlib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from detectors.base import Detector
from moderation.attending import LeftBehind, probe
from moderation.clips import Clip
from moderation.errors import Outage
from moderation.marking import apply_signature, manifest_of, order_for, sign_clip
from moderation.marks import mark_pictures, prove_marks
from moderation.samples.drawing import draw_clip
from watermark.credentials import SignReport
from watermark.payload import Payload

if TYPE_CHECKING:
    from moderation.services import Services

log = structlog.get_logger()
#: A mark id of no clip: the canary is never stored.
PAYLOAD = 0x0CA9A97
SECONDS = 2


def demand_marks(services: "Services") -> None:
    """Mark, sign and prove a drawn clip. Raises Outage, of "marks" when even that does not pass the gate."""
    try:
        with services.store.scratch() as folder:
            failures = _try(services, folder)
    except Outage:
        raise
    except Exception as fault:
        # Whatever it is, it is not the doing of any clip.
        raise Outage("marks", str(fault) or repr(fault)) from fault
    if failures:
        raise Outage("marks", "; ".join(failures))


def demand_signer(services: "Services") -> None:
    """Where the last signature failed, sign a drawn clip first: no clip is decoded and encoded again in vain.

    Raises Outage("signer") or Outage("timestamp") while signing fails.
    """
    _ = services.signer
    if services.signing_fails:
        with services.store.scratch() as folder:
            sign_drawn(services, folder)
        services.signing_fails = False


def sign_drawn(services: "Services", folder: Path) -> tuple[SignReport, Path]:
    """Sign a small drawn clip as any other. Raises Outage."""
    drawn, signed = folder / "drawn.mp4", folder / "signed.mp4"
    draw_clip(drawn, seconds=1, width=160, height=96, fps=5)
    payload = Payload(mark_id=PAYLOAD, key_version=max(services.mark_keys))
    report, _ = apply_signature(services, drawn, signed, manifest_of(services, stand_in(services.clock.now()), payload))
    return report, signed


def probe_detectors(services: "Services") -> dict[str, str]:
    """Have every detector look at its probe frames; keeps and returns what is wrong, by detector.

    While a detector stands in it no clip is looked at: its numbers may have drifted, or come from another device.
    What could not be loaded is loaded again, and stands in it until that succeeds.
    """
    if not services.detectors_loaded:
        return services.detector_faults
    seconds = services.settings.looking.probe_seconds
    for detector in services.detectors:
        change_fault(services, detector.name, _fault_of(detector, services.left_behind, seconds))
    return services.detector_faults


def probe_failing(services: "Services") -> None:
    """Look again while something fails, so that held clips go on by themselves."""
    if services.detector_faults and not services.detectors_loaded:
        with contextlib.suppress(Outage):
            _ = services.detectors
    elif services.detector_faults:
        probe_detectors(services)


def demand_detectors(services: "Services") -> None:
    """Raise Outage naming the first detector that failed its last probe, or an outage of which was seen since.

    Where nobody probes in the background the failing ones are asked first.
    """
    if not services.probing:
        probe_failing(services)
    for name, fault in services.detector_faults.items():
        raise Outage(f"detector:{name}", fault)


def note_outage(services: "Services", outage: Outage) -> None:
    """Keep an outage of a detector that was met over a clip, until the detector passes its probe."""
    kind, _, name = outage.cause.partition(":")
    if kind == "detector" and services.detectors_loaded:
        change_fault(services, name, outage.message)


def change_fault(services: "Services", name: str, fault: str | None) -> None:
    """Keep what is wrong with a detector, None for nothing any more; whoever tells others does so at once."""
    with services.left_behind.lock:
        before = services.detector_faults
        others = {other: kept for other, kept in before.items() if other != name}
        services.detector_faults = others if fault is None else {**others, name: fault}
    if (name in before) == (fault is not None):
        return
    if fault is None:
        log.warning("detector_passes_its_probe_again", detector=name)
    else:
        log.error("detector_unavailable", detector=name, fault=fault)
    services.on_faults()


def _fault_of(detector: Detector, left_behind: LeftBehind, seconds: float) -> str | None:
    try:
        probe(detector, left_behind, seconds)
    except Exception as error:  # noqa: BLE001 (a detector's own errors may be of any kind)
        return str(error) or repr(error)
    return None


def _try(services: "Services", folder: Path) -> tuple[str, ...]:
    # Only here, for release.py asks the canary.
    from moderation.release import expectation_for  # noqa: PLC0415

    source, marked, signed = (folder / name for name in ("drawn.mp4", "marked.mp4", "signed.mp4"))
    draw_clip(source, seconds=SECONDS)
    clip = stand_in(services.clock.now())
    payload = Payload(mark_id=PAYLOAD, key_version=max(services.mark_keys))
    report = mark_pictures(services, source, marked, order_for(services, clip, payload))
    sign_clip(services, clip, payload, marked, signed)
    expectation = expectation_for(services, clip, payload, report)
    return prove_marks(services, signed, expectation).failures


def stand_in(now: datetime) -> Clip:
    """The canary as a clip that is in no table."""
    zero = "0" * 32
    return Clip(
        org_id="canary",
        clip_id=f"clip_{zero}",
        status="processing",
        held_cause=None,
        retry_at=None,
        holds=0,
        generation=1,
        runner="service",
        creator="canary",
        creator_age_band=None,
        prompt=None,
        title=None,
        generator=None,
        cameos=[],
        parents=[],
        locale="en",
        market=None,
        visibility="public",
        callback_url=None,
        source_url=None,
        content_sha256=None,
        content_bytes=None,
        probe=None,
        problem=None,
        priority=1,
        erased_at=None,
        created_at=now.astimezone(UTC),
        updated_at=now.astimezone(UTC),
    )
