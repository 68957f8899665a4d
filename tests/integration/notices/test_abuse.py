"""What a flood, a disguise or a guess gets: nothing that one honest notice would not."""

import json

import pytest

from moderation.errors import Conflict
from moderation.notices import filing, opening
from moderation.notices.limits import PEOPLE_OF_ADDRESS, TooMany, mailbox
from moderation.settings import Noticing


def test_one_mailbox_is_counted_as_one_however_it_is_written(bureau, monkeypatch):
    few = Noticing(per_contact_a_day=3)
    bureau.services.settings = bureau.services.settings.model_copy(update={"notices": few})
    clip = bureau.clip()
    first = bureau.file(clip, contact="zoe@example.org", source="")
    for said in (" Zoe@Example.ORG ", "zoe+1@example.org"):
        assert bureau.file(clip, contact=said, source="").notice.joined_to == first.notice.notice_id
    with pytest.raises(TooMany):
        bureau.file(bureau.clip(), contact="ZOE+other@example.org", source="")
    with monkeypatch.context() as off:
        off.setattr(filing, "mailbox", lambda contact: contact)
        assert bureau.file(bureau.clip(), contact="zoe+other@example.org", source="")


@pytest.mark.parametrize(
    ("said", "counted"),
    [
        ("Zoe+a+b@Example.org", "zoe@example.org"),
        ("zoe＠example.org", "zoe@example.org"),
        ("+zoe@example.org", "+zoe@example.org"),
        ("", ""),
    ],
)
def test_the_one_way_to_write_an_address(said, counted):
    assert mailbox(said) == counted


def test_many_contacts_of_one_address_file_so_many_notices_a_day(bureau):
    few = Noticing(per_contact_a_day=1)
    bureau.services.settings = bureau.services.settings.model_copy(update={"notices": few})
    clip = bureau.clip()
    for n in range(PEOPLE_OF_ADDRESS):
        bureau.file(clip, "illegal_content", contact=f"n{n}@example.org")
    with pytest.raises(TooMany):
        bureau.file(clip, "illegal_content", contact="last@example.org")
    assert bureau.file(clip, "illegal_content", contact="last@example.org", source="198.51.100.9")


def test_nobody_uses_up_the_notices_of_another_by_their_contact(bureau):
    terms = bureau.services.settings.notices
    for _ in range(terms.rejected_before):
        bureau.file(bureau.clip())
        bureau.settle("allow")
    for _ in range(terms.per_contact_a_day - terms.rejected_before):
        bureau.file(bureau.clip())
    with pytest.raises(TooMany):
        bureau.file(bureau.clip())
    assert bureau.file(bureau.clip(), source="198.51.100.9").notice.hidden


def test_what_a_platform_hands_on_is_counted_by_contact(bureau):
    few = Noticing(hidden_a_day=2)
    bureau.services.settings = bureau.services.settings.model_copy(update={"notices": few})
    hidden = [bureau.file(bureau.clip(), source="").notice.hidden for _ in range(3)]
    assert hidden == [True, True, False]
    assert bureau.file(bureau.clip(), source="", contact="yan@example.org").notice.hidden


def test_a_flood_of_notices_does_not_keep_a_case_from_being_answered(bureau, monkeypatch):
    monkeypatch.setattr(opening, "READ_ANEW", 3)
    clip = bureau.clip()
    early = [bureau.file(clip, contact=f"n{n}@example.org", source="") for n in range(3)]
    case = bureau.claim("ben")
    again = bureau.file(clip, contact="n0@example.org", source="")
    late = bureau.file(clip, contact="late@example.org", source="")
    bureau.decide("ben", case, "allow")
    # What was not read is not rejected: it comes before somebody again, and its stop stands.
    assert [bureau.state(each) for each in (*early, again, late)] == ["rejected"] * 4 + ["open"]


def test_without_that_bound_the_answer_is_refused(bureau):
    clip = bureau.clip()
    bureau.file(clip, contact="n0@example.org", source="")
    case = bureau.claim("ben")
    bureau.file(clip, contact="late@example.org", source="")
    with pytest.raises(Conflict):
        bureau.decide("ben", case, "allow")


def test_who_files_first_with_the_contact_of_another_takes_nothing_from_their_notice(bureau):
    """A contact is proved by nobody: a notice that hides is joined to none that hides nothing, or came from elsewhere."""
    terms = bureau.services.settings.notices
    for _ in range(terms.rejected_before):
        bureau.file(bureau.clip())
        bureau.settle("allow")
    clip = bureau.clip()
    stranger = bureau.file(clip, "likeness")
    assert (stranger.notice.hidden, bureau.status(clip)) == (False, "released")
    bureau.claim("ben")
    victim, again = (bureau.file(clip, "likeness", source="198.51.100.9") for _ in range(2))
    assert (victim.notice.hidden, victim.notice.joined_to, bureau.status(clip)) == (True, None, "in_review")
    assert again.notice.joined_to == victim.notice.notice_id
    bodies = bureau.column("select body from moderation.events where clip_id = %s order by seq", clip)
    told = [(json.loads(each)["type"], json.loads(each)["data"].get("purge")) for each in bodies]
    assert told == [("notice.received", False), ("clip.in_review", True), ("notice.received", True)]
    assert bureau.file(clip, "likeness", source="203.0.113.7").notice.joined_to is None
    # From one place too, once what was rejected there is long ago.
    other = bureau.clip()
    assert not bureau.file(other, "likeness").notice.hidden
    bureau.wait(days=terms.rejected_days + 1)
    late = bureau.file(other, "likeness").notice
    assert (late.hidden, late.joined_to, bureau.status(other)) == (True, None, "in_review")
