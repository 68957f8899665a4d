"""What stands against a copy's release: everything that is not surely a yes, for each way that somebody is shown."""

import pytest

from moderation.consent import Standing
from moderation.reservations import Copied, against_it


def standing(face: str, voice: str, kind: str = "cameo") -> Standing:
    return Standing(person="per_1", kind=kind, consent=face, voice=voice, declared=False, version=1)


@pytest.mark.parametrize(
    ("face", "voice", "scopes", "against"),
    [
        ("consented", "consented", ["face", "voice"], None),
        ("consented", "not_consented", ["face"], None),
        ("undetermined", "consented", ["face"], "unconsented_likeness"),
        ("consented", "undetermined", ["face", "voice"], "unconsented_likeness"),
        ("not_consented", "consented", ["face", "voice"], "unconsented_likeness"),
        ("limit_violated", "consented", ["face", "voice"], "consent_limit"),
        ("limit_violated", "undetermined", ["face", "voice"], "unconsented_likeness"),
        ("undetermined", "revoked", ["face", "voice"], "consent_revoked"),
    ],
)
def test_only_a_sure_yes_for_all_that_is_shown_lets_a_copy_pass(face, voice, scopes, against):
    assert against_it(standing(face, voice), scopes) == against


def test_who_may_never_be_shown_is_not_asked_and_a_public_figure_is_named_as_one():
    assert against_it(standing("consented", "consented", "protected_person"), ["face"]) == "protected_person"
    assert against_it(standing("undetermined", "consented", "public_figure"), ["face"]) == "public_figure_likeness"


@pytest.mark.parametrize(
    ("there", "here", "asked"),
    [
        (["copy", "face"], [], ["face"]),
        (["copy", "face", "voice"], [], ["face", "voice"]),
        (["copy", "face", "voice"], ["voice"], ["face"]),
        (["copy", "face", "voice"], ["face"], []),
        # The same pictures with another voice: nothing of the one who spoke there is known to be here.
        (["voice"], [], []),
        # Of a clip that was erased only the person is known.
        (["copy"], [], ["face", "voice"]),
        (["copy"], ["voice"], ["face"]),
        (["copy", "voice"], [], ["face", "voice"]),
    ],
)
def test_a_copy_carries_over_a_face_and_never_a_voice_alone(there, here, asked):
    assert Copied(person_id="per_1", matched=True, there=there, here=here).scopes == asked
