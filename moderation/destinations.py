"""Where this service may connect to on somebody else's word: public addresses only, each looked up once and pinned.

A name is resolved here and the connection goes to the address that was checked, so that a name which changes its
address between check and use (DNS rebinding) gains nothing. Redirects are never followed.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from ssl import SSLContext

import httpx

from moderation import __version__
from moderation.errors import ModerationError, Unprocessable
from moderation.settings import Settings

Address = IPv4Address | IPv6Address
#: IPv4 addresses behind a translator (RFC 6052): what they reach is the embedded address.
NAT64 = IPv6Network("64:ff9b::/96")
USER_AGENT = f"Countersign/{__version__}"


class ForbiddenDestination(Unprocessable):
    """This service does not connect to that address."""

    code = "forbidden_destination"


class Unreachable(ModerationError):
    """The other side could not be reached."""

    status = 502
    code = "unreachable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What may be connected to. Loopback and plain http are for development."""

    loopback: bool
    plain: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """A checked URL: the same with its host replaced by a checked address, and the host for `Host` and TLS."""

    url: httpx.URL
    host: str
    name: str


def rules_of(settings: Settings) -> Rules:
    """The rules of these settings."""
    development = settings.development
    return Rules(loopback=development and settings.webhooks.allow_loopback, plain=development)


def demand_form(url: str, rules: Rules) -> None:
    """Refuse a URL that can be told to be unusable without looking its name up. Raises ForbiddenDestination."""
    try:
        parts = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ForbiddenDestination("this is not a URL") from error
    if parts.scheme != "https" and not (parts.scheme == "http" and rules.plain):
        raise ForbiddenDestination("an https URL is needed")
    if not parts.host or parts.userinfo or not 0 < (parts.port or 1) < 65_536:
        raise ForbiddenDestination("a URL with a host, a real port and without user or password is needed")
    try:
        literal = ip_address(parts.host)
    except ValueError:
        return
    _demand_address(literal, rules)


async def resolve(url: str, rules: Rules) -> Destination:
    """Look a URL's name up and check every address it has. Raises ForbiddenDestination, Unreachable."""
    demand_form(url, rules)
    parsed = httpx.URL(url)
    name = parsed.raw_host.decode("ascii")
    port = parsed.port or {"http": 80, "https": 443}[parsed.scheme]
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unreachable(f"the name {name} has no address") from error
    addresses = [ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    # One bad address spoils the name: which of them is used later is not for the name's owner to play with.
    for address in addresses:
        _demand_address(address, rules)
    if not addresses:
        raise Unreachable(f"the name {name} has no address")
    pinned = parsed.copy_with(host=str(addresses[0]))
    return Destination(url=pinned, host=parsed.netloc.decode("ascii"), name=name)


@asynccontextmanager
async def connect(
    method: str,
    url: str,
    rules: Rules,
    *,
    seconds: float,
    headers: dict[str, str] | None = None,
    content: bytes | None = None,
) -> AsyncIterator[httpx.Response]:
    """Send one request and give the response before its body is read, all within `seconds`.

    Raises ForbiddenDestination, and Unreachable for whatever the network or the other side does.
    """
    try:
        async with asyncio.timeout(seconds):
            place = await resolve(url, rules)
            async with httpx.AsyncClient(
                verify=_trust(), timeout=seconds, trust_env=False, follow_redirects=False
            ) as client:
                request = client.build_request(
                    method,
                    place.url,
                    headers={"User-Agent": USER_AGENT, **(headers or {}), "Host": place.host},
                    content=content,
                    # The certificate must be the name's, though the connection goes to the address.
                    extensions={"sni_hostname": place.name},
                )
                response = await client.send(request, stream=True)
                try:
                    yield response
                finally:
                    await response.aclose()
    except TimeoutError as error:
        raise Unreachable(f"no answer within {seconds:g} seconds") from error
    except (httpx.HTTPError, httpx.StreamError) as error:
        raise Unreachable(f"the connection failed: {type(error).__name__}") from error


@cache
def _trust() -> SSLContext:
    return httpx.create_ssl_context()


def _demand_address(address: Address, rules: Rules) -> None:
    inner = _embedded(address)
    if inner.is_loopback and rules.loopback:
        return
    if not inner.is_global or inner.is_multicast or inner.is_reserved or inner.is_unspecified:
        raise ForbiddenDestination("only public addresses are connected to")


def _embedded(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, else the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1] or address
