"""Looking back without a database: windows, what a look says of one person, what is left, when a drive gives up."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from moderation.errors import Outage, Unprocessable
from moderation.lookbacks.asking import Window, demand_window
from moderation.lookbacks.looking import Seen, partly, ways_of
from moderation.lookbacks.progress import Progress
from moderation.pipeline import look_back
from moderation.scoring import Analysis

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY, KEPT = timedelta(days=1), timedelta(days=30)
NEW = Progress(
    **dict.fromkeys(("creator", "words", "ended_why", "held_cause", "ended_at", "listed_at")),
    **dict.fromkeys(("clips", "named", "known", "looked", "matched", "possible", "partly", "unreadable"), 0),
    moved_on=0,
    cpu_ms=0,
    from_templates=0,
    lookback_id="lkb_1",
    person_id="per_1",
    state="asked",
    since=NOW - DAY,
    until=NOW,
    asked_at=NOW,
)
HALFWAY = replace(
    NEW, listed_at=NOW, state="running", clips=20, known=4, looked=5, unreadable=2, moved_on=1, cpu_ms=10_000
)


@pytest.mark.parametrize("since", [NOW - KEPT, NOW - DAY])
def test_a_window_may_reach_back_as_far_as_uploads_are_kept(since):
    demand_window(Window(since=since, until=NOW), NOW, KEPT)


@pytest.mark.parametrize(
    ("since", "until"),
    [
        (NOW - KEPT - timedelta(seconds=1), NOW),
        (NOW - DAY, NOW - DAY),
        (NOW - DAY, NOW - 2 * DAY),
        (NOW, NOW + DAY),
    ],
)
def test_a_window_beyond_what_is_kept_or_without_a_clip_is_refused(since, until):
    with pytest.raises(Unprocessable):
        demand_window(Window(since=since, until=until), NOW, KEPT)


def found(state, *candidates):
    return {"state": state, "candidates": [{"person": person, "state": how} for person, how in candidates]}


def analysis(*, faces=(), voices=(), unseen=()):
    return Analysis(signals={}, faces=list(faces), voices=list(voices), seen_ms=[0], unseen_ms=list(unseen))


def test_the_surer_of_several_faces_counts_and_others_do_not():
    seen = analysis(
        faces=[found("possible", ("per_1", "possible")), found("matched", ("per_2", "matched"), ("per_1", "matched"))],
        voices=[found("possible", ("per_1", "possible"))],
    )
    assert ways_of(seen, "per_1") == {"face": "matched", "voice": "possible"}
    assert ways_of(seen, "per_2") == {"face": "matched"}
    assert ways_of(seen, "per_3") == {}


@pytest.mark.parametrize(
    ("ways", "state"),
    [
        ({"face": "possible", "voice": "matched"}, "matched"),
        ({"voice": "possible"}, "possible"),
        ({}, None),
    ],
)
def test_one_certain_way_is_enough(ways, state):
    assert Seen(ways=ways, partly=False, cpu_ms=0).state == state


def test_what_was_not_read_in_whole_is_said():
    assert not partly(analysis(faces=[found("unmatched")], voices=[found("unmatched")]))
    assert partly(analysis(faces=[found("unread")]))
    assert partly(analysis(voices=[found("unread")]))
    assert partly(analysis(unseen=[[0, 40]]))


def test_what_is_left_is_reckoned_from_the_mean_of_the_looks_so_far():
    assert (HALFWAY.left, HALFWAY.cpu_seconds_left) == (8, 16.0)
    assert NEW.cpu_seconds_left is None
    assert replace(HALFWAY, looked=0).cpu_seconds_left is None
    assert replace(HALFWAY, looked=13).cpu_seconds_left == 0.0
    assert replace(HALFWAY, state="cancelled").cpu_seconds_left == 0.0


def test_nothing_is_counted_before_the_window_is_listed():
    assert NEW.to_json()["clips"] is None
    assert HALFWAY.to_json()["clips"]["unreadable"] == 2


class Script:
    def __init__(self, *answers):
        self.answers, self.done = list(answers), []

    def run(self, step, *args):
        self.done.append(step)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.mark.parametrize("last", ["ended", Outage("detector:faces")])
def test_a_drive_ends_with_the_list_or_with_an_outage(last):
    script = Script(3, "more", "more", last)
    look_back(script, "default", "lkb_1")
    assert script.done == ["list_window"] + ["look_back_some"] * 3
