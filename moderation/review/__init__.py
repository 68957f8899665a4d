"""The human queue: cases are dealt under a lease, answered, undone, escalated, overturned. Publishes nothing itself."""

from moderation.review.answered import Answered, my_escalations
from moderation.review.cases import (
    HASH_QUEUE,
    Case,
    insert_case,
    list_cases,
    open_case,
    opening_decision,
    opening_decisions,
    read_case,
    words_of,
)
from moderation.review.dealing import claim, my_cases, peek, spared
from moderation.review.deciding import Answer, Recorded, decide, escalate, fitting, record
from moderation.review.escalation import Escalation
from moderation.review.history import Act, history
from moderation.review.leases import give_back, renew, skip
from moderation.review.opinions import Opinion, View, opinions_of, opinions_to_show
from moderation.review.overturning import Overturn, overturn
from moderation.review.queues import (
    DEFAULT_QUEUE,
    SPECIALIST_QUEUES,
    Queue,
    QueueLine,
    change_queue,
    demand_access,
    list_queues,
    read_queue,
)
from moderation.review.reviewers import Profile, Reviewer, choose, enlist, give_queues, list_reviewers
from moderation.review.terms import Terms, terms_of
from moderation.review.unanswered import take_up
from moderation.review.undoing import undo

__all__ = [
    "DEFAULT_QUEUE",
    "HASH_QUEUE",
    "SPECIALIST_QUEUES",
    "Act",
    "Answer",
    "Answered",
    "Case",
    "Escalation",
    "Opinion",
    "Overturn",
    "Profile",
    "Queue",
    "QueueLine",
    "Recorded",
    "Reviewer",
    "Terms",
    "View",
    "change_queue",
    "choose",
    "claim",
    "decide",
    "demand_access",
    "enlist",
    "escalate",
    "fitting",
    "give_back",
    "give_queues",
    "history",
    "insert_case",
    "list_cases",
    "list_queues",
    "list_reviewers",
    "my_cases",
    "my_escalations",
    "open_case",
    "opening_decision",
    "opening_decisions",
    "opinions_of",
    "opinions_to_show",
    "overturn",
    "peek",
    "read_case",
    "read_queue",
    "record",
    "renew",
    "skip",
    "spared",
    "take_up",
    "terms_of",
    "undo",
    "words_of",
]
