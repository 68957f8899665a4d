-- name: reviewer
select principal, code_name, queues, opted_out, preferences, created_at
from moderation.reviewers where principal = %(principal)s;
