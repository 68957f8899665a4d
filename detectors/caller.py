"""What the platform itself says of a clip, through the same protocol as every detector. Unchecked, and named so."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from detectors.base import DetectorError, Findings, Frame, Model, Sample, Signal, State, Subject, quantise

#: What stands for a model in findings: nobody's weights, the caller's word.
CALLER: Final = Model(id="caller", version="1")
PREFIX: Final = "platform."
#: All that a platform may say; rules know these names and no others. Never a signal of our own.
CLAIMS: Final = tuple(PREFIX + name for name in ("nsfw", "violence", "hate", "self_harm", "minors", "risk"))


class CallerClaims:
    """Repeats the claims that came with a clip, each once at time 0; what was not said is absent, never zero."""

    name = "caller"
    signals: tuple[str, ...] = CLAIMS

    def open(self, subject: Subject) -> "_Repeating":
        """Begin with one clip. Raises DetectorError for a claim that is not one."""
        for name, value in subject.claims.items():
            if name not in CLAIMS:
                raise DetectorError(f"{name!r} is nothing that a platform may say")
            if isinstance(value, bool) or not 0 <= value <= 1:
                raise DetectorError(f"{name}: {value!r} is not between 0 and 1")
        return _Repeating(subject)

    def self_check(self) -> None:
        """There is nothing that could fail."""


@dataclass(frozen=True, slots=True)
class _Repeating:
    subject: Subject

    def see(self, frames: Sequence[Frame]) -> None:
        """The platform's word concerns no frame."""

    def finish(self) -> Findings:
        return Findings(
            signals=tuple(
                Signal(
                    name=name,
                    state=State.MEASURED,
                    model=CALLER,
                    samples=(Sample(time_ms=0, value=quantise(self.subject.claims[name])),),
                    note="as the platform says; unchecked",
                )
                for name in CLAIMS
                if name in self.subject.claims
            )
        )
