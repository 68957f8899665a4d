"""A small OpenID Connect provider on loopback, for tests: discovery, keys, authorize, token, userinfo; honest or hostile."""

import base64
import json
import secrets
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

from authlib.oauth2.rfc7636 import create_s256_code_challenge
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OctKey

SECRET = "a secret between two machines"
CLIENT = "countersign"


class OidcProvider:
    """One provider: `person` logs in with one click; `hostile` names what it does wrong."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.person = {"sub": "u-1001", "email": "noor@example.org", "groups": ["moderators"]}
        self.hostile = ""
        self.in_userinfo_only = False
        self.claims = ["sub", "groups", "realm_access"]
        self.key = ECKey.generate_key("P-256", {"kid": "first", "use": "sig", "alg": "ES256"})
        self.published = [self.key]
        self.codes: dict[str, dict[str, str]] = {}
        self.asked: list[str] = []
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.answer(self, {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()})

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                provider.answer(self, {name: values[0] for name, values in parse_qs(body).items()})

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer((host, 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        self.issuer = f"http://{host}:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def rotate(self) -> None:
        """Sign with a new key from now on, and publish only that."""
        self.key = ECKey.generate_key("P-256", {"kid": secrets.token_hex(4), "use": "sig", "alg": "ES256"})
        self.published = [self.key]

    def answer(self, handler: BaseHTTPRequestHandler, fields: dict[str, str]) -> None:
        path = urlsplit(handler.path).path
        self.asked.append(path)
        if path == "/authorize":
            self._authorize(handler, fields)
            return
        document = {
            "/.well-known/openid-configuration": self._discovery,
            "/keys": lambda *_: KeySet(self.published).as_dict(private=False),
            "/token": self._token,
            "/userinfo": lambda *_: self.person | ({"sub": "u-9"} if self.hostile == "userinfo" else {}),
        }[path](handler, fields)
        status = 400 if "error" in document else 200
        _send(handler, status, json.dumps(document).encode(), **{"Content-Type": "application/json"})

    def _discovery(self, *_: object) -> dict[str, object]:
        return {
            "issuer": "https://other.example" if self.hostile == "discovery" else self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": "http://192.0.2.1/keys" if self.hostile == "plain keys" else f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256"],
            "claims_supported": self.claims,
            "authorization_response_iss_parameter_supported": True,
        }

    def _authorize(self, handler: BaseHTTPRequestHandler, fields: dict[str, str]) -> None:
        assert fields["response_type"] == "code", fields
        assert fields["client_id"] == CLIENT, fields
        assert fields["code_challenge_method"] == "S256", fields
        assert "openid" in fields["scope"].split(), fields
        said = {"state": fields["state"], "iss": self.issuer}
        if self.hostile == "declined":
            said |= {"error": "access_denied"}
        else:
            code = secrets.token_urlsafe(16)
            self.codes[code] = fields
            said |= {"code": code}
        if self.hostile == "state":
            said["state"] = secrets.token_urlsafe(32)
        if self.hostile == "mix-up":
            said["iss"] = "https://other.example"
        _send(handler, 302, b"", Location=f"{fields['redirect_uri']}?{urlencode(said)}")

    def _token(self, handler: BaseHTTPRequestHandler, fields: dict[str, str]) -> dict[str, object]:
        credentials = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if handler.headers.get("authorization") != f"Basic {credentials}" and SECRET.replace(" ", "+") not in str(
            base64.b64decode(handler.headers.get("authorization", "Basic ")[6:])
        ):
            return {"error": "invalid_client"}
        asked = self.codes.pop(fields["code"], None)
        if asked is None or fields["redirect_uri"] != asked["redirect_uri"]:
            return {"error": "invalid_grant"}
        if create_s256_code_challenge(fields["code_verifier"]) != asked["code_challenge"]:
            return {"error": "invalid_grant"}
        if self.hostile == "no token":
            return {"access_token": "a", "token_type": "Bearer"}
        return {"access_token": "an access token", "token_type": "Bearer", "id_token": self._id_token(asked)}

    def _id_token(self, asked: dict[str, str]) -> str:
        now = int(time.time())
        person = {"sub": self.person["sub"]} if self.in_userinfo_only else self.person
        claims = {**person, "iss": self.issuer, "aud": CLIENT, "nonce": asked["nonce"], "iat": now, "exp": now + 300}
        claims |= {
            "nonce": {"nonce": "another"},
            "no nonce": {"nonce": None},
            "audience": {"aud": "somebody-else"},
            "audiences": {"aud": [CLIENT, "somebody-else"], "azp": CLIENT},
            "party": {"azp": "somebody-else"},
            "expired": {"exp": now - 3600, "iat": now - 7200},
            "early": {"iat": now + 3600, "exp": now + 7200, "nbf": now + 3600},
            "issuer": {"iss": "https://other.example"},
            "subject": {"sub": ""},
            "access": {"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"},
        }.get(self.hostile, {})
        claims = {name: value for name, value in claims.items() if value is not None}
        if self.hostile == "alg none":
            parts = ({"alg": "none"}, claims)
            return (
                ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
                + "."
            )
        if self.hostile == "shared secret":
            # The public key as if it were a shared secret: the classic confusion of algorithms.
            key = OctKey.import_key(json.dumps(self.key.as_dict(private=False)))
            return jwt.encode({"alg": "HS256", "kid": "first"}, claims, key, algorithms=["HS256"])
        key = self.key
        if self.hostile == "stranger's key":
            key = ECKey.generate_key("P-256", {"kid": self.key.kid})
        return jwt.encode({"alg": "ES256", "kid": key.kid}, claims, key, algorithms=["ES256"])


def _send(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
