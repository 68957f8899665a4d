"""The settings of enrolment and of short-lived templates; `settings.py` holds them with all others."""

from typing import Final

from pydantic import BaseModel, Field, field_validator, model_validator

#: No operator keeps templates of strangers for longer than uploads are kept.
LONGEST_HOURS: Final = 30 * 24.0


class UnmatchedTemplates(BaseModel):
    """Keeping templates of people who are in no registry, for a while: off unless both are said (docs/decisions/0048).

    They are biometric data of people who agreed to nothing: what allows it is for the operator to know and to say.
    """

    #: The legal basis, in words that whoever is looked for may read.
    legal_basis: str = Field(default="", max_length=500)
    ttl_hours: float | None = Field(default=None, gt=0, le=LONGEST_HOURS)

    @field_validator("legal_basis")
    @classmethod
    def _said(cls, value: str) -> str:
        return " ".join(value.split())

    @model_validator(mode="after")
    def _both(self) -> "UnmatchedTemplates":
        if bool(self.legal_basis) != (self.ttl_hours is not None):
            raise ValueError("templates of strangers are kept for a legal basis and for a time: say both, or neither")
        return self

    @property
    def kept(self) -> bool:
        """Whether any are kept at all."""
        return self.ttl_hours is not None


class LikenessSettings(BaseModel):
    """How people enrol their own likeness (docs/howto/enrolment.md), and what is kept of those who did not."""

    #: How long a challenge may be answered, the upload included.
    challenge_s: float = Field(default=120.0, ge=10, le=600)
    #: How long a recording is kept once the answer is given, and in any case.
    recording_s: float = Field(default=0.0, ge=0, le=7 * 86400)
    recording_days: float = Field(default=7.0, gt=0, le=7)
    recording_bytes: int = Field(default=64 * 1024 * 1024, ge=1)
    #: Challenges of one person, and those that one key or member of staff asks for.
    attempts_per_hour: int = Field(default=5, ge=1)
    attempts_per_day: int = Field(default=20, ge=1)
    attempts_of_caller_per_hour: int = Field(default=600, ge=1)
    #: Look backs that a person asks for on their own page in a day.
    lookbacks_per_day: int = Field(default=3, ge=1)
    unmatched_templates: UnmatchedTemplates = UnmatchedTemplates()
