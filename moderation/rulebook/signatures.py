"""Detached Ed25519 signatures over policy bundles: who may say what the rules are, where a deployment asks for it."""

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from moderation.errors import Unprocessable
from moderation.rulebook.bundles import SIGNATURE, digest_of
from moderation.vault import keep_secret

#: Nothing else that this key may ever sign begins so.
_CONTEXT = b"countersign policies 1\n"


class BadSignature(Unprocessable):
    """The bundle carries no valid signature of the configured key."""

    code = "bad_signature"


def message_of(texts: Mapping[str, str], version: str) -> bytes:
    """What is signed: the version of the rules, and every byte of every text."""
    return _CONTEXT + f"{version}\n{digest_of(texts)}\n".encode()


def sign(texts: Mapping[str, str], version: str, key: Ed25519PrivateKey) -> str:
    """The content of `policies.sig`."""
    return base64.b64encode(key.sign(message_of(texts, version))).decode() + "\n"


def demand_signature(texts: Mapping[str, str], version: str, key: Ed25519PublicKey | None) -> None:
    """Refuse a bundle that this key did not sign as it is; without a key nothing is asked. Raises BadSignature."""
    if key is None:
        return
    if SIGNATURE not in texts:
        raise BadSignature(f"the policies carry no {SIGNATURE}")
    try:
        key.verify(base64.b64decode(texts[SIGNATURE].strip(), validate=True), message_of(texts, version))
    except (InvalidSignature, binascii.Error, ValueError) as error:
        raise BadSignature(f"{SIGNATURE} is not the configured key's signature of these policies") from error


def development_key(folder: Path) -> Ed25519PrivateKey:
    """The key that signs a developer's policies, made on first use; a deployment's lies elsewhere."""
    return Ed25519PrivateKey.from_private_bytes(keep_secret(folder / "policies.key"))


def read_public_key(path: Path) -> Ed25519PublicKey:
    """Read a PEM file. Raises Unprocessable for anything but an Ed25519 public key."""
    try:
        key = serialization.load_pem_public_key(path.read_bytes())
    except (OSError, ValueError) as error:
        raise Unprocessable(f"no public key can be read from {path}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise Unprocessable(f"{path} holds another kind of key than Ed25519")
    return key


def public_pem(key: Ed25519PrivateKey) -> bytes:
    """The public half, as `read_public_key` reads it."""
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
