"""START HERE: the steps of a clip in order, and what a failure of each means.

These bodies are prose over `Steps`. How a step survives a crash is `engine.py`'s business; what a step does is
in the module named beside it in `steps.py`. A step may run twice, its effect happens once.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

from moderation.errors import ClipFault, Outage

Json = Mapping[str, "Json"] | list["Json"] | str | int | float | bool | None

#: How often consent, the gallery or a hash may change under a clip before it is held for a quieter moment.
JUDGEMENTS = 5
#: A clip that fails alone so often goes before a person.
ATTEMPTS = 3


class Steps(Protocol):
    """How steps are carried out: durably over queues (`engine.py`), or in this process (`checking.py`).

    Both raise `Outage` when a part of the system is down and `ClipFault` when this clip alone cannot be processed.
    """

    def run(self, step: str, *args: Json) -> Json:
        """Do one step here and now; a finished step is never done again."""
        ...

    def start(self, step: str, *args: Json) -> Callable[[], Json]:
        """Begin a step where its queue is served; calling the answer waits for it."""
        ...


def process_clip(steps: Steps, org: str, clip: str, generation: int) -> None:
    """Take one accepted clip to its end: released, before a person, withheld, refused, or held for a better time."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _look_mark_and_judge(steps, org, clip, generation, attempt)
        except Outage as outage:
            # Nobody's clip is at fault: hold it, ask nobody, and try again when the system is well.
            steps.run("hold", org, clip, generation, outage.cause)
        except ClipFault as fault:
            if attempt < ATTEMPTS:
                continue
            # The system is well and the clip still fails: a person decides.
            steps.run("ask_a_person", org, clip, generation, fault.reason, str(fault))
        return


def _look_mark_and_judge(steps: Steps, org: str, clip: str, generation: int, attempt: int) -> None:
    begun = steps.run("begin", org, clip, generation)
    if begun == "fetch":
        # Only a `source_url` comes without its bytes; one that proves unusable ends `refused`.
        if steps.start("fetch", org, clip, generation)() == "refused":
            return
    elif begun != "go":
        return
    # The known-illegal check comes before everything else touches the bytes; a hit seals them away.
    if steps.start("screen", org, clip, generation)() == "known_illegal":
        return
    _look_then_mark(steps, org, clip, generation, attempt)
    _conclude(steps, org, clip, generation, attempt)


def _look_then_mark(steps: Steps, org: str, clip: str, generation: int, attempt: int) -> None:
    """Look first: the visible mark keeps clear of the faces and captions that were seen."""
    try:
        steps.start("detect", org, clip, generation)()
    except ClipFault:
        if attempt == ATTEMPTS:
            # A person is asked, and sees no clip unmarked; without boxes the mark stands where it likes.
            steps.start("mark", org, clip, generation)()
        raise
    steps.start("mark", org, clip, generation)()


def _conclude(steps: Steps, org: str, clip: str, generation: int, attempt: int) -> None:
    """Judge on the facts of this moment and act on it; begin again when the facts changed meanwhile."""
    for round_ in range(JUDGEMENTS):
        verdict = steps.run("judge", org, clip, generation, f"{attempt}.{round_}")
        if verdict == "gallery_changed":
            steps.start("detect", org, clip, generation)()
        elif verdict == "publishable":
            # The gate re-opens the very bytes to be delivered and proves all three marks on them.
            steps.start("prove", org, clip, generation)()
            if steps.run("release", org, clip, generation) == "released":
                return
        else:
            # "in_review" and "withheld" were written in the same transaction as the decision.
            return
    raise Outage("unsettled_facts", "consent or the gallery kept changing while this clip was judged")


def deliver_event(steps: Steps, org: str, delivery: str) -> None:
    """Bring one event to one endpoint, once; a failed attempt is written down and due again later."""
    steps.run("deliver", org, delivery)


def deliver_events(steps: Steps, org: str, deliveries: list[Json]) -> None:
    """The same for the events of one batch; each is written down by itself."""
    steps.run("deliver_many", org, deliveries)


def drive_revocation(steps: Steps, org: str, revocation: str) -> None:
    """Bring everything a revocation reaches to zero: what shows the person is withdrawn, the rest is judged again."""
    steps.run("list_targets", org, revocation)
    while steps.run("handle_some", org, revocation) == "more":
        continue


def judge_clips_of(steps: Steps, org: str, person: str) -> None:
    """Judge again what is out and shows a person who consents otherwise since."""
    steps.run("judge_released", org, person)


def judge_copies_of(steps: Steps, org: str, clip: str) -> None:
    """Judge again the near copies of a clip that are out and do not know of somebody whom it shows."""
    steps.run("judge_copies", org, clip)


def look_back(steps: Steps, org: str, lookback: str) -> None:
    """Look for one person in what was judged before they registered; an outage leaves the rest to a later run."""
    try:
        steps.run("list_window", org, lookback)
        while steps.run("look_back_some", org, lookback) == "more":
            continue
    except Outage:
        # Clips keep their places, and a sweep begins again: see lookbacks/driving.py.
        return


WORKFLOWS: dict[str, Callable[..., None]] = {
    "process_clip": process_clip,
    "deliver_event": deliver_event,
    "deliver_events": deliver_events,
    "drive_revocation": drive_revocation,
    "judge_clips_of": judge_clips_of,
    "judge_copies_of": judge_copies_of,
    "look_back": look_back,
}
