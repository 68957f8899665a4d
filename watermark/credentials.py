"""C2PA credentials: sign a clip, and read what a file's manifest is worth. Never fetches anything while reading.

Every call makes and closes its own native objects: the library's handles must not be shared between threads.
"""

import hashlib
import io
import json
import mmap
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import c2pa
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from watermark.attestation import (
    OTHERS_LIST,
    OWN_LIST,
    TIMESTAMP_LIST,
    CredentialsReading,
    CredentialsState,
    interpret,
    text,
)
from watermark.authority import SIGNING_PURPOSES
from watermark.jumbf import MANIFEST_BOX
from watermark.manifest import VOUCHED, ManifestSpec, definition, ingredient, ingredient_id

__all__ = [
    "CredentialsError",
    "CredentialsReading",
    "CredentialsState",
    "NoManifest",
    "SignReport",
    "Signer",
    "SignerFailed",
    "SigningFailed",
    "TimestampUnavailable",
    "Trust",
    "read",
    "report",
    "sign",
]

MP4 = "video/mp4"


class CredentialsError(Exception):
    """Signing or reading C2PA credentials went wrong."""


class NoManifest(CredentialsError):
    """The file holds no manifest."""


class SigningFailed(CredentialsError):
    """The clip could not be signed as it stands: certificate, manifest or file are at fault."""


class SignerFailed(SigningFailed):
    """The signing callback failed; its own error is the cause."""


class TimestampUnavailable(CredentialsError):
    """The time-stamp authority gave no usable time-stamp: hold the clip and try again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Who signs: a file key in development, a key service (KMS, HSM) in production.

    `sign` takes bytes and returns an ES256 signature over them, DER or raw r||s. `chain_pem` is leaf first.
    With `timestamp_url` (RFC 3161) a signature without a time-stamp is an error.
    """

    sign: Callable[[bytes], bytes]
    chain_pem: str
    timestamp_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """Certificates believed when reading, PEM: our own roots, those of others, and of time-stamp authorities."""

    own_pem: str
    others_pem: str = ""
    timestamps_pem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SignReport:
    """What was signed. `manifest` is the manifest store itself, kept so that a stripped copy can get it back."""

    manifest: bytes = field(repr=False)
    manifest_sha256: str
    manifest_id: str
    instance_id: str
    #: The time-stamp, ISO 8601, or None when none was asked for.
    timestamp: str | None


def sign(source: Path, target: Path, spec: ManifestSpec, signer: Signer) -> SignReport:
    """Sign the MP4 `source` into `target`, which appears whole or not at all.

    Raises TimestampUnavailable, SignerFailed (the callback's error as cause), SigningFailed, and ValueError or
    OSError for a spec or paths that cannot be used.
    """
    manifest_definition = definition(spec)
    with _draft(target) as draft:
        manifest = _sign_into(source, draft, spec, manifest_definition, signer)
        signed = _sign_report(draft, manifest)
        if signer.timestamp_url and signed.timestamp is None:
            raise TimestampUnavailable(f"{signer.timestamp_url} left the signature without a time-stamp")
        draft.replace(target)
    return signed


def read(path: Path, trust: Trust) -> CredentialsReading:
    """Read and validate the manifest inside `path`. The network stays shut: remote manifests are not fetched.

    Does not raise for any content of the file: what cannot be parsed is `invalid` if it holds a manifest box,
    else `absent`, with `error` set. Raises OSError when the file cannot be opened.
    """
    try:
        return interpret(report(path, trust))
    except NoManifest:
        return CredentialsReading(state=CredentialsState.ABSENT)
    except CredentialsError as error:
        holds = _holds_manifest_box(path)
        state = CredentialsState.INVALID if holds else CredentialsState.ABSENT
        return CredentialsReading(state=state, error=text(str(error)))


def report(path: Path, trust: Trust) -> object:
    """The library's whole report on the manifests inside `path`, validated, as plain data; the network stays shut.

    Raises NoManifest, CredentialsError for what cannot be parsed, and OSError when the file cannot be opened.
    """
    try:
        with path.open("rb") as file, _context(_settings(trust)) as context, _reader(file, context) as reader:
            found: object = json.loads(reader.json())
    except c2pa.C2paError.ManifestNotFound as error:
        raise NoManifest(str(error)) from error
    except (c2pa.C2paError, ValueError, RecursionError) as error:
        raise CredentialsError(str(error)) from error
    return found


@dataclass(slots=True)
class _Pen:
    """The signer's callback as the library may call it: keeps the real error, which the library drops."""

    signer: Signer
    signed: bool = False
    error: Exception | None = None

    def __call__(self, data: bytes) -> bytes:
        try:
            signature = self.signer.sign(data)
            _check_signature(self.signer.chain_pem, data, signature)
        except Exception as error:  # noqa: BLE001 - it is raised again once the library has returned
            self.error = error
            return b""
        self.signed = True
        return signature


