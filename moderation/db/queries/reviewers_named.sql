-- name: code_name
select code_name from moderation.reviewers where principal = %(principal)s;

-- name: make_reviewer
insert into moderation.reviewers (org_id, principal, code_name, created_at)
values (%(org)s, %(principal)s, %(name)s, %(now)s)
on conflict do nothing;

-- name: code_names
select principal, code_name from moderation.reviewers where principal = any(%(principals)s);

-- name: principal_of
select principal from moderation.reviewers where lower(code_name) = lower(%(name)s);

-- name: assign_queues
update moderation.reviewers set queues = %(queues)s where principal = %(principal)s;
