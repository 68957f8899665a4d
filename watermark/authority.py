"""The development certificate authority: a root and a signing certificate, made once in a folder and used again.

For one machine's own use: its root is trusted by nobody else. Production signs through a key service instead.
"""

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

#: What a certificate must be for before C2PA accepts its claims: C2PA claim signing and document signing
#: (RFC 9336), with e-mail protection for validators older than the C2PA certificate profile.
CLAIM_SIGNING = x509.ObjectIdentifier("1.3.6.1.4.1.62558.2.1")
DOCUMENT_SIGNING = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")
SIGNING_PURPOSES = (CLAIM_SIGNING, DOCUMENT_SIGNING, ExtendedKeyUsageOID.EMAIL_PROTECTION)

ROOT_LIFE = timedelta(days=3650)
LEAF_LIFE = timedelta(days=364)
RENEW_BEFORE = timedelta(days=30)
#: Certificates start a little in the past, for clocks that disagree.
SKEW = timedelta(hours=1)

ROOT_FILE = "root.pem"
LEAF_FILE = "leaf.pem"


class AuthorityError(Exception):
    """The authority's files cannot be used; the message says which and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """A root to trust, the chain to sign with (leaf first, PEM) and the act of signing.

    `sign` takes the bytes to be signed and returns a DER-encoded ECDSA P-256 signature over their SHA-256 (ES256).
    """

    root_pem: str
    chain_pem: str
    sign: Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """A signing key with its chain (leaf first) and the root to trust, each PEM. The root's own key stays behind."""

    key_pem: str = field(repr=False)
    chain_pem: str
    root_pem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Identity:
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    def key_pem(self) -> str:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()


def open_authority(folder: Path, *, now: datetime) -> Authority:
    """Open the authority in `folder`, making what is missing; the leaf is renewed 30 days before its end.

    Safe against other processes doing the same and against dying half-way. Key files have mode 600.
    Raises AuthorityError when a file is there but unusable: an authority is never replaced silently, since
    everything its root vouches for would lose its trust.
    """
    root, leaf = _identities(folder, now)
    key = leaf.key
    return Authority(
        root_pem=root.pem(),
        chain_pem=leaf.pem() + root.pem(),
        sign=lambda data: key.sign(data, ec.ECDSA(hashes.SHA256())),
    )


def export_authority(folder: Path, *, now: datetime) -> Exported:
    """The authority in `folder`, made when it is missing, in the parts that other tools take. Raises AuthorityError."""
    root, leaf = _identities(folder, now)
    return Exported(key_pem=leaf.key_pem(), chain_pem=leaf.pem() + root.pem(), root_pem=root.pem())


def _identities(folder: Path, now: datetime) -> tuple[_Identity, _Identity]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(folder):
        root = _load(folder / ROOT_FILE) or _store(folder / ROOT_FILE, _new_root(now))
        if root.certificate.not_valid_after_utc - now <= LEAF_LIFE:
            raise AuthorityError(f"{folder / ROOT_FILE} is too near its end to sign with: remove it to start anew")
        leaf = _load(folder / LEAF_FILE)
        if leaf is None or not _serves(leaf, root, now):
            leaf = _store(folder / LEAF_FILE, _new_leaf(root, now))
    return root, leaf


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _serves(leaf: _Identity, root: _Identity, now: datetime) -> bool:
    try:
        leaf.certificate.verify_directly_issued_by(root.certificate)
    except (ValueError, InvalidSignature):
        return False
    end = leaf.certificate.not_valid_after_utc
    return leaf.certificate.not_valid_before_utc <= now and end - now >= RENEW_BEFORE


def _load(path: Path) -> _Identity | None:
    try:
        pem = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        key = serialization.load_pem_private_key(pem, password=None)
        certificate = x509.load_pem_x509_certificate(pem)
    except ValueError as broken:
        raise AuthorityError(f"{path} is damaged: restore it, or remove it to start anew") from broken
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise AuthorityError(f"{path} holds a key and a certificate that do not belong together")
    return _Identity(key=key, certificate=certificate)


def _store(path: Path, identity: _Identity) -> _Identity:
    """Write key and certificate as one file, whole or not at all; mkstemp makes it readable by its owner only."""
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write((identity.key_pem() + identity.pem()).encode())
            file.flush()
            os.fsync(file.fileno())
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
    return identity


def _new_root(now: datetime) -> _Identity:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("Countersign development root")
    certificate = (
        _draft(name, name, key, now, ROOT_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return _Identity(key=key, certificate=certificate)


def _new_leaf(root: _Identity, now: datetime) -> _Identity:
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(root.key.public_key())
    certificate = (
        _draft(_name("Countersign development signer"), root.certificate.subject, key, now, LEAF_LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(SIGNING_PURPOSES), critical=False)
        .add_extension(issuer, critical=False)
        .sign(root.key, hashes.SHA256())
    )
    return _Identity(key=key, certificate=certificate)


def _draft(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _name(common: str) -> x509.Name:
    # Validators need an organisation and a country; XX is the code ISO 3166 leaves to its users.
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "XX"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Countersign development"),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
