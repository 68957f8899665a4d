"""Which variants of the rules stand for a clip, by its market and locale. Judges nothing.

A clip pays for the overlays that stand for it, or may: what is for other places is not even looked at.
"""

from collections.abc import Iterable
from typing import Final

from moderation.facts import SubmissionFacts
from moderation.policy.model import Overlay, Policy, Rule
from moderation.policy.regions import known_market, stands, tags
from moderation.policy.truth import FALSE, TRUE
from moderation.policy.verdicts import Judge

#: How many places are kept ready; beyond that they are put together anew.
_KEPT: Final = 256
Place = tuple[str | None, frozenset[str] | None]


class Standing:
    """The rules of some policies made ready, with those that stand at each place."""

    def __init__(self, policies: Iterable[Policy]) -> None:
        self._policies = tuple(policies)
        self._judges = {
            _key(policy, rule, overlay): Judge.of(policy, rule, None if overlay is None else overlay.name)
            for policy in self._policies
            for overlay, rule in policy.variants
        }
        overlays = [overlay for policy in self._policies for overlay in policy.overlays]
        self._markets = frozenset(market for overlay in overlays for market in overlay.markets)
        self._locales = frozenset(locale for overlay in overlays for locale in overlay.locales)
        self._ready: dict[Place, tuple[Judge, ...]] = {}

    def everywhere(self) -> tuple[Judge, ...]:
        """Return the rules of the areas themselves, without any overlay."""
        return tuple(judge for judge in self._judges.values() if judge.overlay is None)

    def variants(self) -> tuple[Judge, ...]:
        """Return every rule in each of its variants."""
        return tuple(self._judges.values())

    def judges(self, submission: SubmissionFacts) -> tuple[Judge, ...]:
        """Return the rules that stand, or may stand, for such a clip; a changed rule in all its possible variants."""
        place = self._place(submission)
        ready = self._ready.get(place)
        if ready is None:
            if len(self._ready) >= _KEPT:
                self._ready.clear()
            found = [judge for policy in self._policies for judge in self._of(policy, submission)]
            ready = self._ready[place] = tuple(found)
        return ready

    def _place(self, submission: SubmissionFacts) -> Place:
        """Name all that overlays can tell of a clip; places that they do not name are one place."""
        market = next(iter(known_market(submission.market)), None)
        if market is not None and market not in self._markets:
            market = ""
        return market, None if submission.locale is None else tags(submission.locale) & self._locales

    def _of(self, policy: Policy, submission: SubmissionFacts) -> list[Judge]:
        truths = {overlay.name: stands(overlay, submission.market, submission.locale) for overlay in policy.overlays}
        otherwise = {name for o in policy.overlays if truths[o.name] is TRUE for name in o.touches}
        return [
            self._judges[_key(policy, rule, overlay)]
            for overlay, rule in policy.variants
            if (rule.name not in otherwise if overlay is None else truths[overlay.name] is not FALSE)
        ]


def _key(policy: Policy, rule: Rule, overlay: Overlay | None) -> tuple[str, str, str | None]:
    return policy.area, rule.name, None if overlay is None else overlay.name
