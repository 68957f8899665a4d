"""Why somebody was not let in: a word for the page's sentence. Never carries what a stranger sent."""

from typing import Final, Literal

from moderation.errors import ModerationError

Why = Literal["attempt", "declined", "answer", "token", "role", "barred"]

#: What is logged; the reader's sentences are the page's.
SAYS: Final[dict[Why, str]] = {
    "attempt": "this log-in was not begun in this browser, is too old, or was used already",
    "declined": "the provider did not let the person in",
    "answer": "the provider's answer is not one to this log-in",
    "token": "the provider's statement about the person cannot be trusted",
    "role": "the person has no role here",
    "barred": "the person may not log in any more",
}


class LoginRefused(ModerationError):
    """Nobody was logged in."""

    status = 401
    code = "login_refused"

    def __init__(self, why: Why, detail: str = "") -> None:
        self.why: Why = why
        super().__init__(f"{SAYS[why]}: {detail}" if detail else SAYS[why], why=why)
