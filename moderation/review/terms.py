"""What a deployment asks of its review: how long a lease and an undo window are, what takes two people. Pure."""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from moderation.exposure import Caps, caps_of

if TYPE_CHECKING:
    from moderation.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The settings of the queue, resolved."""

    lease: timedelta
    #: How long an answer can be undone; nothing that follows from it happens before.
    undo: timedelta
    #: Queues whose allow and restrict take two people, where the queue itself does not say.
    two_person_queues: frozenset[str]
    #: Whether a new case of a rule about a clip may be dealt to who answered an earlier one.
    own_clips_again: bool
    #: How much one person may look at, and from which severity on a case counts as severe.
    caps: Caps


def terms_of(settings: "Settings") -> Terms:
    """The terms of this deployment; in development, where there is one principal, nothing takes a second one."""
    chosen, alone = settings.review, settings.development
    two = chosen.two_person_queues
    again = chosen.own_clips_again
    return Terms(
        lease=timedelta(seconds=chosen.lease_s),
        undo=timedelta(seconds=chosen.undo_s),
        two_person_queues=frozenset(two if two is not None else () if alone else ("minor_safety",)),
        own_clips_again=again if again is not None else alone,
        caps=caps_of(settings),
    )
