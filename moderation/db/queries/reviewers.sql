-- name: reviewer
select principal, code_name, queues, opted_out, preferences, created_at
from moderation.reviewers where principal = %(principal)s;

-- name: reviewers
select principal, code_name, queues, opted_out, preferences, created_at
from moderation.reviewers order by created_at, principal;

-- name: set_queues
update moderation.reviewers set queues = %(queues)s where principal = %(principal)s;

-- name: set_choices
update moderation.reviewers set opted_out = coalesce(%(opted_out)s::text[], opted_out),
  preferences = coalesce(%(preferences)s::jsonb, preferences)
where principal = %(principal)s;

-- name: unknown_queues
select name from unnest(%(names)s::text[]) name
where not exists (select 1 from moderation.queues q where q.name = name.name and not q.retired);
