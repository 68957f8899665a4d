"""Two policy sets that judge the same record: what both ask, and what rules of both say, is worked out once. Pure."""

from dataclasses import dataclass

from moderation.facts import FactRecord
from moderation.policy.engine import Ruleset, judge_all, weigh
from moderation.policy.exhibits import Exhibits
from moderation.policy.verdicts import Judge, Verdict
from moderation.rehearsing.outlines import Outline


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two policy sets, and for each rule of the second the same one of the first, by what they are in memory."""

    old: Ruleset
    new: Ruleset
    twins: dict[int, int]
    #: Whether both read the same signals and facts alike, so that they can look at one layout of a record.
    alike: bool

    @classmethod
    def of(cls, old: Ruleset, new: Ruleset) -> "Pair":
        """Find the rules that both have."""
        alike = old.vocabulary == new.vocabulary and old.required == new.required
        known = {_content(judge): id(judge) for judge in old.standing.variants()} if alike else {}
        twins = {id(judge): known.get(_content(judge), 0) for judge in new.standing.variants()}
        return cls(old=old, new=new, twins=twins, alike=alike)

    def outlines(self, facts: FactRecord) -> tuple[Outline, Outline, Exhibits]:
        """Judge a record by both; beside what comes out, the record as it was laid out for the second."""
        said: dict[int, Verdict | None] = {}
        exhibits = Exhibits(facts, self.old.vocabulary)
        before = judge_all(exhibits, self.old, lambda judge: self._first(judge, exhibits, said))
        if not self.alike:
            said, exhibits = {}, Exhibits(facts, self.new.vocabulary)
        after = judge_all(exhibits, self.new, lambda judge: self._second(judge, exhibits, said))
        first = Outline.of(weigh(before, facts, self.old))
        same = self.alike and before == after and bool(self.old.policies) is bool(self.new.policies)
        return first, first if same else Outline.of(weigh(after, facts, self.new)), exhibits

    def _first(self, judge: Judge, exhibits: Exhibits, said: dict[int, Verdict | None]) -> Verdict | None:
        verdict = said[id(judge)] = judge.judge(exhibits, self.old.required)
        return verdict

    def _second(self, judge: Judge, exhibits: Exhibits, said: dict[int, Verdict | None]) -> Verdict | None:
        twin = self.twins[id(judge)]
        return said[twin] if twin in said else judge.judge(exhibits, self.new.required)


def _content(judge: Judge) -> tuple[object, ...]:
    return judge.policy, judge.rule, judge.overlay
