"""The order of a clip's steps, and what a failure of each means. Scripted answers; the steps themselves are tested apart."""

import pytest

from moderation.errors import ClipFault, Outage
from moderation.pipeline import ATTEMPTS, JUDGEMENTS, process_clip

WELL = {"begin": ["go"], "screen": ["clear"], "judge": ["publishable"], "release": ["released"]}


class Script:
    """Steps whose answers are written down beforehand: the last one of each step repeats; an error is raised."""

    def __init__(self, **answers):
        self.answers = {name: list(given) for name, given in (WELL | answers).items()}
        self.done = []

    def run(self, step, *args):
        self.done.append(step)
        self.last = args
        given = self.answers.get(step, [None])
        answer = given.pop(0) if len(given) > 1 else given[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def start(self, step, *args):
        try:
            answer = self.run(step, *args)
        except (Outage, ClipFault) as error:
            failure = error

            def fail():
                raise failure

            return fail
        return lambda: answer


def done(**answers):
    script = Script(**answers)
    process_clip(script, "default", "clip_1", 1)
    return script.done


def test_a_good_clip_is_looked_at_marked_judged_proven_and_released_in_this_order():
    assert done() == ["begin", "screen", "detect", "mark", "judge", "prove", "release"]


def test_a_known_illegal_clip_is_touched_by_nothing_else():
    assert done(screen=["known_illegal"]) == ["begin", "screen"]


@pytest.mark.parametrize("verdict", ["in_review", "withheld", "outdated"])
def test_what_is_not_publishable_never_reaches_the_gate(verdict):
    assert "prove" not in done(judge=[verdict])
    assert "release" not in done(judge=[verdict])


def test_a_run_that_another_overtook_does_nothing():
    assert done(begin=["outdated"]) == ["begin"]


def test_a_clip_by_url_is_fetched_first():
    assert done(begin=["fetch"])[:3] == ["begin", "fetch", "screen"]
    assert done(begin=["fetch"], fetch=["refused"]) == ["begin", "fetch"]


@pytest.mark.parametrize("step", ["screen", "detect", "mark", "judge", "prove", "release"])
def test_an_outage_anywhere_holds_the_clip_and_asks_nobody(step):
    steps = done(**{step: [Outage("detector:faces")]})
    assert steps[-1] == "hold"
    assert "ask_a_person" not in steps
    if step != "release":
        assert "release" not in steps


@pytest.mark.parametrize("step", ["screen", "detect", "mark", "judge", "prove"])
def test_a_clip_that_fails_alone_is_tried_three_times_then_a_person_is_asked(step):
    steps = done(**{step: [ClipFault("processing_failed")]})
    assert steps.count(step) == ATTEMPTS
    assert steps[-1] == "ask_a_person"
    assert "release" not in steps
    assert "hold" not in steps


def test_a_fault_that_passes_is_forgotten():
    steps = done(detect=[ClipFault("processing_failed"), None])
    assert steps[-1] == "release"
    assert "ask_a_person" not in steps


def test_the_mark_waits_for_the_look_and_is_not_begun_when_that_may_still_succeed():
    assert "mark" not in done(detect=[Outage("detector:faces")])
    again = done(detect=[ClipFault("processing_failed"), None])
    assert again[again.index("detect") :][:5] == ["detect", "begin", "screen", "detect", "mark"]


def test_a_clip_that_cannot_be_looked_at_is_marked_before_a_person_sees_it():
    steps = done(detect=[ClipFault("detector_unavailable")])
    assert steps.count("mark") == 1
    assert steps[-3:] == ["detect", "mark", "ask_a_person"]


def test_an_outage_outweighs_a_clips_own_fault():
    steps = done(detect=[ClipFault("processing_failed")], mark=[Outage("timestamp")])
    assert steps.count("detect") == ATTEMPTS
    assert steps[-1] == "hold"


def test_a_changed_gallery_is_looked_at_again_before_judging():
    steps = done(judge=["gallery_changed", "publishable"])
    assert steps == ["begin", "screen", "detect", "mark", "judge", "detect", "judge", "prove", "release"]


def test_consent_that_changed_at_the_gate_is_judged_again():
    assert done(release=["facts_changed", "released"]).count("judge") == 2


def test_facts_that_never_settle_hold_the_clip():
    steps = done(release=["facts_changed"])
    assert steps.count("judge") == JUDGEMENTS
    assert steps[-1] == "hold"


def test_each_judgement_of_a_run_has_a_name_of_its_own():
    names: list[str] = []

    class Names(Script):
        def run(self, step, *args):
            if step == "judge":
                names.append(args[-1])
            return super().run(step, *args)

    process_clip(Names(release=["facts_changed"], prove=[None]), "default", "clip_1", 1)
    assert len(set(names)) == len(names) == JUDGEMENTS