def _check_signature(chain_pem: str, data: bytes, signature: bytes) -> None:
    """Refuse a signature that is not the leaf's: the library would blame something else."""
    key = x509.load_pem_x509_certificates(chain_pem.encode())[0].public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise TypeError("the signing certificate is not for ES256 (ECDSA P-256)")
    if len(signature) == 64:  # r || s
        signature = encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
    try:
        key.verify(signature, data, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as wrong:
        raise ValueError("the signature does not belong to the signing certificate") from wrong


def _sign_into(
    source: Path, draft: Path, spec: ManifestSpec, manifest_definition: dict[str, object], signer: Signer
) -> bytes:
    pen = _Pen(signer)
    try:
        with (
            _context(_settings(None)) as context,
            c2pa.Signer.from_callback(
                pen, c2pa.C2paSigningAlg.ES256, signer.chain_pem, signer.timestamp_url or None
            ) as native,
            _builder(spec, manifest_definition, context) as builder,
            source.open("rb") as incoming,
            draft.open("w+b") as outgoing,
        ):
            manifest = builder.sign(native, MP4, incoming, outgoing)
            outgoing.flush()
            os.fsync(outgoing.fileno())
            return bytes(manifest)
    except c2pa.C2paError as error:
        raise _signing_error(pen, error) from (pen.error or error)


def _signing_error(pen: _Pen, error: c2pa.C2paError) -> CredentialsError:
    if pen.error is not None:
        return SignerFailed(f"the signer failed: {pen.error}")
    # The callback's signature was checked: what is left of signature errors is the time-stamp's.
    if pen.signed and pen.signer.timestamp_url and isinstance(error, c2pa.C2paError.Signature):
        return TimestampUnavailable(f"{pen.signer.timestamp_url}: {error}")
    return SigningFailed(str(error))


@contextmanager
def _builder(
    spec: ManifestSpec, manifest_definition: dict[str, object], context: c2pa.Context
) -> Iterator[c2pa.Builder]:
    described = [ingredient(parent, index) for index, parent in enumerate(spec.parents)]
    with c2pa.Builder(json.dumps({**manifest_definition, "ingredients": described}), context) as builder:
        for index, parent in enumerate(spec.parents):
            if parent.inherited is not None and parent.inherited.store:
                builder.add_resource(ingredient_id(index), io.BytesIO(parent.inherited.store))
        yield builder


@contextmanager
def _draft(target: Path) -> Iterator[Path]:
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".mp4")
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _sign_report(signed: Path, manifest: bytes) -> SignReport:
    settings = _settings(None, validate=False)
    with signed.open("rb") as file, _context(settings) as context, _reader(file, context) as reader:
        store = json.loads(reader.json())
    active = store["manifests"][store["active_manifest"]]
    return SignReport(
        manifest=manifest,
        manifest_sha256=hashlib.sha256(manifest).hexdigest(),
        manifest_id=store["active_manifest"],
        instance_id=active["instance_id"],
        timestamp=active.get("signature_info", {}).get("time"),
    )


def _settings(trust: Trust | None, *, validate: bool = True) -> dict[str, object]:
    """Settings of one context: the network shut, our purposes known, free boxes bound to the hash as well."""
    return {
        "core": {"allowed_network_hosts": []},
        "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_after_reading": validate},
        "trust": {
            "anchors": _anchors(trust) if trust else [],
            "trust_config": "\n".join(purpose.dotted_string for purpose in SIGNING_PURPOSES),
        },
        "builder": {
            "thumbnail": {"enabled": False},
            "bmff_hash_exclude_free_and_skip_boxes": False,
            "created_assertion_labels": list(VOUCHED),
        },
    }


def _anchors(trust: Trust) -> list[dict[str, str]]:
    lists = (
        (OWN_LIST, "manifest", trust.own_pem),
        (OTHERS_LIST, "manifest", trust.others_pem),
        (TIMESTAMP_LIST, "tsa", trust.timestamps_pem),
    )
    return [{"trust_uri": uri, "trust_kind": kind, "trust_anchors": pem} for uri, kind, pem in lists if pem]


def _context(settings: dict[str, object]) -> c2pa.Context:
    return c2pa.Context(c2pa.Settings.from_dict(settings))


def _reader(file: BinaryIO, context: c2pa.Context) -> c2pa.Reader:
    return c2pa.Reader(None, file, context=context)


def _holds_manifest_box(path: Path) -> bool:
    if path.stat().st_size == 0:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return content.find(MANIFEST_BOX) != -1
