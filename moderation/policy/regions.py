"""Markets and locales as policies write them, and which of a policy's overlays stand for a clip. Judges no rule."""

import re
from collections.abc import Mapping
from typing import Final

from moderation.policy.fields import Fields, similar
from moderation.policy.model import Overlay
from moderation.policy.source import Node
from moderation.policy.truth import FALSE, TRUE, UNDETERMINED, Truth, both

#: What `EU` stands for among markets (ISO 3166-1 alpha-2).
EU: Final = frozenset(
    "AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE".split()  # noqa: SIM905
)
#: ISO 3166-1 alpha-2, and XK, which platforms use for Kosovo.
MARKETS: Final = frozenset(
    """AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ
    CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR
    GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO
    JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR
    MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO
    RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV
    TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW""".split()  # noqa: SIM905
)
LOCALE: Final = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}")


def read_markets(fields: Fields, found: Mapping[str, Node]) -> tuple[str, ...]:
    """Read `markets`, in order and with `EU` written out; unknown ones are findings."""
    markets: set[str] = set()
    for item in fields.items(found["markets"], "`markets`") if "markets" in found else ():
        code = fields.text(item, "a market") or ""
        if code == "EU":
            markets |= EU
        elif code in MARKETS:
            markets.add(code)
        elif code:
            hint = " - did you mean `GB`?" if code == "UK" else similar(code.upper(), MARKETS)
            fields.fault(item, "unknown-market", f"`{code}` is no country of ISO 3166-1 alpha-2, nor EU{hint}")
    return tuple(sorted(markets))


def read_locales(fields: Fields, found: Mapping[str, Node]) -> tuple[str, ...]:
    """Read `locales`, in order and in lower case; what is no language tag is a finding."""
    locales: set[str] = set()
    for item in fields.items(found["locales"], "`locales`") if "locales" in found else ():
        tag = fields.text(item, "a locale") or ""
        if LOCALE.fullmatch(tag):
            locales.add(tag.lower())
        elif tag:
            fields.fault(item, "wrong-value", f"`{tag}` is no language tag such as fr or ar-EG")
    return tuple(sorted(locales))


def tags(locale: str) -> frozenset[str]:
    """Return the tags that a locale falls under: ar-EG under ar-eg and ar (RFC 4647, basic filtering)."""
    parts = locale.lower().split("-")[:8]
    return frozenset("-".join(parts[:count]) for count in range(1, len(parts) + 1))


def stands(overlay: Overlay, market: str | None, locale: str | None) -> Truth:
    """Tell whether an overlay stands for a clip; undetermined when the clip does not say what the overlay asks."""
    here = frozenset() if locale is None else tags(locale)
    return both((_among(overlay.markets, known_market(market)), _among(overlay.locales, here)))


def known_market(market: str | None) -> frozenset[str]:
    """Return the market as a set of one; of none when the clip says no country that there is."""
    return frozenset({market}) & MARKETS if market is not None else frozenset()


def _among(named: tuple[str, ...], said: frozenset[str]) -> Truth:
    if not named:
        return TRUE
    if not said:
        return UNDETERMINED
    return TRUE if said & frozenset(named) else FALSE
