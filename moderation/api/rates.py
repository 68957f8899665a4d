"""How often one address may ask without a key. Counted in this process's memory: many machines need a gateway too."""

import time
from collections.abc import Callable
from ipaddress import IPv6Network, ip_address
from typing import cast

from fastapi import Request
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from moderation.api.auth import Anyone
from moderation.errors import TooOften

#: A caller with a key is counted by principal, and may ask so many times as often.
KEYED = 20


def new_limiter() -> MovingWindowRateLimiter:
    """A limiter that remembers in memory."""
    return MovingWindowRateLimiter(MemoryStorage())


def at_most(per_minute: int, what: str) -> Callable[..., None]:
    """A dependency that lets one address ask for `what` so many times a minute. Raises TooOften."""
    strangers, known = RateLimitItemPerMinute(per_minute), RateLimitItemPerMinute(per_minute * KEYED)

    def count(request: Request, principal: Anyone) -> None:
        limiter = cast("MovingWindowRateLimiter", request.app.state.limiter)
        if principal is not None:
            item, who = known, f"{principal.org}:{principal.principal}"
        else:
            item, who = strangers, place_of(request.client.host if request.client else "")
        if not limiter.hit(item, what, who):
            wait = limiter.get_window_stats(item, what, who).reset_time - time.time()
            raise TooOften(retry_after=max(1, round(wait)), per_minute=item.amount)

    return count


def place_of(host: str) -> str:
    """Whom an address belongs to: itself, or for IPv6 the /64 that one subscriber gets."""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    return host if address.version == 4 else str(IPv6Network((int(address), 64), strict=False))
