"""The sample clips through the real thing: `make demo` in this process, `make run` over HTTP. Decides nothing."""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import httpx
import psycopg

from moderation import release
from moderation.assembly import open_services
from moderation.checking import check_file
from moderation.errors import ModerationError, Outage, RefusedAtTheDoor, TooLarge
from moderation.samples.clips import REFUSED, VERSION, Sample, make_samples, register_people
from moderation.samples.copies import encode_again
from moderation.samples.portraits import PortraitUnavailable
from moderation.settings import Settings
from moderation.verdicts import read_verdict
from moderation.verification import verify_file

if TYPE_CHECKING:
    from moderation.services import Services

ORG: Final = "default"
PRINCIPAL: Final = "samples"
MARKS: Final = ("visible", "invisible", "c2pa")
PROVEN: Final = "found"
#: How hard the copies are squeezed that must still be known as ours.
COPY_CRF: Final = 28
SUBMIT_SECONDS: Final = 300.0


@dataclass(slots=True, kw_only=True)
class Row:
    """One sample with what became of it, and how that differs from what it is meant to show."""

    sample: Sample
    status: str
    reasons: tuple[str, ...] = ()
    marks: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    #: The released file, for what was released.
    file: Path | None = None
    differences: list[str] = field(default_factory=list)


def run_demo(settings: Settings) -> int:
    """Run the set through once on this state, verify what came out, print both. Returns 1 when anything differs."""
    with open_services(settings) as services:
        try:
            samples = make_samples(settings.models, progress=_tell)
            register_people(services, ORG)
        except PortraitUnavailable as problem:
            raise Outage("samples", str(problem)) from problem
        out = settings.state / "demo"
        out.mkdir(parents=True, exist_ok=True)
        rows = [_run(services, sample, out) for sample in samples]
        _print_verdicts(rows)
        _print_origins(services, rows)
    differences = [f"{row.sample.name}: {difference}" for row in rows for difference in row.differences]
    _say("")
    for difference in differences:
        _say(f"DIFFERS  {difference}")
    _say(f"released files: {out}" if not differences else f"{len(differences)} differences from what was to be shown")
    return 1 if differences else 0


def _run(services: "Services", sample: Sample, out: Path) -> Row:
    """Take one sample to its end, and write the released file beside the others."""
    _tell(f"checking {sample.name}")
    begun = time.monotonic()
    try:
        clip = check_file(services, ORG, PRINCIPAL, sample.path, sample.submission)
    except (RefusedAtTheDoor, TooLarge) as refusal:
        row = Row(sample=sample, status=REFUSED, reasons=(refusal.code,))
    else:
        row = _row(sample, read_verdict(services, ORG, clip.clip_id))
        place = out / f"{sample.name}.mp4"
        place.unlink(missing_ok=True)
        if row.status == "released":
            row.file = _write_released(services, clip.clip_id, place)
    row.seconds = time.monotonic() - begun
    row.differences += differences_from(row)
    return row


def _row(sample: Sample, verdict: Mapping[str, object]) -> Row:
    decision = cast("Mapping[str, object]", verdict["decision"] or {})
    reasons = cast("list[Mapping[str, str]]", decision.get("reasons", []))
    marks = cast("Mapping[str, object]", verdict["marks"])
    return Row(
        sample=sample,
        status=str(verdict["status"]),
        reasons=tuple(dict.fromkeys(reason["code"] for reason in reasons)),
        marks={name: str(cast("Mapping[str, object]", marks[name])["state"]) for name in MARKS},
    )


def differences_from(row: Row) -> list[str]:
    """Say how a row differs from what its sample is meant to show; nothing when it does not."""
    expected, found = row.sample, []
    if row.status != expected.status:
        found.append(f"{row.status}, not {expected.status}")
    if set(row.reasons) != set(expected.reasons):
        found.append(f"reasons {sorted(row.reasons)}, not {sorted(expected.reasons)}")
    if row.status == "released":
        found += [f"mark {name} is {state}" for name, state in row.marks.items() if state != PROVEN]
    return found


def _write_released(services: "Services", clip_id: str, place: Path) -> Path:
    key, _, size = release.media(services, ORG, clip_id)
    with place.open("wb") as target:
        for chunk in services.store.stream(key, 0, size):
            target.write(chunk)
    return place


