"""`moderation authority`: who signs manifests, whom this deployment believes, and a development authority for tools."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from moderation.assembly import open_services
from moderation.cli.printing import JSON_OPTION, local_settings, print_json
from moderation.errors import Outage, Unprocessable
from moderation.services import Services
from moderation.signing import kind_of_signer

app = typer.Typer(no_args_is_help=True)
KEY_FILE, CHAIN_FILE, ROOT_FILE = "signing-key.pem", "signing-chain.pem", "signing-root.pem"


@app.command()
def create(
    folder: Annotated[Path, typer.Argument(help="Where the new authority is to lie.", file_okay=False)],
    *,
    as_json: bool = JSON_OPTION,
) -> None:
    """Make a development authority whose certificates C2PA accepts, as files that any C2PA tool takes.

    Made anew only where there is none. Its root is believed by nobody who was not told to.
    """
    from watermark.authority import AuthorityError, export_authority  # noqa: PLC0415 (only this command makes one)

    try:
        made = export_authority(folder, now=datetime.now(UTC))
    except AuthorityError as error:
        raise Unprocessable(str(error)) from error
    files = {"key": KEY_FILE, "chain": CHAIN_FILE, "root": ROOT_FILE}
    for name, content in zip(files.values(), (made.key_pem, made.chain_pem, made.root_pem), strict=True):
        descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(content)
    paths = {name: str(folder / file) for name, file in files.items()}
    if as_json:
        print_json(paths)
        return
    for name, path in paths.items():
        typer.echo(f"{name:6} {path}")


@app.command()
def show(*, as_json: bool = JSON_OPTION) -> None:
    """Who signs here, until when, and whose manifests are believed. Exit 1 when nothing can be signed."""
    with open_services(local_settings()) as services:
        try:
            document = _described(services)
        except Outage as outage:
            typer.echo(outage.message, err=True)
            raise typer.Exit(1) from outage
    if as_json:
        print_json(document)
        return
    for name, value in document.items():
        for line in value if isinstance(value, list) else [value]:
            typer.echo(f"{name:12} {line}")


@app.command()
def root(*, out: Annotated[Path | None, typer.Option(help="Write the certificates here.")] = None) -> None:
    """The roots whose manifests are ours, as PEM: what others add to their trust list."""
    with open_services(local_settings()) as services:
        pem = services.trust.own_pem
    typer.echo(pem, nl=False) if out is None else out.write_text(pem)


@app.command("test")
def try_signing(*, as_json: bool = JSON_OPTION) -> None:
    """Sign a drawn clip with the key and the time-stamps that are set, and read it back. Exit 1 when it is not ours."""
    with open_services(local_settings()) as services:
        outcome = _tried(services)
    print_json(outcome) if as_json else typer.echo(", ".join(f"{name} {value}" for name, value in outcome.items()))
    raise typer.Exit(0 if outcome["ours"] else 1)


def _described(services: Services) -> dict[str, object]:
    signer, trust, marking = services.signer, services.trust, services.settings.marking
    return {
        "signer": kind_of_signer(marking),
        "chain": _certificates(signer.chain_pem),
        "timestamps": marking.timestamp_url or "none",
        "ours": _certificates(trust.own_pem),
        "believed": _certificates(trust.others_pem),
    }


def _certificates(pem: str) -> list[str]:
    found = x509.load_pem_x509_certificates(pem.encode()) if pem else []
    return [
        f"{one.subject.rfc4514_string()}, until {one.not_valid_after_utc:%F}, "
        f"sha256 {one.fingerprint(hashes.SHA256()).hex()}"
        for one in found
    ]


def _tried(services: Services) -> dict[str, object]:
    from moderation.canary import sign_drawn  # noqa: PLC0415 (pulls in the whole pipeline)
    from watermark.credentials import read  # noqa: PLC0415

    with services.store.scratch() as folder:
        started = time.perf_counter()
        report, file = sign_drawn(services, folder)
        signed = time.perf_counter()
        reading = read(file, services.trust)
        ended = time.perf_counter()
    return {
        "ours": reading.ours,
        "state": reading.state.value,
        "timestamp": report.timestamp,
        "timestamp_trusted": reading.timestamp_trusted,
        "failures": list(reading.failures),
        "draw_and_sign_ms": round((signed - started) * 1000, 1),
        "read_ms": round((ended - signed) * 1000, 1),
    }
