-- name: names_of
-- The name and the other names of some people, sealed, and in which context.
select p.person_id, k.wrapped, p.name, 'name' from moderation.people p
join moderation.person_keys k on k.person_id = p.person_id and k.wrapped is not null
where p.person_id = any(%(people)s) and p.erased_at is null and p.state in ('verified', 'suspended')
union all
select a.person_id, k.wrapped, a.sealed, 'alias' from moderation.aliases a
join moderation.people p on p.person_id = a.person_id and p.erased_at is null and p.state in ('verified', 'suspended')
join moderation.person_keys k on k.person_id = a.person_id and k.wrapped is not null
where a.person_id = any(%(people)s);

-- name: names_of_works
select work_id, names from moderation.works where withdrawn_at is null;
