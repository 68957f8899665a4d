"""One attempt to log in: what the browser must bring back, sealed into its cookie. Knows no provider."""

import base64
import binascii
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final, Self

from cryptography.exceptions import InvalidTag

from moderation.login.refusals import LoginRefused
from moderation.vault import Vault

#: How long somebody may take at the provider.
ATTEMPT_SECONDS: Final = 600
_CONTEXT: Final = "login attempt"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What ties an answer to the question: `state` to the browser, `nonce` to the token, `verifier` to the code."""

    state: str
    nonce: str
    verifier: str
    #: Where the person wanted to go.
    back: str
    began: float

    @classmethod
    def begin(cls, now: datetime, back: str) -> Self:
        """A fresh attempt: 256 random bits each."""
        return cls(
            state=secrets.token_urlsafe(32),
            nonce=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(48),
            back=back,
            began=now.timestamp(),
        )

    def seal(self, vault: Vault) -> str:
        """Write it so that the browser can keep it and neither read nor change it."""
        return base64.urlsafe_b64encode(vault.seal(json.dumps(asdict(self)).encode(), _CONTEXT)).decode()

    def demand_answer(self, answer: Mapping[str, str], issuer: str, *, issuer_named: bool) -> str:
        """Return the code of an answer to this attempt. Raises LoginRefused.

        `issuer_named`: the provider promised to name itself (RFC 9207), so that an answer without is another's.
        """
        if not hmac.compare_digest(self.state.encode(), answer.get("state", "").encode()):
            raise LoginRefused("attempt", "another state")
        if answer.get("iss", "" if issuer_named else issuer) != issuer:
            raise LoginRefused("answer", "it comes from another issuer")
        if "error" in answer:
            raise LoginRefused("declined")
        if not answer.get("code"):
            raise LoginRefused("answer", "it has no code")
        return answer["code"]


def open_attempt(vault: Vault, sealed: str, now: datetime) -> Attempt:
    """Read what `seal` wrote. Raises LoginRefused when it is not ours or too old."""
    try:
        found = Attempt(**json.loads(vault.open(base64.urlsafe_b64decode(sealed), _CONTEXT)))
    except (InvalidTag, binascii.Error, ValueError, TypeError) as error:
        raise LoginRefused("attempt", "not sealed by us") from error
    if not 0 <= now.timestamp() - found.began <= ATTEMPT_SECONDS:
        raise LoginRefused("attempt", "too old")
    return found
