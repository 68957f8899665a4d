"""Keys that sign manifests: a file's, or one that no process can read, behind a program (PKCS#11, a key service).

Also whether a certificate chain is one that C2PA accepts, said before a clip waits for it.
"""

import itertools
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from watermark.authority import SIGNING_PURPOSES
from watermark.credentials import Signer

SAID = 300


class SignerUnusable(Exception):
    """What is to sign cannot; the message says why and names the setting or the certificate."""


class KeyService(Protocol):
    """A P-256 key that can be used and not read."""

    def sign_digest(self, digest: bytes) -> bytes:
        """Sign a SHA-256 digest of 32 bytes with ECDSA P-256.

        Answers DER, as key services do, or r||s in 64 bytes, as PKCS#11's CKM_ECDSA does. Raises what went wrong.
        """
        ...


@dataclass(frozen=True, slots=True)
class FileKey:
    """A private key in this process's memory."""

    key: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def read(cls, path: Path) -> "FileKey":
        """Read an unencrypted PEM key. Raises SignerUnusable."""
        try:
            key = serialization.load_pem_private_key(path.read_bytes(), password=None)
        except (OSError, ValueError, TypeError) as error:
            raise SignerUnusable(f"{path} is no readable private key") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise SignerUnusable(f"{path} is no P-256 key")
        return cls(key)

    def sign_digest(self, digest: bytes) -> bytes:
        """Sign a digest (KeyService)."""
        return self.key.sign(digest, ec.ECDSA(Prehashed(hashes.SHA256())))


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandKey:
    """A key that another process holds: `arguments` is run for each signature, and never through a shell.

    It gets the digest's 32 bytes on its standard input and answers the signature on its standard output.
    """

    arguments: Sequence[str]
    timeout_seconds: float = 10.0

    def sign_digest(self, digest: bytes) -> bytes:
        """Sign a digest (KeyService). Raises SignerUnusable when the program fails, or does not answer in time."""
        program = self.arguments[0]
        try:
            done = subprocess.run(
                list(self.arguments), input=digest, capture_output=True, timeout=self.timeout_seconds, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise SignerUnusable(f"{program} did not sign within {self.timeout_seconds:g} seconds") from error
        except OSError as error:
            raise SignerUnusable(f"{program} cannot be run: {error.strerror}") from error
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip()[-SAID:]
            raise SignerUnusable(f"{program} ended with {done.returncode}: {said}")
        return done.stdout


def signer_with(key: KeyService, chain_pem: str, *, timestamp_url: str | None = None) -> Signer:
    """A signer whose key stays where it is: only digests reach it."""
    return Signer(sign=lambda data: key.sign_digest(_digest(data)), chain_pem=chain_pem, timestamp_url=timestamp_url)


def _digest(data: bytes) -> bytes:
    hasher = hashes.Hash(hashes.SHA256())
    hasher.update(data)
    return hasher.finalize()


def read_chain(path: Path) -> str:
    """The certificates of a PEM file, leaf first, without anything else the file holds. Raises SignerUnusable."""
    try:
        chain = x509.load_pem_x509_certificates(path.read_bytes())
    except (OSError, ValueError) as error:
        raise SignerUnusable(f"{path} holds no certificates") from error
    return "".join(one.public_bytes(serialization.Encoding.PEM).decode() for one in chain)


def ends_at(chain_pem: str) -> datetime:
    """When the first certificate of a chain ends, and with it the chain."""
    return min(one.not_valid_after_utc for one in x509.load_pem_x509_certificates(chain_pem.encode()))


def root_of(chain_pem: str) -> str | None:
    """The chain's own root, where it is part of it."""
    last = x509.load_pem_x509_certificates(chain_pem.encode())[-1]
    if last.issuer != last.subject:
        return None
    return last.public_bytes(serialization.Encoding.PEM).decode()


def demand_profile(chain_pem: str, now: datetime) -> None:
    """Raise SignerUnusable with all that keeps C2PA from accepting what this chain signs (its certificate profile)."""
    chain = x509.load_pem_x509_certificates(chain_pem.encode())
    faults = [*_faults_of_leaf(chain[0]), *_faults_of_order(chain)]
    faults += [
        f"{one.subject.rfc4514_string()} is valid from {one.not_valid_before_utc:%F} to {one.not_valid_after_utc:%F}"
        for one in chain
        if not one.not_valid_before_utc <= now <= one.not_valid_after_utc
    ]
    if faults:
        raise SignerUnusable("the signing certificate cannot be used: " + "; ".join(faults))


def _faults_of_leaf(leaf: x509.Certificate) -> list[str]:
    key, found = leaf.public_key(), []
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        found.append("it is not for a P-256 key")
    if leaf.issuer == leaf.subject:
        found.append("it is self-signed")
    purposes = set(_purposes(leaf))
    if not purposes & set(SIGNING_PURPOSES):
        found.append(
            "its extended key usage names neither C2PA claim signing nor document signing nor e-mail protection"
        )
    if ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in purposes:
        found.append("its extended key usage names any purpose")
    if not _signs(leaf):
        found.append("its key usage lacks digitalSignature")
    if not leaf.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME):
        found.append("its subject names no organisation")
    return found


def _faults_of_order(chain: Sequence[x509.Certificate]) -> list[str]:
    for below, above in itertools.pairwise(chain):
        try:
            below.verify_directly_issued_by(above)
        except (ValueError, TypeError, InvalidSignature):
            return [f"the chain is broken: {below.subject.rfc4514_string()} is not issued by what follows it"]
    return []


def _purposes(leaf: x509.Certificate) -> list[x509.ObjectIdentifier]:
    try:
        return list(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return []


def _signs(leaf: x509.Certificate) -> bool:
    try:
        return leaf.extensions.get_extension_for_class(x509.KeyUsage).value.digital_signature
    except x509.ExtensionNotFound:
        return False
