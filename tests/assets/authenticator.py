"""A passkey in software for tests: makes real ES256 credentials and signatures after WebAuthn level 3. Never shipped."""

import base64
import hashlib
import json
import os
import struct
from dataclasses import dataclass, field

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

USER_PRESENT, USER_VERIFIED, NEW_CREDENTIAL = 0x01, 0x04, 0x40


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass(slots=True, kw_only=True)
class Authenticator:
    """One credential of one device; `verifies` is whether the device makes sure who holds it."""

    host: str = "localhost"
    origin: str = "http://localhost"
    verifies: bool = True
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    credential: bytes = field(default_factory=lambda: os.urandom(32))
    count: int = 0

    def register(self, options: dict) -> dict[str, object]:
        """Answer `navigator.credentials.create` with these options."""
        numbers = self.key.public_key().public_numbers()
        key = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        attested = bytes(16) + struct.pack(">H", len(self.credential)) + self.credential + cbor2.dumps(key)
        body = {"fmt": "none", "attStmt": {}, "authData": self._authenticator_data(NEW_CREDENTIAL) + attested}
        said = {"clientDataJSON": _text(self._client_data("webauthn.create", options["challenge"]))}
        return self._answer({**said, "attestationObject": _text(cbor2.dumps(body))})

    def sign(self, challenge: str) -> dict[str, object]:
        """Answer `navigator.credentials.get` for a challenge, written as the options write it."""
        self.count += 1
        client, data = self._client_data("webauthn.get", challenge), self._authenticator_data()
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(SHA256()))
        said = {"clientDataJSON": client, "authenticatorData": data, "signature": signature}
        return self._answer({name: _text(value) for name, value in said.items()})

    def _answer(self, response: dict[str, str]) -> dict[str, object]:
        name = _text(self.credential)
        return {"id": name, "rawId": name, "type": "public-key", "response": response, "clientExtensionResults": {}}

    def _client_data(self, kind: str, challenge: str) -> bytes:
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin}).encode()

    def _authenticator_data(self, flags: int = 0) -> bytes:
        flags |= USER_PRESENT | (USER_VERIFIED if self.verifies else 0)
        return hashlib.sha256(self.host.encode()).digest() + bytes([flags]) + struct.pack(">I", self.count)
