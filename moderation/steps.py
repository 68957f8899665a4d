"""The table of steps: the names that `pipeline.py` speaks of, the function behind each, the queue that serves it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from moderation import fetching, holding, judging, marking, release, scoring, screening, unmatched, webhooks
from moderation.clips import Status
from moderation.db.clips import move, read_clip
from moderation.lookbacks import driving as lookbacks
from moderation.pipeline import Json
from moderation.revocations import driving, rejudging

if TYPE_CHECKING:
    from moderation.services import Services

#: Queues and how many pieces of work of each one process takes on at a time.
QUEUES = {"clips": 32, "detect": 2, "render": 2, "fetch": 4, "deliver": 8, "revoke": 2, "lookback": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step's function over the services and plain arguments; `queue` serves it when it is started as a child."""

    function: Callable[..., Json]
    queue: str | None = None


def begin(services: "Services", org: str, clip_id: str, generation: int) -> str:
    """Take a clip up. Answers "go", "fetch" when its bytes are still to come, "outdated" when it is another run's."""
    now = services.clock.now()
    with services.database.transaction(org) as tx:
        clip = read_clip(tx, clip_id, lock=True)
        if not holding.owns(clip, generation):
            return "outdated"
        if clip.state is Status.RECEIVED:
            move(tx, clip, Status.PROCESSING, now)
        return "go" if clip.content_sha256 else "fetch"


def detect(services: "Services", org: str, clip_id: str, generation: int) -> str:
    """Look at a clip; where the settings say so, templates of strangers are kept for a while."""
    return scoring.detect(services, org, clip_id, generation, unmatched.keep)


STEPS: dict[str, Step] = {
    "begin": Step(function=begin),
    "fetch": Step(function=fetching.fetch, queue="fetch"),
    "screen": Step(function=screening.screen, queue="render"),
    "detect": Step(function=detect, queue="detect"),
    "mark": Step(function=marking.mark, queue="render"),
    "judge": Step(function=judging.judge),
    "prove": Step(function=release.prove, queue="render"),
    "release": Step(function=release.release),
    "hold": Step(function=holding.hold),
    "ask_a_person": Step(function=holding.ask_a_person),
    "deliver": Step(function=webhooks.deliver),
    "deliver_many": Step(function=webhooks.deliver_many),
    "list_targets": Step(function=driving.list_targets),
    "handle_some": Step(function=driving.handle_some),
    "judge_released": Step(function=rejudging.judge_released),
    "judge_copies": Step(function=rejudging.judge_copies),
    "list_window": Step(function=lookbacks.list_window),
    "look_back_some": Step(function=lookbacks.look_back_some),
}