def _print_verdicts(rows: Iterable[Row]) -> None:
    lines: list[tuple[str, ...]] = [("sample", "verdict", "reasons", *MARKS, "seconds")]
    lines += [
        (
            row.sample.name,
            row.status,
            ", ".join(row.reasons) or "-",
            *(row.marks.get(name, "-") for name in MARKS),
            f"{row.seconds:.1f}",
        )
        for row in rows
    ]
    _print_table(lines)
    for row in rows:
        _say(f"  {row.sample.name}: {row.sample.note}")


def _print_origins(services: "Services", rows: Iterable[Row]) -> None:
    """Ask of every released file, and of a copy encoded again, where it came from."""
    lines: list[tuple[str, ...]] = [("file", "origin", *MARKS, "fingerprint")]
    for row in rows:
        if row.file is None:
            continue
        copy = encode_again(row.file, row.file.with_name(f"{row.file.stem}-copy.mp4"), crf=COPY_CRF)
        for file, by in ((row.file, MARKS), (copy, ("invisible",))):
            _tell(f"verifying {file.name}")
            answer = verify_file(services, file)
            states = _layer_states(answer)
            row.differences += _untold(file, answer, states, by)
            lines.append((file.name, str(answer["origin"]), *states.values()))
    _say("")
    _print_table(lines)


def _layer_states(answer: Mapping[str, object]) -> dict[str, str]:
    layers = cast("Mapping[str, Mapping[str, object]]", answer["layers"])
    return {name: str(layers[name]["state"]) for name in (*MARKS, "fingerprint")}


def _untold(file: Path, answer: Mapping[str, object], states: Mapping[str, str], by: Iterable[str]) -> list[str]:
    """How an answer falls short of "ours", by the layers that must say so."""
    found = [] if answer["origin"] == "ours" else [f"{file.name} is {answer['origin']}, not ours"]
    return found + [f"{file.name}: {name} is {states[name]}" for name in by if states[name] != PROVEN]


def _print_table(lines: list[tuple[str, ...]]) -> None:
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        _say("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def start_samples(services: "Services", url: str, key: str) -> threading.Thread | None:
    """Submit the set over HTTP in a thread of its own, once a state; None when this state has seen it already."""
    done = _marker(services)
    if done.is_file():
        return None
    thread = threading.Thread(target=_submit_quietly, args=(services, url, key), name="samples", daemon=True)
    thread.start()
    return thread


def run_samples(services: "Services", url: str, key: str, *, progress: Callable[[str], None]) -> None:
    """Register the people of the set, hand every sample in over HTTP, and remember in the state that it was done.

    A sample handed in twice, because an earlier start was cut short, is the same clip: each has its Idempotency-Key.
    Raises PortraitUnavailable, ModerationError, psycopg.Error or httpx.HTTPError.
    """
    samples = make_samples(services.settings.models, progress=progress)
    register_people(services, ORG)
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=SUBMIT_SECONDS) as client:
        for sample in samples:
            progress(f"sample {sample.name}: {_submit(client, sample)}")
    _marker(services).touch()


def _submit(client: httpx.Client, sample: Sample) -> str:
    said = {name: value for name, value in asdict(sample.submission).items() if value}
    with sample.path.open("rb") as content:
        answer = client.post(
            "/v1/clips",
            headers={"Idempotency-Key": f"sample-{VERSION}-{sample.name}", "Prefer": "wait=100"},
            files={
                "metadata": (None, json.dumps(said), "application/json"),
                "file": (sample.path.name, content, "video/mp4"),
            },
        )
    document = answer.json()
    return f"{REFUSED}: {document.get('detail', answer.status_code)}" if answer.is_error else str(document["status"])


def _submit_quietly(services: "Services", url: str, key: str) -> None:
    """A service without samples is still a service: say what went wrong, and try again at the next start."""
    try:
        run_samples(services, url, key, progress=_tell)
    except (PortraitUnavailable, ModerationError, httpx.HTTPError, psycopg.Error, OSError, ValueError) as problem:
        _tell(f"the samples could not all be handed in; the next start tries again: {problem}")


def _marker(services: "Services") -> Path:
    return services.settings.state / f"samples-{VERSION}.done"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def _tell(line: str) -> None:
    """Progress goes where logs go; stdout holds the tables."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
