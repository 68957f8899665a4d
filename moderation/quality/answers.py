"""How right the answers are: golden cases, agreement, overturns, harm that went out, what rules are worth."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from moderation.db import Transaction, queries
from moderation.quality.agreement import Agreement, alpha, kappa
from moderation.quality.prevalence import Prevalence, Stratum, estimate
from moderation.rehearsing.intervals import Share, share_of

SQL = queries("quality")
#: In what way a decision can turn out to be wrong.
ERROR_CLASSES = ("false_positive", "false_negative", "wrong_policy", "technical")


@dataclass(frozen=True, slots=True, kw_only=True)
class GoldenLine:
    """How many golden cases people answered as they are known to be, by the version their answers belong to."""

    policy_version: str
    share: Share
    last_answer: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A share under a name."""

    name: str
    share: Share


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """All figures of one stretch of time. `first_answer` is the oldest answer there is, None where nobody answered."""

    since: datetime
    until: datetime
    first_answer: datetime | None
    golden: tuple[GoldenLine, ...]
    #: Of blind pairs, and of all blind answers on one question.
    kappa: Agreement
    alpha: Agreement
    #: Of people's decisions, those that were overturned since.
    overturns_by_class: tuple[Line, ...]
    overturns_by_language: tuple[Line, ...]
    unseen_harm: Prevalence
    #: Of a rule's decided cases, those on which people acted.
    rules: tuple[Line, ...]

    def to_json(self) -> dict[str, object]:
        """Return plain data."""
        return {
            "since": self.since.isoformat(),
            "until": self.until.isoformat(),
            "first_answer": None if self.first_answer is None else self.first_answer.isoformat(),
            "golden": [
                {"policy_version": line.policy_version, "last_answer": line.last_answer.isoformat()}
                | line.share.to_json()
                for line in self.golden
            ],
            "kappa": self.kappa.to_json(),
            "alpha": self.alpha.to_json(),
            "overturns_by_class": _lines(self.overturns_by_class),
            "overturns_by_language": _lines(self.overturns_by_language),
            "unseen_harm": self.unseen_harm.to_json(),
            "rules": _lines(self.rules),
        }


def read_quality(tx: Transaction, since: datetime, until: datetime) -> Quality:
    """Reckon every figure of quality from the answers given from `since` on and before `until`."""
    span = {"since": since, "until": until}
    blind = [row[0] for row in tx.pg.execute(SQL.blind_answers, span).fetchall()]
    by_class, by_language = _overturns(tx.pg.execute(SQL.people_decided, span).fetchall())
    first = tx.pg.execute(SQL.first_answer).fetchone()
    return Quality(
        since=since,
        until=until,
        first_answer=first[0] if first else None,
        golden=tuple(
            GoldenLine(policy_version=version, share=share_of(right, of), last_answer=last)
            for version, right, of, last in tx.pg.execute(SQL.golden_lines, span).fetchall()
        ),
        kappa=kappa((answers[0], answers[1]) for answers in blind),
        alpha=alpha(blind),
        overturns_by_class=by_class,
        overturns_by_language=by_language,
        unseen_harm=_unseen_harm(tx, span),
        rules=tuple(
            Line(name=rule, share=share_of(hits, of))
            for rule, hits, of in tx.pg.execute(SQL.rule_lines, span).fetchall()
        ),
    )


def _overturns(found: Iterable[tuple[str, str | None, int]]) -> tuple[tuple[Line, ...], tuple[Line, ...]]:
    """Sort counts of (language, error class or None) into shares by class and by language."""
    classes: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    decided: Counter[str] = Counter()
    for language, error, count in found:
        decided[language] += count
        if error is not None:
            classes[error] += count
            wrong[language] += count
    every = decided.total()
    by_class = tuple(Line(name=name, share=share_of(classes[name], every)) for name in ERROR_CLASSES)
    by_language = tuple(Line(name=name, share=share_of(wrong[name], decided[name])) for name in sorted(decided))
    return by_class, by_language


def _unseen_harm(tx: Transaction, span: dict[str, datetime]) -> Prevalence:
    strata = [
        Stratum(rate=rate, released=drawn / rate, seen=seen, harmful=harmful)
        for rate, drawn, seen, harmful in tx.pg.execute(SQL.strata, span).fetchall()
    ]
    found = tx.pg.execute(SQL.released, span).fetchone()
    released = found[0] if found else 0
    return estimate(strata, unsampled=max(0.0, released - sum(stratum.released for stratum in strata)))


def _lines(lines: Iterable[Line]) -> list[dict[str, object]]:
    return [{"name": line.name} | line.share.to_json() for line in lines]
