"""The human queue: cases are dealt under a lease, answered, undone, escalated, overturned. Publishes nothing itself."""

from moderation.review.cases import (
    HASH_QUEUE,
    Case,
    insert_case,
    list_cases,
    open_case,
    opening_decision,
    read_case,
    words_of,
)
from moderation.review.dealing import claim, my_cases, peek
from moderation.review.deciding import Answer, decide, fitting
from moderation.review.leases import give_back, renew, skip
from moderation.review.queues import (
    DEFAULT_QUEUE,
    SPECIALIST_QUEUES,
    Queue,
    QueueLine,
    demand_access,
    list_queues,
    read_queue,
)
from moderation.review.reviewers import Reviewer
from moderation.review.terms import Terms, terms_of

__all__ = [
    "DEFAULT_QUEUE",
    "HASH_QUEUE",
    "SPECIALIST_QUEUES",
    "Answer",
    "Case",
    "Queue",
    "QueueLine",
    "Reviewer",
    "Terms",
    "claim",
    "decide",
    "demand_access",
    "fitting",
    "give_back",
    "insert_case",
    "list_cases",
    "list_queues",
    "my_cases",
    "open_case",
    "opening_decision",
    "peek",
    "read_case",
    "read_queue",
    "renew",
    "skip",
    "terms_of",
    "words_of",
]
