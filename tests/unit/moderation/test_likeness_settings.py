"""Templates of strangers are kept for a stated basis and a stated time, never for one of the two alone."""

import pytest
from pydantic import ValidationError

from moderation.likeness_settings import UnmatchedTemplates
from moderation.settings import Settings

BASIS = "GDPR Art. 9(2)(g) with the law of our state"


def test_off_unless_both_are_said():
    assert not Settings().likeness.unmatched_templates.kept
    assert UnmatchedTemplates(legal_basis=f"  {BASIS}\n", ttl_hours=24).legal_basis == BASIS
    assert UnmatchedTemplates(legal_basis=BASIS, ttl_hours=720).kept


@pytest.mark.parametrize(
    "said",
    [
        {"legal_basis": BASIS},
        {"ttl_hours": 24},
        {"legal_basis": " \n", "ttl_hours": 24},
        {"legal_basis": BASIS, "ttl_hours": 0},
        {"legal_basis": BASIS, "ttl_hours": 720.5},
    ],
)
def test_one_alone_or_too_long_is_refused(said):
    with pytest.raises(ValidationError):
        UnmatchedTemplates(**said)


def test_the_service_does_not_start_with_a_time_and_no_basis(monkeypatch):
    monkeypatch.setenv("MODERATION_LIKENESS__UNMATCHED_TEMPLATES__TTL_HOURS", "24")
    with pytest.raises(ValidationError, match="say both"):
        Settings()
    monkeypatch.setenv("MODERATION_LIKENESS__UNMATCHED_TEMPLATES__LEGAL_BASIS", BASIS)
    assert Settings().likeness.unmatched_templates.kept
