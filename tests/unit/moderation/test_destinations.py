"""Where this service connects to: public addresses, the very address that was checked, and nothing else."""

import asyncio
import socket

import pytest

from moderation.destinations import ForbiddenDestination, Rules, demand_form, resolve, rules_of
from moderation.settings import Settings, Webhooks

STRICT = Rules(loopback=False, plain=True)
PRIVATE = [
    "10.1.2.3",
    "127.0.0.1",
    "127.9.9.9",
    "169.254.169.254",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "[::1]",
    "[::]",
    "[fe80::1]",
    "[fc00::1]",
    "[ff02::1]",
    "[::ffff:10.0.0.1]",
    "[64:ff9b::a00:1]",
    "[2002:a00:1::]",
    "[2001:db8::1]",
    "2130706433",
    "0x7f000001",
    "017700000001",
    "127.1",
    "localhost",
]


@pytest.mark.parametrize("host", PRIVATE)
def test_addresses_that_are_not_public_are_refused(host):
    with pytest.raises(ForbiddenDestination):
        asyncio.run(resolve(f"http://{host}/x", STRICT))


@pytest.mark.parametrize(
    "url",
    [
        "ftp://8.8.8.8/",
        "file:///etc/passwd",
        "//8.8.8.8/",
        "http://",
        "http://a:b@8.8.8.8/",
        "http://8.8.8.8:99999/",
        "x",
    ],
)
def test_other_urls_are_refused(url):
    with pytest.raises(ForbiddenDestination):
        demand_form(url, STRICT)


def test_plain_http_and_loopback_are_for_development_by_setting_only():
    allowing = Webhooks(allow_loopback=True)
    assert rules_of(Settings(env="production", webhooks=allowing)) == Rules(loopback=False, plain=False)
    assert rules_of(Settings(env="development")) == Rules(loopback=False, plain=True)
    assert rules_of(Settings(env="development", webhooks=allowing)).loopback
    with pytest.raises(ForbiddenDestination):
        demand_form("http://8.8.8.8/", Rules(loopback=False, plain=False))
    demand_form("https://8.8.8.8/", Rules(loopback=False, plain=False))


def test_the_connection_goes_to_the_address_that_was_checked(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", answers("93.184.215.14"))
    place = asyncio.run(resolve("https://clips.example:8443/a?b=1", STRICT))
    assert str(place.url) == "https://93.184.215.14:8443/a?b=1"
    assert (place.host, place.name) == ("clips.example:8443", "clips.example")
    monkeypatch.setattr(socket, "getaddrinfo", answers("2606:4700::1111"))
    assert str(asyncio.run(resolve("http://clips.example/a", STRICT)).url) == "http://[2606:4700::1111]/a"


def test_one_private_address_spoils_a_name(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", answers("93.184.215.14", "10.0.0.1"))
    with pytest.raises(ForbiddenDestination):
        asyncio.run(resolve("http://clips.example/", STRICT))


def answers(*addresses: str):
    """A resolver that knows one name."""

    def look_up(*_: object, **__: object) -> list[tuple]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80)) for address in addresses]

    return look_up
