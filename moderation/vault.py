"""Sealing of secrets and personal data: AES-256-GCM under the deployment's master key or a person's own key.

Destroying a person's key erases whatever it sealed. Keys never leave this module in the clear except as mark keys.
"""

import hashlib
import hmac
import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE = 12
KEY = 32


def _seal(key: bytes, data: bytes, context: str) -> bytes:
    nonce = os.urandom(NONCE)
    return nonce + AESGCM(key).encrypt(nonce, data, context.encode())


def _open(key: bytes, sealed: bytes, context: str) -> bytes:
    return AESGCM(key).decrypt(sealed[:NONCE], sealed[NONCE:], context.encode())


def keep_secret(path: Path, size: int = KEY) -> bytes:
    """Return the secret in a file of mode 600, made with fresh random bytes when it is not there yet."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    if not path.exists():
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(size))
            file.flush()
            os.fsync(file.fileno())
        try:
            # A hard link never replaces: of two processes starting at once, the first one's secret stands.
            os.link(fresh, path)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path.read_bytes()


class Vault:
    """The deployment's secrets, in `keys/` of the state."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._master = keep_secret(folder / "master.key")

    def seal(self, data: bytes, context: str) -> bytes:
        """Encrypt under the master key; `context` must be given again to open it."""
        return _seal(self._master, data, context)

    def open(self, sealed: bytes, context: str) -> bytes:
        """Decrypt what `seal` made. Raises cryptography.exceptions.InvalidTag on any change."""
        return _open(self._master, sealed, context)

    def new_person_key(self, person: str) -> bytes:
        """Make a key for a person and return it wrapped, to be stored."""
        return self.seal(os.urandom(KEY), f"person:{person}")

    def seal_for(self, person: str, wrapped: bytes, data: bytes, context: str) -> bytes:
        """Encrypt under a person's key."""
        return _seal(self.open(wrapped, f"person:{person}"), data, f"{person}:{context}")

    def open_for(self, person: str, wrapped: bytes, sealed: bytes, context: str) -> bytes:
        """Decrypt what `seal_for` made; impossible once the person's key was destroyed."""
        return _open(self.open(wrapped, f"person:{person}"), sealed, f"{person}:{context}")

    def mark_keys(self) -> dict[int, bytes]:
        """The keys of the invisible mark by version, the highest being the one to mark with."""
        if not any(self._folder.glob("mark-*.key")):
            keep_secret(self._folder / "mark-01.key")
        return {int(path.stem.removeprefix("mark-")): path.read_bytes() for path in self._folder.glob("mark-*.key")}

    def audit_key(self) -> Ed25519PrivateKey:
        """The key that signs the audit log's roots."""
        return Ed25519PrivateKey.from_private_bytes(keep_secret(self._folder / "audit.key"))

    def derive(self, purpose: str) -> bytes:
        """A 32-byte secret for one purpose (session cookies, links), derived from the master key."""
        return hmac.new(self._master, purpose.encode(), hashlib.sha256).digest()
